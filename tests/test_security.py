"""A pull request of an attacker, from real processes: each sentence of docs/security.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradcheck.exits import Exit

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
GOOD = '[[check]]\nname = "square"\nexpression = "x**2"\nat = 3\n'
BAD = '[[check]]\nname = "overflow"\nexpression = "log(1 + exp(x))"\nat = 100\n'
SECRET = "hunter2"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a repository with a check that passes and one that fails; a secret lies beside it."""
    (tmp_path / "secret").write_text(f"{SECRET} [=", "utf-8")
    made = tmp_path / "repository"
    (made / ".git").mkdir(parents=True)
    (made / "e").mkdir()
    (made / "e" / "good.toml").write_text(GOOD, "utf-8")
    (made / "bad.toml").write_text(BAD, "utf-8")
    return made


def gradcheck(tree: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradcheck", *words], cwd=tree, env={**os.environ, **environment}, capture_output=True,
        check=False, timeout=120, text=True, encoding="utf-8", errors="surrogateescape",
    )  # fmt: skip


def listing(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if ".git/" not in f"{path}/"}


def summary(made: subprocess.CompletedProcess[str]) -> str:
    return made.stdout.splitlines()[-1]


# --- settings -----------------------------------------------------------------------------------------------------

REFUSED = [
    "exit-zero = true", 'allow = "disagree"', "lf = true", "last-failed = true", 'baseline = "b.json"',
    'output = "../out"', 'report = "concise=../out"', 'emit-repro = "../out"', 'write-baseline = "../out"',
    'graph = "../out.svg"', "timeout = 0.001", "nondet = 1000", "trust = true", "collect-only = true", 'shard = "1/9"',
    "maxfail = 1", 'wrt = "x"', 'expect = "1"', 'format = "json"', "quiet = true", "workers = 1000000",
    'at = "x=@../secret"',
]  # fmt: skip


def test_settings_turn_no_red_build_green_and_name_no_file(tree: Path) -> None:
    """All in one process: the reading of the settings is the same for each."""
    loop = (
        "import sys; from pathlib import Path; from gradcheck.__main__ import run\n"
        "for text in sys.argv[1:]:\n"
        "    Path('gradcheck.toml').write_text(text); print(run(['batch', 'bad.toml', 'e']))\n"
    )
    before = listing(tree.parent) | {"repository/gradcheck.toml"}
    made = subprocess.run(
        [sys.executable, "-c", loop, *REFUSED], cwd=tree, capture_output=True, text=True, check=True, timeout=120
    )
    assert made.stdout.split() == [str(int(Exit.USAGE))] * len(REFUSED)
    assert SECRET not in made.stderr
    assert listing(tree.parent) == before


def test_the_summary_says_what_files_make_easier(tree: Path) -> None:
    easy = 'ulps = 1e9\nallow = "disagree"\nexpect.verdict = "disagree"\n'
    (tree / "bad.toml").write_text(BAD + easy, "utf-8")
    (tree / "gradcheck.toml").write_text('ulps = 1000\ndtype = "float32"', "utf-8")
    counted = (
        " · settings of gradcheck.toml: dtype float32, ulps 1000 · 1 with a wider tolerance"
        " · 1 with verdicts let pass · 1 with a failing verdict expected · "
    )
    made = gradcheck(tree, "batch", "bad.toml", "e")
    assert (made.returncode, counted in summary(made)) == (Exit.PASS, True), made.stdout
    alone = gradcheck(tree, "x**2", "--at", "3")
    assert summary(alone).endswith(" · settings of gradcheck.toml: dtype float32, ulps 1000")
    noticed = gradcheck(tree, "batch", "bad.toml", "e", "--format", "github")
    assert noticed.stdout.count("::notice title=gradcheck::") == 4


def test_the_summary_says_what_a_baseline_and_the_last_failures_leave_out(tree: Path) -> None:
    assert gradcheck(tree, "batch", "bad.toml", "e", "--write-baseline", "known.json").returncode == Exit.FAIL
    known = gradcheck(tree, "batch", "bad.toml", "e", "--baseline", "known.json")
    assert (known.returncode, " · 1 known to the baseline · " in summary(known)) == (Exit.PASS, True)
    (tree / ".gradcheck_cache" / "lastfailed.json").write_text('{"failed": ["e/good.toml::square"]}', "utf-8")
    left = gradcheck(tree, "batch", "bad.toml", "e", "--lf")
    assert " · 1 left out: they did not fail last time · " in summary(left)


