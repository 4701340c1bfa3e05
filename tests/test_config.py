"""Settings of a project: found upwards, beaten by the command line, and never wrong in silence."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from gradcheck import cli
from gradcheck.__main__ import run
from gradcheck.cli.config import KEYS, OPTIONS, project
from gradcheck.corpus.schema import of_a_project
from gradcheck.errors import GradcheckError
from gradcheck.exits import Exit
from gradcheck.settings.kinds import Form
from gradcheck.settings.table import COMMANDS, Place, settings_of


def found(directory: Path, place: Place = Place.CHECK, **files: str) -> dict[str, object]:
    """Return what the settings say about the check of one program."""
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text, "utf-8")
    return dict(project(place, directory).values)


@pytest.fixture(autouse=True)
def repository(tmp_path: Path) -> None:
    """Let the directory of the test be a repository, in which settings are looked for upwards."""
    (tmp_path / ".git").mkdir()


VALUES = [
    ('dtype = "float64"', {"dtype": ("float64",)}),
    ('dtype = ["float64", "bfloat16"]', {"dtype": ("float64", "bfloat16")}),
    ("ulps = 3", {"ulps": 3.0}),
    ("ulps = 2.5", {"ulps": 2.5}),
    ("assert = true", {"assert": True}),
    ('at = ["x=1", "y=2"]', {"at": ("x=1", "y=2")}),
    ('at = "x=1:2:3"', {"at": ("x=1:2:3",)}),
    ("at = {x = 0.1}", {"at": ("x=0.1",)}),
    ("verbose = 2", {"verbose": 2}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), VALUES)
def test_keys_are_the_long_options_without_their_dashes(text: str, wanted: dict[str, object], tmp_path: Path) -> None:
    """They hold what the keys of a check hold, and the published schema takes them."""
    assert found(tmp_path, gradcheck=text) == wanted
    Draft202012Validator(of_a_project()).validate(tomllib.loads(text))


def test_settings_of_directories_above_count_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert (project(Place.CHECK, below).file, found(below)) == ("gradcheck.toml", {"ulps": 1.0})
    (tmp_path / "a" / ".git").mkdir()
    assert (project(Place.CHECK, below).file, found(below)) == ("", {})


def test_outside_of_a_repository_those_of_the_working_directory_alone_count(tmp_path: Path) -> None:
    below = tmp_path / "a"
    below.mkdir()
    (tmp_path / ".git").rmdir()
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert found(below) == {}
    assert found(tmp_path) == {"ulps": 1.0}


def test_a_pyproject_without_a_table_of_ours_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert found(tmp_path / "a", pyproject="[project]\nname = 'x'") == {"ulps": 1.0}
    assert found(tmp_path / "a", pyproject="[tool.gradcheck]\nulps = 2") == {"ulps": 2.0}
    assert found(tmp_path / "a", gradcheck="ulps = 3") == {"ulps": 3.0}


PROBLEMS = [
    ("dtpe = 3", "gradcheck.toml has an unknown setting: dtpe\ndid you mean `dtype`?"),
    ("trust = true", "gradcheck.toml cannot set trust: a pull request can change that file\nwrite --trust on"),
    ("program = 'x'", "gradcheck.toml has an unknown setting: program"),
    (
        'at = "x=@/etc/hostname"',
        "gradcheck.toml: a point of the settings reads no file\nwrite --at",
    ),
    ('at = ["1", "@p.json"]', "gradcheck.toml: a point of the settings reads no file"),
    ("verbose = -1", "gradcheck.toml: verbose: expected a whole number from 0 to 9"),
    ("verbose = 'x'", "gradcheck.toml: verbose: expected a whole number, not a text"),
    ("verbose = 1_000_000", "gradcheck.toml: verbose: expected a whole number from 0 to 9"),
    ('color = "red"', "gradcheck.toml: color: 'red' is no colour\nchoose from auto, always, never"),
    (f"seed = 0x{'f' * 5000}", "gradcheck.toml: seed: expected a whole number from 0 to 9,223,372,036,854,775,807"),
    (f"ulps = [[0x{'f' * 5000}]]", "gradcheck.toml: ulps: expected a number, not a list"),
    (f"ulps = 0x{'f' * 5000}", "gradcheck.toml: ulps: a tolerance is a number of ULP, 0 or more"),
    ('"\\u001b[2J" = 1', "gradcheck.toml has an unknown setting: \N{REPLACEMENT CHARACTER}[2J"),
    ("ulps = true", "gradcheck.toml: ulps: expected a number, not true or false"),
    ("assert = 1", "gradcheck.toml: assert: expected true or false, not a whole number"),
    ("assert = [true]", "gradcheck.toml: assert: expected true or false, not a list"),
    ('at = {"a b" = 1}', "gradcheck.toml: at: `a b` is no name of an input"),
    ("dtype = [[1]]", "gradcheck.toml: dtype: expected a text, not a list"),
    ('dtype = "float31"', "gradcheck.toml: dtype: 'float31' is no dtype\ndid you mean `float32`?"),
]


@pytest.mark.parametrize(("text", "said"), PROBLEMS)
def test_what_is_wrong_in_the_settings_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(GradcheckError) as problem:
        found(tmp_path, gradcheck=text)
    assert str(problem.value).startswith(said)


def test_settings_describe_checks_and_nothing_else(tmp_path: Path) -> None:
    """Whatever else the commands can be told stands on the command line alone: loop over all of their options."""
    words = set(OPTIONS) - set(KEYS)
    assert words >= {
        "exit-zero", "allow", "lf", "baseline", "output", "report", "emit-repro", "write-baseline", "graph",
        "timeout", "nondet", "trust", "format", "quiet", "workers", "shard", "maxfail", "wrt", "expect",
    }  # fmt: skip
    for word in words:
        with pytest.raises(GradcheckError) as problem:
            found(tmp_path, gradcheck=f"{word} = 1")
        assert str(problem.value).startswith(f"gradcheck.toml cannot set {word}: a pull request can change that file\n")


def test_an_explanation_leaves_alone_what_a_file_cannot_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It decides nothing; what is no option at all is a mistake wherever it stands."""
    monkeypatch.chdir(tmp_path)
    for word in set(OPTIONS) - set(KEYS):
        (tmp_path / "gradcheck.toml").write_text(f'{word} = "junit"\nat = "x=2"', "utf-8")
        assert project(Place.EXPLAIN, tmp_path).values == {"at": ("x=2",)}
    assert run(["explain", "x**2"]) == Exit.PASS
    out, err = capsys.readouterr()
    assert "  at x = 2, in float32" in out.splitlines()
    assert (
        err
        == f"gradcheck: gradcheck.toml cannot set {word}: a pull request can change that file; it is left alone here\n"
    )
    with pytest.raises(GradcheckError, match="unknown setting"):
        found(tmp_path, Place.EXPLAIN, gradcheck="formt = 'junit'")


