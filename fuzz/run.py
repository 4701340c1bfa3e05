"""Coverage-guided fuzzing of all that reads untrusted text: `make fuzz`, or `python fuzz/run.py TARGET [OPTIONS]`.

Whatever the bytes, a reader returns or raises a GradcheckError; anything else, or a hang, is a finding. The inputs in
``fuzz/corpus`` are where it starts; a finding is written to the working directory as ``crash-*`` or ``timeout-*``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gradcheck"]):
    from gradcheck.corpus import load
    from gradcheck.errors import GradcheckError
    from gradcheck.lower import lower
    from gradcheck.parse import parse
    from gradcheck.points import Files, parse_points

HERE = Path(__file__).parent
SCRATCH = Path(tempfile.mkdtemp()) / "fuzzed.toml"


def program(data: bytes) -> None:
    """Parse, print, parse again: the same program comes back; then give it shapes."""
    parsed = parse(data.decode("utf-8", "replace"))
    again = parse(str(parsed))
    if str(again) != str(parsed):
        raise AssertionError(f"{parsed} prints as another program")
    lower(parsed)


def points(data: bytes) -> None:
    """Read the points of two inputs."""
    parse_points([data.decode("utf-8", "replace")], ("x", "y"), files=Files.NONE)


def file(data: bytes) -> None:
    """Load a whole expression file: nothing is raised at all, every mistake is a problem."""
    SCRATCH.write_bytes(data)
    found = load([SCRATCH])
    if any(not text.isprintable() for problem in found.problems for text in problem.split("\n")):
        raise AssertionError("a problem holds a character that a terminal may obey")


TARGETS: dict[str, Callable[[bytes], None]] = {"program": program, "points": points, "file": file}


def tolerant(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return a target for which an error in the user's words is a good end."""

    def run(data: bytes) -> None:
        try:
            target(data)
        except GradcheckError as problem:
            str(problem)  # the caret is drawn, too

    return run


def main() -> None:
    """Fuzz the target that the first argument names; the rest goes to libFuzzer."""
    name, *rest = sys.argv[1:] or [""]
    if name not in TARGETS:
        sys.exit(f"choose a target: {', '.join(TARGETS)}")
    run = TARGETS[name] if name == "file" else tolerant(TARGETS[name])
    found = tempfile.mkdtemp()  # libFuzzer writes what it finds into the first directory
    atheris.Setup([sys.argv[0], "-timeout=10", "-rss_limit_mb=4096", *rest, found, str(HERE / "corpus" / name)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