def test_settings_beside_a_tree_that_is_no_repository_are_not_looked_for(tree: Path) -> None:
    (tree.parent / "gradcheck.toml").write_text("ulps = 1e9", "utf-8")
    assert "settings" not in gradcheck(tree, "x**2", "--at", "3").stdout
    (tree / ".git").rmdir()
    assert "settings" not in gradcheck(tree, "x**2", "--at", "3").stdout
    (tree / "e" / "gradcheck.toml").write_text("ulps = 1e9", "utf-8")
    assert "settings" in gradcheck(tree / "e", "x**2", "--at", "3").stdout


# --- links, pipes and devices -------------------------------------------------------------------------------------

LINKS: dict[str, list[str]] = {
    "e/link.txt": ["batch", "e", "--at", "1"],
    "link.txt": ["batch", "link.txt", "--at", "1"],
    "gradcheck.toml": ["x", "--at", "1"],
    "pyproject.toml": ["x", "--at", "1"],
    "known.json": ["batch", "e", "--baseline", "known.json"],
    "new.json": ["batch", "e", "--write-baseline", "new.json"],
    "report.xml": ["batch", "e", "--report", "junit=report.xml"],
    "out.txt": ["x", "--at", "1", "-o", "out.txt"],
    "repro.py": ["exp(x)", "--at", "100", "--emit-repro", "repro.py"],
    "graph.svg": ["explain", "x**2", "--at", "1", "--graph", "graph.svg"],
    "point.json": ["sum(x)", "--at", "x=@point.json"],
}


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_read_or_written_through_a_link_of_the_tree(name: str, tree: Path) -> None:
    (tree / name).symlink_to(tree.parent / "secret")
    made = gradcheck(tree, *LINKS[name])
    assert made.returncode == Exit.USAGE, made.stdout + made.stderr
    assert "symbolic link of the checked tree, and those are not followed" in made.stdout + made.stderr
    assert SECRET not in made.stdout + made.stderr
    assert (tree.parent / "secret").read_text("utf-8") == f"{SECRET} [="


@pytest.mark.parametrize(
    "name", [".gradcheck_cache", ".gradcheck_cache/.gitignore", ".gradcheck_cache/lastfailed.json"]
)
def test_the_cache_is_no_link(name: str, tree: Path) -> None:
    outside = tree.parent / "outside"
    outside.mkdir()
    (outside / "lastfailed.json").write_text('{"failed": ["e/good.toml::square"]}', "utf-8")
    path = tree / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside if name == ".gradcheck_cache" else outside / "lastfailed.json")
    before = {one: (outside / one).read_text("utf-8") for one in listing(outside)}
    made = gradcheck(tree, "batch", "bad.toml", "e", "--lf")
    assert made.returncode == Exit.FAIL, "nothing is left out"
    assert {one: (outside / one).read_text("utf-8") for one in listing(outside)} == before


PIPES = {"pipe.toml": ["batch", "pipe.toml"], "gradcheck.toml": ["x", "--at", "1"],
         "known.json": ["batch", "e", "--baseline", "known.json"], "p.json": ["sum(x)", "--at", "@p.json"]}  # fmt: skip


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_is_not_waited_for_nor_a_large_file_read(name: str, tree: Path) -> None:
    os.mkfifo(tree / name)
    assert gradcheck(tree, *PIPES[name]).returncode == Exit.USAGE
    (tree / name).unlink()
    with (tree / name).open("wb") as file:
        file.truncate(2**40)
    start = time.monotonic()
    made = gradcheck(tree, *PIPES[name])
    assert (made.returncode, " bytes; this one has 1,099,511,627,776" in made.stdout + made.stderr) == (2, True)
    assert time.monotonic() - start < 20


def test_points_of_a_file_stay_beside_it(tree: Path) -> None:
    (tree / "far.toml").write_text('[[check]]\nexpression = "sum(x)"\nat = "x=@e/p.json"\n', "utf-8")
    (tree / "e" / "p.json").symlink_to("q.json")
    (tree / "e" / "q.json").write_text("[1, 2]", "utf-8")
    assert "allow it with --trust" in gradcheck(tree, "batch", "far.toml").stdout
    assert "symbolic link" in gradcheck(tree, "batch", "far.toml", "--trust").stdout


NAMING = {"at": '"x=@{}"', "cotangent": '"@{}"'}
"""The keys of a check that may name a file, each with a value that does."""