def test_an_explanation_takes_the_first_point_and_dtype_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text('dtype = ["float64", "bfloat16"]\nat = "x=1:2:3"', "utf-8")
    assert run(["explain", "x**2"]) == Exit.PASS
    assert "  at x = 1, in float64" in capsys.readouterr().out.splitlines()


def test_every_flag_can_be_taken_back_on_the_command_line() -> None:
    for name in (cli.CHECK, *cli.COMMANDS):
        command: Any = get_command(cli.command(name))
        flags = [one for one in command.params if getattr(one, "is_flag", False)]
        said = {one.name for one in flags if any(word.startswith("--no-") for word in one.secondary_opts)}
        assert {one.name for one in flags} - said <= {"_version", "help", "install_completion", "show_completion"}


def test_every_setting_of_a_project_is_an_option_with_the_same_reader() -> None:
    for row in KEYS.values():
        assert row.at & COMMANDS, row.name
        assert row.kind.form not in {Form.FILE}, "a file that a pull request can change names none"


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
        ([], " of gradcheck.toml: at 3, ulps 1000000000"),
        (["--ulps", "4", "--at", "1"], ""),
    ):
        assert run(["x**2", *words]) == Exit.PASS
        assert capsys.readouterr().out.splitlines()[-1].partition(" · settings")[2] == said


def test_the_commands_that_list_need_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text("nonsense = [", "utf-8")
    assert run(["functions", "tanh"]) == Exit.PASS


OTHERS = {"dtype": '"float16"', "order": "3", "device": '"cpu:0"', "way": '"fwd"', "engine": '"vmap"', "seed": "3"}


@pytest.mark.parametrize("place", [one for one in Place if one in COMMANDS | Place.NEST])
def test_a_key_says_what_the_option_of_that_name_says_or_nothing(place: Place, tmp_path: Path) -> None:
    """The order of `gradcheck nest` is not that of a check, nor is its dtype."""
    text = "\n".join(f"{key} = {value}" for key, value in OTHERS.items())
    taken = found(tmp_path, place, gradcheck=text)
    for key in OTHERS:
        rows = [row for row in settings_of(place) if row.name == key]
        assert (key in taken) == any(row.field is not None for row in rows)
