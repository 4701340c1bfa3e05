"""What do the tests let through? `python benchmarks/mutants.py`: small changes of the core, each tried alone.

A sample of all changes of operators, comparisons, numbers, texts, conditions, returns, statements, keywords and names
with an opposite is drawn. Each is tried in a fork of one process that has torch and SymPy loaded, by the tests that
call its function, and is killed when one of them fails, hangs or cannot be loaded. What no test kills is printed with
file, line and what was changed; so is the share killed, and below 95 % the run ends with exit code 1. Changes that were
looked at and change nothing that can be seen are listed in benchmarks/mutation/equivalent.txt, and count for neither.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random

os.environ |= {"OMP_NUM_THREADS": "1", "CI": "true"}  # in CI Hypothesis draws the same every time

import pytest

from mutation.calls import recorded
from mutation.changes import Change, changes, compiles, reads
from mutation.choice import Chosen, Tests
from mutation.process import OPTIONS, ROOT, Changed, in_parallel, load

GOAL = 0.95
SOURCE = ROOT / "src" / "gradcheck"

CORE = (
    "exact/**/*.py", "functions/*.py", "kernels/*.py", "differentiate/*.py", "autograd/*.py", "judgements.py",
    "bounds.py", "compare.py", "formats.py", "ordinals.py", "lower.py", "pointwise.py", "constants.py", "gradients.py",
    "nested.py", "case/climb.py", "case/evidence.py",
)  # fmt: skip
"""What decides a verdict."""

TESTS = (
    "autograd", "borders", "bounds", "case", "compare", "demand", "differentiate", "digits", "display", "domains",
    "exact", "fields", "formats", "gradients", "identities", "infinities", "intervals", "judgements", "jumps", "kinks",
    "ladder", "lower", "machine", "machine_rounded", "many", "modes", "operations", "operations_at_length",
    "ordinals", "outcome", "params", "parse", "rounding", "series", "series_algebra", "sorting", "spellings",
    "stacked", "structure", "sums", "table", "under_test", "vectors", "verdicts", "worst",
)  # fmt: skip
"""The test files that try it, within their own process: another process would load the unchanged package."""

EQUIVALENT = Path(__file__).parent / "mutation" / "equivalent.txt"


class Selected:
    """A pytest plugin that keeps the chosen tests, in their order.

    Before them it has the examples of the changed file, and tests that are there because of the change alone.
    """

    def __init__(self, change: Change, chosen: Chosen, known: Container[str]) -> None:
        self.path, self.known = change.path, known
        self.order = {name: k for k, name in enumerate(chosen.tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep and sort."""
        places = {item: self.order.get(item.nodeid, self.first(item.nodeid)) for item in items}
        kept = [(place, item) for item, place in places.items() if place is not None]
        items[:] = [item for _, item in sorted(kept, key=lambda one: one[0])]

    def first(self, name: str) -> int | None:
        return -1 if name.startswith(self.path) or name not in self.known else None


def drawn(files: list[Path], count: int, seed: int) -> Iterator[Change]:
    """Yield some changes of the files, chosen at random, that Python can read."""
    texts = {str(file.relative_to(ROOT)): file.read_text() for file in files}
    everything = [one for path, text in texts.items() for one in changes(path, text)]
    print(f"{len(everything)} changes of {len(files)} files; seed {seed}", flush=True)
    Random(seed).shuffle(everything)
    readable = (one for one in everything if compiles(one.applied(texts[one.path])))
    for _, one in zip(range(count), readable, strict=False):
        yield one


def _run(change: Change, chosen: Chosen, known: Container[str]) -> int:
    path = ROOT / change.path
    sys.meta_path.insert(0, Changed(path, change.applied(path.read_text())))
    return pytest.main(
        ["-qx", *OPTIONS, "--tb=no", change.path, *chosen.files], plugins=[Selected(change, chosen, known)]
    )


def readers() -> dict[str, set[str]]:
    """Return which functions of the package read a name, by themselves or through what a module makes of it."""
    found: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        for name, reader in reads(str(file.relative_to(ROOT)), file.read_text()):
            found.setdefault(name, set()).add(reader)
    return {name: _functions(name, found) for name in found}


def _functions(name: str, found: dict[str, set[str]]) -> set[str]:
    seen, waiting = set[str](), [name]
    while waiting:
        new = found.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return {one for one in seen if ": " in one}


def equivalent() -> set[str]:
    """Return the changes that are known to change nothing; each line is as it was printed, and has a reason below."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    return {
        re.sub(r":\d+: ", ": ", line, count=1)
        for line in (one.partition("\t")[0] for one in lines)
        if line.startswith("src/")
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="files to change; the core without any")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=40, help="time of the tests that try one change")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--record", action="store_true", help="only record which test calls what")
    given = parser.parse_args()
    os.chdir(ROOT)
    load()
    trying = [ROOT / "tests" / f"test_{name}.py" for name in TESTS]
    tests = Tests(recorded(trying, given.jobs), readers())
    if given.record:
        return 0
    files = [file.resolve() for file in given.files] or sorted({file for one in CORE for file in SOURCE.glob(one)})
    known = equivalent()
    sample = list(drawn(files, given.count, given.seed))
    fresh = [one for one in sample if one.key not in known]
    print(f"{len(sample) - len(fresh)} of {len(sample)} are known to change nothing that can be seen", flush=True)
    return report(tried(fresh, tests, given.seconds, given.jobs))


def tried(sample: Iterable[Change], tests: Tests, seconds: float, jobs: int) -> Iterator[tuple[Change, Chosen, bool]]:
    """Yield every change with the tests that tried it, and whether it was killed."""
    chosen = {change: tests.choose(change, seconds) for change in sample}
    works = [(change, partial(_run, change, one, tests.calls), 20 + 5 * one.seconds) for change, one in chosen.items()]
    for change, code in in_parallel(works, jobs):
        yield change, chosen[change], code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def report(found: Iterable[tuple[Change, Chosen, bool]]) -> int:
    """Print what survives as it comes, and then the share; return the exit code."""
    killed, survived = 0, 0
    for change, chosen, dead in found:
        killed, survived = killed + dead, survived + (not dead)
        if not dead:
            print(change, f"({len(chosen.tests) or 'no'} tests; {killed} killed so far)", sep="\t", flush=True)
    share = killed / max(killed + survived, 1)
    print(f"killed {killed} of {killed + survived}, {share:.1%}")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