def test_every_key_of_a_check_that_takes_a_file_is_looked_at() -> None:
    from gradcheck.corpus.fields import CHECK
    from gradcheck.errors import GradcheckError

    def takes(key: str) -> bool:
        for text in ("@w.npy", "x=@w.npy"):
            try:
                CHECK[key].kind.read(text)
            except GradcheckError:
                continue
            return CHECK[key].field not in {"wrt", "expect"}
        return False

    remarks = {"name", "expression", "source", "why"}
    assert {key for key in CHECK if takes(key)} - remarks == {*NAMING}


@pytest.mark.parametrize("key", NAMING)
@pytest.mark.parametrize("home", ["check", "defaults"])
def test_what_a_file_names_stays_beside_it(key: str, home: str, tree: Path) -> None:
    """Wherever it is said, and whatever the points come from: the file itself or the command line."""
    (tree / "e" / "w.json").write_text("[3, 4]", "utf-8")
    (tree.parent / "w.json").write_text("[3, 4]", "utf-8")
    head = '[[check]]\nexpression = "x**2"\n'
    for name, code in (("w.json", Exit.PASS), ("../w.json", Exit.USAGE), ("../../w.json", Exit.USAGE)):
        for at in ["", 'at = "x=[1, 2]"'] if key != "at" else [""]:
            said = f"{key} = {NAMING[key].format(name)}\n"
            text = f"{head}{at}\n{said}" if home == "check" else f"[defaults]\n{said}\n{head}{at}\n"
            (tree / "e" / "far.toml").write_text(text, "utf-8")
            words = ["batch", "e/far.toml", *(["--at", "x=[1, 2]"] if not at and key != "at" else [])]
            refused = gradcheck(tree, *words)
            assert (refused.returncode, "allow it with --trust" in refused.stdout) == (Exit.USAGE, True), text
            trusted = gradcheck(tree, *words, "--trust")
            assert trusted.returncode == code, (text, trusted.stdout)
            assert code is Exit.PASS or "outside the directory of the expression file" in trusted.stdout


# --- streams ------------------------------------------------------------------------------------------------------

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ESCAPE = "\x1b[31m\x1b]0;title\x07"
COMMAND = "::error file=a::gotcha"


def harmless(made: subprocess.CompletedProcess[str], *, commands: bool = False) -> bool:
    """Tell whether no terminal and no runner obeys what a command wrote."""
    lines = (made.stdout + made.stderr).split("\n")
    told = [line for line in lines if line.lstrip().startswith("::")]
    genuine = [
        line
        for line in told
        if re.match(r"::(error|warning|notice) (file=[^:,]*,((line|endLine|col|endColumn)=\d+,)*)?title=", line)
    ]
    return (
        not CONTROL.search("".join(lines))
        and "##[" not in "".join(lines)
        and (told == genuine if commands else not told)
    )


WORDS: list[list[str]] = [
    [f"x{ESCAPE}", "--at", "1"],
    ["x", "--at", f"1{ESCAPE}"],
    [f"--{ESCAPE}", "x"],
    ["x", "--at", "1", "--dtype", ESCAPE],
    ["x", "--at", "1", "--ulps", ESCAPE],
    ["x", "--at", "1", "--format", ESCAPE],
    ["x", "--at", "1", "-o", f"nowhere{ESCAPE}/x"],
    ["x", "--at", "1", "--device", ESCAPE],
    ["x", "--at", "1", "--report", ESCAPE],
    ["batch", f"{ESCAPE}.toml"],
    ["batch", "e", "--shard", ESCAPE],
    ["batch", "e", "-k", f"({ESCAPE}"],
    ["functions", ESCAPE],
    ["explain", f"x{ESCAPE}", "--at", "1"],
    [f"x\n{COMMAND}", "--at", "1"],
    ["x", "--at", f"1\n  {COMMAND}"],
    ["x", "--at", "1", "-o", f"nowhere\n{COMMAND}/x"],
    [f"x**2 # \n\n# {COMMAND}\n", "--at", "1"],
    ["exp(x) # ##[error]gotcha", "--at", "100"],
    ["exp(x) # ##[error]gotcha", "--at", "100", "--format", "json"],
    ["exp(x) # ##[error]gotcha", "--at", "100", "--format", "junit"],
    ["batch", f"\n{COMMAND}.toml"],
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: ascii(" ".join(words)))
def test_no_option_is_obeyed_by_a_terminal_or_a_log(words: list[str], tree: Path) -> None:
    made = gradcheck(tree, *words)
    assert harmless(made), ascii(made.stdout + made.stderr)
    assert made.returncode in {Exit.PASS, Exit.FAIL, Exit.USAGE}


