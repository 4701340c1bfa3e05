"""Files from strangers: whatever their bytes, links and sizes, loading them tells problems and nothing else."""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradcheck import tree
from gradcheck.corpus import Loaded, files, limits, load, page, tables, trial
from gradcheck.corpus.places import places
from gradcheck.suite import Problem

HEAD = '[[check]]\nexpression = "x"\nat = 1\n'
MAX_SECONDS = 10.0
"""CPU seconds that the worst file may take; an ordinary one takes milliseconds."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str | bytes = HEAD) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def paths_of(found: Loaded) -> list[str | None]:
    return [check.path for check in found.checks]


# --- which files --------------------------------------------------------------------------------


def test_a_directory_is_walked_in_order_without_hidden_files() -> None:
    for name in ("d/b.toml", "d/a.txt", "d/sub/c.toml", "d/.hidden.toml", "d/.git/x.toml", "d/readme.md", "d/x.TOML"):
        write(name, HEAD if name.endswith("toml") else "x")
    found = load(["d"], at=["1"])
    assert (paths_of(found), found.problems) == (["d/a.txt", "d/b.toml", "d/sub/c.toml"], ())


def test_each_real_file_is_read_once() -> None:
    write("d/a.toml")
    os.link("d/a.toml", "d/c.toml")
    found = load(["d/a.toml", "d", "./d/a.toml", "d/*.toml", "d/c.toml"])
    assert (paths_of(found), found.problems) == (["d/a.toml"], ())


def test_loops_of_links_end() -> None:
    write("d/a.toml")
    os.symlink(".", "d/self")
    os.symlink("..", "d/up")
    os.symlink("loop.toml", "d/loop.toml")
    found = load(["d", "d/**/*.toml"])
    assert paths_of(found) == ["d/a.toml"]
    assert {problem.split("\n")[0] for problem in found.problems} == {f"d/loop.toml: {LINK}"}


LINK = "this is a symbolic link of the checked tree, and those are not followed"


def test_a_link_of_the_tree_is_not_followed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever it leads, and whoever names it: what it leads to may be a secret that a message shows."""
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("hunter2", "utf-8")
    write("d/a.toml")
    write("e/inside.txt")
    os.symlink(secret, "d/b.txt")
    os.symlink("../e/inside.txt", "d/c.txt")
    for path in ("d", "d/*", "*/*"):
        found = load([path], at=["1"])
        assert "d/a.toml" in paths_of(found)
        assert {"d/b.txt", "d/c.txt"}.isdisjoint(paths_of(found))
        told = [problem.split("\n")[0] for problem in found.problems]
        assert told[:2] == [f"d/b.txt: {LINK}", f"d/c.txt: {LINK}"]
    os.symlink("e", "f")
    for path, said in {"d/b.txt": LINK, "f/inside.txt": LINK.replace("this", "f", 1)}.items():
        assert load([path], at=["1"]) == Loaded((), (Problem(f"{said}\nname the file itself", path),))


def test_a_link_of_whoever_runs_the_command_is_followed(tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "real").mkdir()
    (outside / "real" / "a.toml").write_text(HEAD, "utf-8")
    (outside / "link").symlink_to("real")
    named = str(outside / "link" / "a.toml")
    assert paths_of(load([named])) == [named]
    (outside / "real" / "b.txt").symlink_to(outside / "real" / "a.toml")
    assert [problem.split("\n")[0] for problem in load([outside / "real"]).problems] == [
        f"{outside / 'real' / 'b.txt'}: {LINK}"
    ]


