"""Settings of a project: found upwards, beaten by the command line, and never wrong in silence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gradcheck.__main__ import run
from gradcheck.cli import lists
from gradcheck.cli.batch import batcher
from gradcheck.cli.check import checker
from gradcheck.cli.config import SETTINGS, _options, defaults
from gradcheck.cli.explain import explainer
from gradcheck.errors import GradcheckError
from gradcheck.exits import Exit


def found(directory: Path, **files: str) -> dict[str, object]:
    """Return what the settings say about the check of one program."""
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text, "utf-8")
    return defaults(checker, [checker, batcher, explainer], directory)[1]


@pytest.fixture(autouse=True)
def repository(tmp_path: Path) -> None:
    """Let the directory of the test be a repository, in which settings are looked for upwards."""
    (tmp_path / ".git").mkdir()


VALUES = [
    ('dtype = "float64"', {"dtype": "float64"}),
    ('dtype = ["float64", "bfloat16"]', {"dtype": "float64,bfloat16"}),
    ("ulps = 3", {"ulps": "3"}),
    ("ulps = 2.5", {"ulps": "2.5"}),
    ("assert = true", {"assertion": True}),
    ('at = ["x=1", "y=2"]', {"at": ["x=1", "y=2"]}),
    ('at = "x=1:2:3"', {"at": ["x=1:2:3"]}),
    ("verbose = 2", {"verbose": 2}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), VALUES)
def test_keys_are_the_long_options_without_their_dashes(text: str, wanted: dict[str, object], tmp_path: Path) -> None:
    """What is for the other command is known and left alone."""
    assert found(tmp_path, gradcheck=text) == wanted


def test_settings_of_directories_above_count_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert defaults(checker, [batcher], below) == ("gradcheck.toml", {"ulps": "1"})
    (tmp_path / "a" / ".git").mkdir()
    assert defaults(checker, [batcher], below) == ("", {})


def test_outside_of_a_repository_those_of_the_working_directory_alone_count(tmp_path: Path) -> None:
    below = tmp_path / "a"
    below.mkdir()
    (tmp_path / ".git").rmdir()
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert defaults(checker, [batcher], below) == ("", {})
    assert defaults(checker, [batcher], tmp_path) == ("gradcheck.toml", {"ulps": "1"})


def test_a_pyproject_without_a_table_of_ours_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert found(tmp_path / "a", pyproject="[project]\nname = 'x'") == {"ulps": "1"}
    assert found(tmp_path / "a", pyproject="[tool.gradcheck]\nulps = 2") == {"ulps": "2"}
    assert found(tmp_path / "a", gradcheck="ulps = 3") == {"ulps": "3"}


PROBLEMS = [
    ("dtpe = 3", "gradcheck.toml has an unknown setting: dtpe\ndid you mean `dtype`?"),
    ("trust = true", "gradcheck.toml cannot set trust: a pull request can change that file\nwrite --trust on"),
    ("program = 'x'", "gradcheck.toml has an unknown setting: program"),
    (
        'at = "x=@/etc/hostname"',
        "gradcheck.toml: a point of the settings reads no file\nwrite --at",
    ),
    ('at = ["1", "@p.json"]', "gradcheck.toml: a point of the settings reads no file"),
    ("verbose = -1", "gradcheck.toml: verbose is a whole number from 0 to 9"),
    ("verbose = 'x'", "gradcheck.toml: verbose is a whole number from 0 to 9"),
    ("verbose = 1_000_000", "gradcheck.toml: verbose is a whole number from 0 to 9"),
    (f"seed = 0x{'f' * 5000}", "gradcheck.toml: seed has a number that is too large"),
    (f"ulps = [[0x{'f' * 5000}]]", "gradcheck.toml: ulps is a text or a number, not a list"),
    ('"\\u001b[2J" = 1', "gradcheck.toml has an unknown setting: \N{REPLACEMENT CHARACTER}[2J"),
    ("ulps = true", "gradcheck.toml: ulps is a text or a number, not True"),
    ("assert = 1", "gradcheck.toml: assert is true or false, not 1"),
    ("assert = [true]", "gradcheck.toml: assert is true or false, not [True]"),
    ("at = {a = 1}", "gradcheck.toml: at is a text, a number, or a list of them, not {'a': 1}"),
    ("dtype = [[1]]", "gradcheck.toml: dtype is a text or a number, not [[1]]"),
]


@pytest.mark.parametrize(("text", "said"), PROBLEMS)
def test_what_is_wrong_in_the_settings_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(GradcheckError) as problem:
        found(tmp_path, gradcheck=text)
    assert str(problem.value).startswith(said)


def test_settings_describe_checks_and_nothing_else(tmp_path: Path) -> None:
    """Whatever else the commands can be told stands on the command line alone: loop over all of their options."""
    words = {word for app in (checker, batcher, explainer) for word in _options(app)} - {*SETTINGS, "help"}
    assert words >= {
        "exit-zero", "allow", "last-failed", "baseline", "output", "report", "emit-repro", "write-baseline", "graph",
        "timeout", "nondet", "trust", "format", "quiet", "workers", "shard", "maxfail", "wrt", "expect",
    }  # fmt: skip
    for word in words:
        with pytest.raises(GradcheckError) as problem:
            found(tmp_path, gradcheck=f"{word} = 1")
        assert str(problem.value).startswith(f"gradcheck.toml cannot set {word}: a pull request can change that file\n")


def test_every_flag_can_be_taken_back_on_the_command_line() -> None:
    for app in (checker, batcher, explainer, lists.tester):
        command: Any = get_command(app)
        flags = [one for one in command.params if getattr(one, "is_flag", False)]
        said = {one.name for one in flags if any(word.startswith("--no-") for word in one.secondary_opts)}
        assert {one.name for one in flags} - said <= {"_version", "help"}


def test_a_link_or_a_pipe_is_no_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2 = [", "utf-8")
    (tmp_path / "gradcheck.toml").symlink_to("secret")
    with pytest.raises(GradcheckError, match=r"this is a symbolic link of the checked tree") as problem:
        found(tmp_path)
    assert "hunter2" not in str(problem.value)
    (tmp_path / "gradcheck.toml").unlink()
    os.mkfifo(tmp_path / "gradcheck.toml")
    with pytest.raises(GradcheckError, match="not a plain file"):
        found(tmp_path)


UNREADABLE = [("a = [", b""), ("", b"\xff\xfe"), ("a = " + "[" * 5000, b"")]


@pytest.mark.parametrize(("text", "raw"), UNREADABLE)
def test_a_file_that_is_no_toml_is_told(text: str, raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "gradcheck.toml"
    path.write_bytes(raw or text.encode())
    with pytest.raises(GradcheckError) as problem:
        found(tmp_path)
    assert str(problem.value).startswith(f"cannot read {path}: ")


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    with pytest.raises(GradcheckError, match="a file of settings has at most 1,000,000 bytes"):
        found(tmp_path, gradcheck="#" * 1_000_001)


def test_the_command_line_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text('dtype = "float64"\nassert = true', "utf-8")
    assert run(["tanh(x)", "--at", "8"]) == Exit.PASS
    assert " · float64 · " in capsys.readouterr().out
    assert run(["tanh(x)", "--at", "8", "--dtype", "float32"]) == Exit.FAIL
    assert " · float32 · " in capsys.readouterr().out
    assert run(["log(x)", "--at", "-1"]) == Exit.FAIL
    assert run(["log(x)", "--at", "-1", "--no-assert"]) == Exit.PASS


def test_the_summary_names_what_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text('ulps = 1e9\nat = 3\ncolor = "never"', "utf-8")
    for words, said in (
        ([], " of gradcheck.toml: at 3, ulps 1000000000.0"),
        (["--ulps", "4", "--at", "1"], ""),
    ):
        assert run(["x**2", *words]) == Exit.PASS
        assert capsys.readouterr().out.splitlines()[-1].partition(" · settings")[2] == said


def test_the_commands_that_list_need_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text("nonsense = [", "utf-8")
    assert run(["functions", "tanh"]) == Exit.PASS