@pytest.mark.parametrize(
    "form", ["table", "concise", "github", "markdown", "json", "jsonl", "junit", "gitlab", "sarif"]
)
def test_no_text_of_a_file_is_a_command_of_a_log(form: str, tree: Path) -> None:
    """Names, remarks, programs over several lines, keys and paths; GitHub strips blanks before it looks."""
    (tree / "a.toml").write_text(
        f'[[check]]\nname = "{COMMAND} ##[error]"\nexpression = """\n\n# {COMMAND}\n  {COMMAND}"""\nat = 1\n'
        f'[[check]]\nname = "b"\nwhy = """\n{COMMAND}\n\\u0085{COMMAND}"""\nsource = """\\t {COMMAND}"""\n'
        f'expression = """\nexp(x)\n # {COMMAND}\n\t# ##[group]x"""\nat = 100\n"{COMMAND}" = 1\n'
        f'[[check]]\nname = "  {COMMAND}"\nexpression = "exp(x) # {COMMAND}"\nat = 100\nwhy = "\\n  {COMMAND}"\n',
        "utf-8",
    )
    odd = tree / f"{COMMAND.replace('/', '')}.toml"
    odd.write_text(BAD + f'"{COMMAND}" = 1', "utf-8")
    (tree / "gradcheck.toml").write_text(f'at = "  \\n{COMMAND}"', "utf-8")
    several = ["a.toml", "bad.toml", odd.name], [f"./{odd.name}", "bad.toml"]
    for words in several if form in {"table", "github"} else several[:1]:
        made = gradcheck(tree, "batch", *words, "--format", form)
        assert harmless(made, commands=form == "github"), ascii(made.stdout + made.stderr)
        assert made.returncode == Exit.USAGE


def test_settings_are_shown_harmlessly(tree: Path) -> None:
    for text in ('"\\u001b[31m" = 1', f'"\\n{COMMAND}" = 1', 'dtype = "\\u001b[2J"', f'device = "\\n{COMMAND}"'):
        (tree / "gradcheck.toml").write_text(text, "utf-8")
        made = gradcheck(tree, "x", "--at", "1")
        assert (made.returncode, harmless(made)) == (Exit.USAGE, True), ascii(made.stdout + made.stderr)


# --- sizes --------------------------------------------------------------------------------------------------------

LARGE = {
    "4 MB of numbers": lambda: f"[[check]]\nexpression = 'x'\nat = [{'0.12345678,' * 350_000}]\n",
    "many points": lambda: "[[check]]\nexpression = 'x'\nat = '0:1:100000'\n" * 20,
    "a million refused lines": lambda: "2x\n" * 1_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_much_is_refused_soon(name: str, tree: Path) -> None:
    file = "a.txt" if "lines" in name else "a.toml"
    (tree / file).write_text(LARGE[name](), "utf-8")
    start = os.times()
    made = gradcheck(tree, "batch", file, "--at", "1", "--collect-only")
    end = os.times()
    assert made.returncode == Exit.USAGE
    assert "the rest of the file is not read" in made.stderr
    assert end.children_user - start.children_user < 5


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_page_names_the_settings_and_the_limits() -> None:
    from gradcheck.apart import DEFAULT_TIMEOUT
    from gradcheck.cli.config import KEYS
    from gradcheck.corpus import limits
    from gradcheck.memory import DEFAULT_MEMORY

    [described, shown] = re.findall(r"Settings describe the checks \((.*?)\) and how .*? screen \((.*?)\)", PAGE)[0]
    assert sorted(re.findall(r"`(.+?)`", described)) == sorted(key for key, row in KEYS.items() if row.describes)
    assert sorted(re.findall(r"`(.+?)`", shown)) == sorted(key for key, row in KEYS.items() if not row.describes)
    [numbers] = re.findall(r"A file has at most (.*?);", PAGE)
    assert [int(one.replace(",", "")) for one in re.findall(r"[\d,]*\d", numbers)] == [
        limits.MAX_FILE_BYTES // 2**20, limits.MAX_CHECKS, limits.MAX_CHARACTERS, limits.MAX_POINTS,
    ]  # fmt: skip
    [reading] = re.findall(r"Reading all files takes at most (.*?) s and (.*?) GiB", PAGE)
    assert tuple(map(float, reading)) == (limits.MAX_SECONDS, limits.MAX_MEMORY / 2**30)
    [check] = re.findall(r"Each check has (.*?) s \(`--timeout`\) and (.*?) GiB", PAGE)
    assert tuple(map(float, check)) == (DEFAULT_TIMEOUT, DEFAULT_MEMORY / 2**30)