PATTERNS = {
    "e/**/*.toml": ["e/a.toml", "e/s/b.toml", "e/s/t/c.toml"],
    "e/*.toml": ["e/a.toml"],
    "e/s/[bc].toml": ["e/s/b.toml"],
    "e/?/*.toml": ["e/s/b.toml"],
    "*/a.toml": ["e/a.toml"],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches(pattern: str) -> None:
    for name in ("e/a.toml", "e/s/b.toml", "e/s/t/c.toml", "e/.h/d.toml"):
        write(name)
    found = load([pattern])
    assert (paths_of(found), found.problems) == (PATTERNS[pattern], ())


MISSING = {
    "nothing.toml": "nothing.toml: no such file or directory",
    "*.toml": "*.toml: no file matches",
    "a/**b/*.toml": (
        "a/**b/*.toml: this is no pattern\n** stands alone between slashes, as in expressions/**/*.toml"
    ),
    "empty": "empty: no .toml or .txt file in this directory",
    "a\0b.toml": "a�b.toml: no such file or directory",
    "\x1b[31m.toml": "�[31m.toml: no file matches",
    "notes.md": "notes.md: an expression file ends in .toml or .txt",
    "": ": no such file or directory",
}  # fmt: skip


@pytest.mark.parametrize("path", MISSING)
def test_what_is_not_there_is_a_problem(path: str) -> None:
    Path("empty").mkdir()
    write("notes.md", "x")
    assert load([path]) == Loaded((), (Problem(MISSING[path]),))


def test_toml_of_others_is_skipped_in_a_directory_and_refused_by_name() -> None:
    write("d/pyproject.toml", '[project]\nname = "a"\n[tool.x]\ncheck = 1\n')
    assert load(["d"]) == Loaded((), ())
    found = load(["d/pyproject.toml"])
    assert [text.split("\n")[0] for text in found.problems] == [
        "d/pyproject.toml:1: this file has no check",
        "d/pyproject.toml:1: unknown key `project`",
        "d/pyproject.toml:3: unknown key `tool`",
    ]
    write("d/other.toml", "check = true\n")
    assert load(["d"]).problems[0].startswith("d/other.toml:1: check is a list of tables\n")


def test_pipes_devices_and_directories_are_not_read() -> None:
    os.mkfifo("pipe.toml")
    Path("d.toml").mkdir()
    assert load(["pipe.toml"]).problems == ("pipe.toml: not a plain file",)
    assert load(["/dev/zero", "/dev/stdin"]).problems == (
        "/dev/zero: an expression file ends in .toml or .txt", "/dev/stdin: an expression file ends in .toml or .txt",
    )  # fmt: skip
    assert load(["d.toml"]).problems == ("d.toml: no .toml or .txt file in this directory",)
    assert "./pipe.toml: not a plain file" in load(["."]).problems


def test_a_file_that_becomes_a_pipe_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo("pipe.toml")
    write("a.toml")
    plain = os.stat("a.toml")
    monkeypatch.setattr(os, "stat", lambda _name, **_options: plain)
    assert load(["pipe.toml"]).problems == ("pipe.toml: not a plain file",)


def test_a_file_that_may_not_be_read_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.toml")

    def refuse(_name: str, _flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tree, "_without_waiting", refuse)
    assert load(["a.toml"]).problems == ("a.toml: permission denied",)


def test_a_name_that_is_no_text_is_shown_and_kept_as_one(here: Path) -> None:
    name = os.fsencode(here) + b"/d\x1b[2J\xff.txt"
    Path(os.fsdecode(name)).write_text("x\n2x")
    found = load([here], at=["1"])
    assert [path is not None and path.isprintable() for path in paths_of(found)] == [True]
    assert found.problems[0].split("\n")[0] == f"{here}/d�[2J�.txt:2: a * is missing between 2 and x"


# --- bytes --------------------------------------------------------------------------------------

BYTES = {
    b"\xff\xfe[\0": "a.toml: not UTF-8 text: line 1 holds the byte 0xff",
    b"[[check]]\n# \xe9\n": "a.toml: not UTF-8 text: line 2 holds the byte 0xe9",
    b"[[check]]\n# \x1b[31m\n": (
        "a.toml:2: not valid TOML at column 3: found invalid character '\\x1b'\n  # �[31m\n    ^"
    ),
    b"[[check]]\n# \x00\n": "a.toml:2: not valid TOML at column 3: found invalid character '\\x00'\n  # �\n    ^",
    b"\r": "a.toml:1: not valid TOML at column 1: invalid statement\n  �\n  ^",
    b"": "a.toml:1: this file has no check\n  \n  ^\nbegin each check with [[check]]",
    b'[[check]]\nexpression = "x\\u0000"\nat = 1': (
        "a.toml:2: a text holds no control character such as U+0000\n"
        '  expression = "x\\u0000"\n               ^^^^^^^^^'
    ),
    b'[[check]]\nname = "\\uFFFE"\nexpression = "x"\nat = 1': (
        "a.toml:2: a text holds no control character such as U+FFFE\n  name = \"\\uFFFE\"\n         ^^^^^^^^"
    ),
    b'[[check]]\nname = "a\\u202eb"\nexpression = "x"\nat = 1': (
        "a.toml:2: a name is one line of printable characters\n  name = \"a\\u202eb\"\n         ^^^^^^^^^^"
    ),
    b'[[check]]\nexpression = "x"\nat = "1\\u001b[2J"': (
        "a.toml:3: cannot read `�` here: expected `,` or the end\n  1�[2J\n   ^"
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw", BYTES)
def test_strange_bytes_are_one_clear_message(raw: bytes) -> None:
    write("a.toml", raw)
    assert load(["a.toml"]).problems == (BYTES[raw],)


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    write("a.toml", b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode() + b'\r\n[[check]]\r\nexpression = "2x"')
    found = load(["a.toml"])
    assert [check.name for check in found.checks] == ["x"]
    assert found.problems == ("a.toml:6: a * is missing between 2 and x\n  2x\n  ^^\nwrite 2*x",)


def test_a_line_with_a_control_character_is_refused() -> None:
    write("a.txt", "x\nx # \x1b[31m\nx\ry\n")
    found = load(["a.txt"], at=["1"])
    assert [check.line for check in found.checks] == [1]
    assert found.problems == (
        "a.txt:2: a text holds no control character such as U+001B\n  x # �[31m\n  ^^^^^^^^^",
        "a.txt:3: this value goes nowhere\n  x\n  ^\ngive it a name: y = ..., or make it the last statement",
    )


# --- points that read files ---------------------------------------------------------------------

POINT = '[[check]]\nexpression = "sum(x)"\nat = {{x = "@{}"}}'


def test_a_point_reads_no_file_unless_the_file_is_trusted() -> None:
    write("d/a.toml", POINT.format("p.json"))
    write("d/p.json", "[1, 2]")
    assert load(["d"]).problems == (
        "d/a.toml:3: a point of an expression file reads no other file\n  x=@p.json\n    ^^^^^^^\n"
        "allow it with --trust",
    )
    found = load(["d"], trust=True)
    assert found.problems == ()
    assert found.checks[0].settings.directory == Path("d")
    np.save("q.npy", np.ones(3))
    write("d/b.txt", "sum(x)")
    assert load(["d/b.txt"], at=["x=@q.npy"]).problems == ()


OUTSIDE = ["../p.json", "{here}/p.json", "link.json", "linked/p.json", "sub/../../p.json"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_trusted_point_stays_in_the_directory_of_its_file(name: str, here: Path) -> None:
    write("p.json", "[1, 2]")
    write("d/sub/x.txt", "x")
    os.symlink("../p.json", "d/link.json")
    os.symlink("..", "d/linked")
    write("d/a.toml", POINT.format(name.format(here=here)))
    [problem] = load(["d/a.toml"], trust=True).problems
    assert ": outside the directory of the expression file\n" in problem


# --- sizes --------------------------------------------------------------------------------------


def test_a_huge_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("a.toml").open("wb") as file:
        file.truncate(2**40)
    assert load(["a.toml"]).problems == (
        "a.toml: an expression file has at most 4,194,304 bytes; this one has 1,099,511,627,776",
    )
    write("b.toml", "# " * 100)
    monkeypatch.setattr(tree, "_check_plain", lambda *_: None)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    assert load(["b.toml"]).problems == ("b.toml: an expression file has at most 100 bytes",)


def test_too_many_files_checks_and_definitions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.toml", "b.toml", "c.toml"):
        write(name)
    monkeypatch.setattr(files, "MAX_FILES", 2)
    found = load(["."])
    assert (paths_of(found), found.problems) == (
        ["./a.toml", "./b.toml"],
        (".: more than 2 files (the limit MAX_FILES)",),
    )
    write("many.toml", HEAD * (limits.MAX_CHECKS + 1))
    assert load(["many.toml"]).problems == (
        "many.toml:30001: a file has at most 10,000 checks (the limit MAX_CHECKS)\n  [[check]]\n  ^^^^^^^^^",
    )
    monkeypatch.setattr(tables, "MAX_CHECKS", 2)
    write("inline.toml", f"check = [{'{expression = 1},' * 3}]")
    assert "a file has at most 2 checks" in load(["inline.toml"]).problems[0]
    write("define.toml", "[define]\n" + "".join(f'"f{k}(x)" = "x"\n' for k in range(1001)) + HEAD)
    assert "a file has at most 1,000 definitions (the limit MAX_DEFINITIONS)" in load(["define.toml"]).problems[0]


def test_only_so_many_problems_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_SHOWN_PROBLEMS", 2)
    write("a.toml", (HEAD + "ulps = -1\n") * 5)
    found = load(["a.toml"])
    assert [text.split(": ")[0] for text in found.problems] == ["a.toml:4", "a.toml:8", "a.toml"]
    assert found.problems[-1] == "a.toml: and 3 more problems"


DEEP = {
    "at = " + "[" * 100_000: "lists and tables nest at most 32 deep (the limit MAX_NESTING)",
    "at = " + "{a=" * 100_000: "lists and tables nest at most 32 deep (the limit MAX_NESTING)",
    "at = [\n" * 50_000: "lists and tables nest at most 32 deep (the limit MAX_NESTING)",
    ".".join("a" * 100_000) + " = 1": "a key has at most 16 parts (the limit MAX_KEY_PARTS)",
    "[" + ".".join("a" * 100_000) + "]": "a key has at most 16 parts (the limit MAX_KEY_PARTS)",
    "at = {" + ".".join(['"a"'] * 100_000) + " = 1}": "a key has at most 16 parts (the limit MAX_KEY_PARTS)",
}


@pytest.mark.parametrize("text", DEEP, ids=lambda text: text[:12])
def test_what_nests_too_deep_is_one_message(text: str) -> None:
    write("a.toml", HEAD + text)
    [problem] = load(["a.toml"]).problems
    assert problem.split("\n")[0].partition(": ")[2] == DEEP[text]


def test_a_recursion_that_the_limits_do_not_foresee_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(_text: str, **_options: object) -> dict[str, object]:
        raise RecursionError

    monkeypatch.setattr(tomllib, "loads", deep)
    write("a.toml")
    assert load(["a.toml"]).problems == (
        "a.toml:1: lists and tables nest at most 32 deep (the limit MAX_NESTING)\n  [[check]]\n  ^",
    )


BUDGETS: dict[str, tuple[str, int, str]] = {
    "characters": (
        HEAD * 140, 8_600,
        "the programs and points of this file have more than 400,000 characters (the limit MAX_CHARACTERS)",
    ),
    "points": (
        HEAD + "[[check]]\nexpression = 'x'\nat = '0:1:50'\n" * 3, 120,
        "the checks of this file have more than 200,000 points (the limit MAX_POINTS)",
    ),
    "bits": (
        "[[check]]\nexpression = 'sum(x)'\nat = 'randn(50)'\n" * 3 + HEAD, 149,
        "the points of this file have more than 60,000,000 bits (the limit MAX_POINT_BITS)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BUDGETS)
def test_many_small_checks_share_a_budget(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, budget, message = BUDGETS[what]
    write("a.toml", text)
    assert load(["a.toml"]).problems == ()
    monkeypatch.setattr(tables, "Trial", lambda: trial.Trial(allowance=limits.Allowance(**{what: budget})))
    [problem] = load(["a.toml"]).problems
    first, *_, last = problem.split("\n")
    assert (first.partition(": ")[2], last) == (message, "the rest of the file is not read; split it")


SLOW: dict[str, Callable[[], str]] = {
    "unclosed texts": lambda: 'a = """' + '\\"""' * 1_000_000,
    "quotes": lambda: "a = " + "'" * 4_000_000,
    "one long line": lambda: "a" * 4_000_000,
    "dots in a text": lambda: f"a = '{'a.' * 2_000_000}'",
    "many tables": lambda: "".join(f"[a{k}]\n" for k in range(30_000)),
    "many broken checks": lambda: "[[check]]\nx = 1\n" * 20_000,
    "many checks on one line": lambda: f"check = [{'{expression = 1},' * 20_000}]",
    "many long expressions": lambda: f"[[check]]\nexpression = '{'x+' * 1500}x'\nat = 1\n" * 1500,
    "definitions of definitions": lambda: (
        '[define]\n"f0(x)" = "x"\n' + "".join(f'"f{k}(x)" = "f{k - 1}(x)+f{k - 1}(x)"\n' for k in range(1, 900)) + HEAD
        + "[[check]]\nexpression = 'f13(x)'\nat = 1\n" * 500
    ),
    "a circle": lambda: "[define]\n" + "".join(f'"f{k}(x)" = "f{(k + 1) % 900}(x)"\n' for k in range(900)) + HEAD,
    "many circles": lambda: "[define]\n" + "".join(f'"f{k}(x)" = "f{k}(x)"\n' for k in range(900)) + HEAD,
    "ranges": lambda: "[[check]]\nexpression = 'x'\nat = '1e4000:1:1000'\n" * 500,
    "many points": lambda: "[[check]]\nexpression = 'x'\nat = '0:1:100000'\n" * 20,
    "a grid": lambda: "[[check]]\nexpression = 'x*y'\nat = ['x=0:1:300', 'y=0:1:300']\n" * 20,
    "many numbers": lambda: f"[[check]]\nexpression = 'x'\nat = [{'0.12345678,' * 350_000}]\n",
    "large tensors": lambda: "[[check]]\nexpression = 'sum(x)'\nat = 'randn(2000000)'\n" * 90,
    "many refused checks": lambda: "[[check]]\nexpression = '2x'\nat = 1\n" * 90_000,
    "many unknown tables": lambda: "".join(f"[a{k}]\n" for k in range(400_000)),
    "comments alone": lambda: "# x\n" * 1_000_000,
}  # fmt: skip


SMALLER = 50
"""The budget is spent this much sooner in the test, and the seconds with it."""


@pytest.mark.parametrize("name", SLOW)
def test_no_file_takes_long(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.toml", SLOW[name]()[: limits.MAX_FILE_BYTES])
    small = limits.Allowance(
        limits.MAX_CHARACTERS // SMALLER, limits.MAX_POINTS // SMALLER, limits.MAX_POINT_BITS // SMALLER
    )
    monkeypatch.setattr(tables, "Trial", lambda: trial.Trial(allowance=small))
    start = time.process_time()
    assert load(["a.toml"]).problems
    assert time.process_time() - start < MAX_SECONDS


def test_a_million_refused_lines_end() -> None:
    """What is wrong is told so many times, and the rest is not even read."""
    write("a.txt", "2x\n" * 1_000_000)
    start = time.process_time()
    found = load(["a.txt"], at=["1"])
    assert found.problems[-1] == "a.txt: and 900 more problems; the rest of the file is not read"
    assert time.process_time() - start < MAX_SECONDS


# --- anything -----------------------------------------------------------------------------------

SEED = b"""[defaults]
ulps = 8
[define]
"f(x, y)" = "x*y + 1"
[[check]]
name = "a"
expression = \"\"\"
y = f(x, 2)
sum(y**2)\"\"\"
at = {x = [1, 0.5]}
expect = {value = 4, gradient.x = "2*x", verdict = "agree"}
[[check]]
expression = 'x'
at = ["1,2", "x=0:1:3"]
dtype = ["float32"]
"""

LINE = re.compile(r"(a\.toml|a\.txt)(:\d+)?: .+")


def holds(found: Loaded) -> bool:
    """Tell whether whatever was found is fit for a terminal, and every problem has its place."""
    texts = [line for problem in found.problems for line in problem.split("\n")]
    names = [name for check in found.checks for name in (check.name, check.path or "")]
    return all(text.isprintable() for text in [*texts, *names]) and all(map(LINE.match, found.problems))


PIECES = st.sampled_from([
    b'"', b"'", b'"""', b"[", b"]", b"[[check]]\n", b"{", b"}", b"=", b".", b"\n", b"#", b"\\", b"\x00", b"\xff",
    b"\x1b", b"f(", b"x", b"(", b")", b"1e9", b"at = ", b"wrt = ", b"expect.", b"[check.expect]\n", b"\r", "θ".encode(),
    b"-", b",",
])  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a good file with some stretches of it replaced."""
    text = SEED
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES | st.binary(max_size=3)) + text[at + draw(st.integers(0, 6)) :]
    return text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), mutated()), st.sampled_from(["a.toml", "a.txt"]), st.booleans())
def test_any_file_gives_checks_or_problems(raw: bytes, name: str, trust: bool) -> None:
    write(name, raw)
    found = load([name], at=["x=1"], trust=trust)
    assert holds(found)
    if not found.problems:
        assert found.checks


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated())
def test_the_line_of_a_problem_is_a_line_of_the_file(raw: bytes) -> None:
    write("a.toml", raw)
    for problem in load(["a.toml"]).problems:
        found = re.match(r"a\.toml:(\d+): ", problem)
        assert found is None or 1 <= int(found[1]) <= raw.count(b"\n") + 1


@given(st.text(st.sampled_from("[]{}=.,#'\"\\\n ab1")))
def test_the_scanner_reads_any_text(text: str) -> None:
    found = places(text)
    try:
        keys = set(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return
    assert {key[0] for key in found} == keys
