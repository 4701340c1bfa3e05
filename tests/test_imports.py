"""The import order: files import only from groups to their left, and heavy libraries have one door each."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradcheck

ORDER: tuple[tuple[str, ...], ...] = (
    ("errors", "exits", "formats", "memory", "quiet", "reason", "scratch", "whole"),
    ("apart", "bounds", "ordinals", "program", "streams", "tree", "verdict", "ways", "work"),
    ("lane", "weighing"),
    ("numerics", "steps"),
    ("functions",),
    ("constants", "source"),
    ("parse", "points"),
    ("definitions", "dispatch", "settings", "sizes"),
    ("arguments", "lower", "pointwise"),
    ("corners", "groups"),
    ("kernels", "exact", "autograd", "compare", "expect", "blame", "rewrites"),
    ("code", "judgements", "differentiate"),
    ("display", "gradients"),
    ("notation", "plan", "outcome", "diagnose"),
    ("nested",),
    ("few", "peers", "boundaries"),
    ("case", "repro", "suite"),
    ("selftest", "nest", "corpus", "batch", "explanation"),
    ("report",),
    ("cli", "pytest_plugin"),
    ("__main__",),
)
"""Groups of files and packages, from left to right; a file imports from groups to its left, or from its own package."""

DOORS: dict[str, tuple[str, ...]] = {
    "sympy": ("kernels",),
    "flint": ("exact",),
    "torch": ("autograd", "selftest", "batch"),  # planted faults are autograd Functions; workers set the seed
    "rich": ("report", "batch"),  # tables, and the bar that shows how far a batch is
    "typer": ("cli",),
    "pytest": ("pytest_plugin",),
}
"""The only files or packages that import a library."""

LIGHT = frozenset({"numpy"})
"""What the table may import beside Python's own library."""

ROOT = Path(gradcheck.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
assert FILES

EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])


def place(path: Path) -> str:
    """Return the file's or its package's name in the order."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def own(path: Path) -> Iterator[str]:
    """Yield the name in the order of every file or package of ours that a file imports."""
    for name in imports(path):
        first, *rest = name.split(".")
        if first == "gradcheck" and rest != ["__version__"]:
            yield rest[0]


def libraries(path: Path) -> set[str]:
    """Return the libraries that a file imports."""
    found = {name.split(".")[0] for name in imports(path)}
    return found - set(sys.stdlib_module_names) - {"gradcheck"}


@EVERY_FILE
def test_files_import_only_from_groups_to_their_left(path: Path) -> None:
    groups = {name: k for k, group in enumerate(ORDER) for name in group}
    here = place(path)
    assert here in groups, f"{here} is new: give it a place in the order"
    for name in own(path):
        assert name in groups, f"{here} imports {name}, which has no place in the order"
        assert name == here or groups[name] < groups[here], f"{here} imports {name}, which is not to its left"


def test_the_order_names_only_what_is_there() -> None:
    assert {name for group in ORDER for name in group} == {place(path) for path in FILES}


@EVERY_FILE
def test_every_library_has_its_door(path: Path) -> None:
    for library in libraries(path) & set(DOORS):
        assert place(path) in DOORS[library], f"{place(path)} imports {library}"


@pytest.mark.parametrize("library", DOORS)
def test_every_door_is_used(library: str) -> None:
    assert any(library in libraries(path) for path in FILES if place(path) in DOORS[library])


@pytest.mark.parametrize("path", [path for path in FILES if place(path) == "functions"], ids=lambda path: path.stem)
def test_the_table_imports_nothing_heavy(path: Path) -> None:
    assert libraries(path) <= LIGHT


HEAVY = frozenset({"numpy", "torch", "sympy", "flint", "pydantic", "rich", "mpmath"})
"""Libraries that take longer to load than what a short command does."""

COMMANDS: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    ((), HEAVY),
    (("--help",), HEAVY),
    (("--version",), HEAVY),
    (("--nonsense",), HEAVY),
    (("functions",), HEAVY),
    (("functions", "tanh"), HEAVY),
    (("functions", "tanhh"), HEAVY),
    (("functions", "--help"), HEAVY),
    (("selftest", "--help"), HEAVY),
    (("explain", "--help"), HEAVY),
    (("batch", "--help"), HEAVY),
    (("2x", "--at", "1"), HEAVY),
    (("sin x", "--at", "1"), HEAVY),
    (("tanhh(x)", "--at", "1"), HEAVY),
    (("x", "--at", "y=1"), HEAVY),
    (("x*y", "--at", "x=1"), HEAVY),
    (("x+y", "--at", "x=[1,2],y=[1,2,3]"), HEAVY),
    (("x", "--at", "1", "--wrt", "y"), HEAVY),
    (("x", "--at", "1", "--dtype", "float23"), HEAVY),
    (("x", "--at", "1", "--allow", "nothing"), HEAVY),
    (("x", "--at", "1", "--format", "jsonl", "--expect", "y"), HEAVY),
    (("explain", "sin x", "--at", "1"), HEAVY),
    (("x", "--at", "1", "--ulps", "many"), HEAVY - {"pydantic"}),
    (("x", "--at", "x=@nowhere.npy"), HEAVY),
)
"""Commands that check nothing, and the libraries that none of their work needs."""

LOADED = """
import sys
from gradcheck.__main__ import run
code = run(sys.argv[2:])
print(*sorted(set(sys.modules) & set(sys.argv[1].split(","))), file=sys.stderr)
print(f"code {code}", file=sys.stderr)
"""


@pytest.mark.parametrize(("words", "without"), COMMANDS, ids=[" ".join(words) or "nothing" for words, _ in COMMANDS])
def test_a_command_that_checks_nothing_loads_no_heavy_library(words: tuple[str, ...], without: frozenset[str]) -> None:
    asked = [sys.executable, "-c", LOADED, ",".join(without), *words]
    *_, loaded, code = subprocess.run(asked, capture_output=True, text=True, check=True).stderr.splitlines()
    assert (loaded, code) in {("", "code 0"), ("", "code 2")}


@pytest.mark.parametrize("code", ["import gradcheck", "from gradcheck import Settings, check, explain; Settings()"])
def test_the_library_loads_nothing_heavy_before_its_first_check(code: str) -> None:
    made = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(sorted(set(sys.modules) & {set(HEAVY)!r}))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout == "[]\n"


def test_reading_a_program_loads_no_library_behind_a_door() -> None:
    code = (
        "import sys; from gradcheck.parse import parse; from gradcheck.points import parse_points; parse('sin(x)');"
        f"parse_points(['x=2'], ['x']); print(sorted(set(sys.modules) & {set(DOORS)!r}))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "[]\n"
