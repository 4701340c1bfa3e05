"""Settings of a project: found upwards, beaten by the command line, and never wrong in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradcheck.__main__ import run
from gradcheck.cli.batch import batcher
from gradcheck.cli.check import checker
from gradcheck.cli.config import defaults
from gradcheck.errors import GradcheckError
from gradcheck.settings import Exit


def found(directory: Path, **files: str) -> dict[str, object]:
    """Return what the settings say about the check of one program."""
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text, "utf-8")
    return defaults(checker, [checker, batcher], directory)


VALUES = [
    ('dtype = "float64"', {"dtype": "float64"}),
    ('dtype = ["float64", "bfloat16"]', {"dtype": "float64,bfloat16"}),
    ("ulps = 3", {"ulps": "3"}),
    ("ulps = 2.5", {"ulps": "2.5"}),
    ("assert = true", {"assertion": True}),
    ('allow = ["undefined", "kink"]', {"allow": ["undefined", "kink"]}),
    ('allow = "undefined"', {"allow": ["undefined"]}),
    ("exit-zero = true", {"exit_zero": True}),
    ("verbose = 2", {"verbose": 2}),
    ('workers = 2\ntimeout = 3\nlf = true', {}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), VALUES)
def test_keys_are_the_long_options_without_their_dashes(text: str, wanted: dict[str, object], tmp_path: Path) -> None:
    """What is for the other command is known and left alone."""
    assert found(tmp_path, gradcheck=text) == wanted


def test_a_file_is_beside_the_settings_that_name_it(tmp_path: Path) -> None:
    assert found(tmp_path, gradcheck='output = "out/report.txt"') == {"output": str(tmp_path / "out" / "report.txt")}


def test_settings_of_directories_above_count_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert defaults(checker, [batcher], below) == {"ulps": "1"}
    (tmp_path / "a" / ".git").mkdir()
    assert defaults(checker, [batcher], below) == {}


def test_a_pyproject_without_a_table_of_ours_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "gradcheck.toml").write_text("ulps = 1", "utf-8")
    assert found(tmp_path / "a", pyproject="[project]\nname = 'x'") == {"ulps": "1"}
    assert found(tmp_path / "a", pyproject="[tool.gradcheck]\nulps = 2") == {"ulps": "2"}
    assert found(tmp_path / "a", gradcheck="ulps = 3") == {"ulps": "3"}


PROBLEMS = [
    ("dtpe = 3", "gradcheck.toml has an unknown setting: dtpe\ndid you mean `dtype`?"),
    ("trust = true", "gradcheck.toml has an unknown setting: trust"),
    ("program = 'x'", "gradcheck.toml has an unknown setting: program"),
    ("ulps = true", "gradcheck.toml: ulps is a text or a number, not True"),
    ("assert = 1", "gradcheck.toml: assert is true or false, not 1"),
    ("assert = [true]", "gradcheck.toml: assert is true or false, not [True]"),
    ("allow = {a = 1}", "gradcheck.toml: allow is a text, a number, or a list of them, not {'a': 1}"),
    ("dtype = [[1]]", "gradcheck.toml: dtype is a text or a number, not [[1]]"),
]


@pytest.mark.parametrize(("text", "said"), PROBLEMS)
def test_what_is_wrong_in_the_settings_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(GradcheckError) as problem:
        found(tmp_path, gradcheck=text)
    assert str(problem.value).startswith(said)


UNREADABLE = [("a = [", b""), ("", b"\xff\xfe"), ("a = " + "[" * 5000, b"")]


@pytest.mark.parametrize(("text", "raw"), UNREADABLE)
def test_a_file_that_is_no_toml_is_told(text: str, raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "gradcheck.toml"
    path.write_bytes(raw or text.encode())
    with pytest.raises(GradcheckError) as problem:
        found(tmp_path)
    assert str(problem.value).startswith(f"cannot read {path}: ")


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    with pytest.raises(GradcheckError, match="too large"):
        found(tmp_path, gradcheck="#" * 1_000_001)


def test_the_command_line_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text('dtype = "float64"\nassert = true\nallow = ["undefined"]', "utf-8")
    assert run(["tanh(x)", "--at", "8"]) == Exit.PASS
    assert " · float64 · " in capsys.readouterr().out
    assert run(["tanh(x)", "--at", "8", "--dtype", "float32"]) == Exit.FAIL
    assert " · float32 · " in capsys.readouterr().out
    assert run(["log(x)", "--at", "-1"]) == Exit.PASS


def test_the_commands_that_list_need_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradcheck.toml").write_text("nonsense = [", "utf-8")
    assert run(["functions", "tanh"]) == Exit.PASS
