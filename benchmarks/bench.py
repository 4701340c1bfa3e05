"""How long things take, each beside a measure taken in the same run: `python benchmarks/bench.py [GROUP...]`."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

from rows import GROUPS
from rows.row import HEAD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all, where none is named")
    groups = parser.parse_args().groups or list(GROUPS)
    if strange := sorted(set(groups) - set(GROUPS)):
        parser.error(f"no group is called {strange[0]}")
    print(f"{machine()}{load()} at the start\n\n{HEAD}", flush=True)
    missed = 0
    for row in (row for group in groups for row in GROUPS[group]()):
        print(row, flush=True)
        missed += row.met is False
    print(f"\n{missed} missed{load()} at the end")


def machine() -> str:
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "sympy", "python-flint"))
    python = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {python}, {libraries}"


def load() -> str:
    return f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


if __name__ == "__main__":
    main()
