"""What a newcomer meets: the list of commands with an example each, the versions, and words that complete."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gradcheck import __version__, cli
from gradcheck.__main__ import run
from gradcheck.exits import Exit
from gradcheck.functions import known_names
from gradcheck.settings.table import Place, settings_of

ROOT = Path(__file__).parent.parent
QUICK = {"batch": ["--collect-only"]}
"""What makes an example short that would take a minute."""


def test_without_words_there_is_an_example_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert not out
    assert all(len(line) <= 80 for line in err.splitlines())
    for listed in cli.LISTED.values():
        assert f"  {listed.example}  " in err
        assert listed.meaning in err


def test_help_begins_with_the_commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"]) == Exit.PASS
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    first = out.partition("Options:")[0]
    for listed in cli.LISTED.values():
        assert " ".join([listed.example, listed.meaning]) in " ".join(first.split())


@pytest.mark.parametrize("name", cli.LISTED)
def test_the_example_of_a_command_runs_as_it_stands(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    first, *words = shlex.split(cli.LISTED[name].example)
    assert first == "gradcheck"
    assert name == cli.CHECK or words[0] == name
    assert run([*words, *QUICK.get(name, [])]) == Exit.PASS
    assert capsys.readouterr().out


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_versions_are_told(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word]) == Exit.PASS
    assert capsys.readouterr().out.splitlines()[0] == f"gradcheck {__version__}"


# --- completion -----------------------------------------------------------------------------------


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what bash is told of a line up to the cursor."""

    def completed(line: str) -> list[str]:
        monkeypatch.setenv("_GRADCHECK_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        assert run([]) == Exit.PASS
        out, err = capsys.readouterr()
        assert not err
        return out.split()

    return completed


def test_the_first_word_may_become_a_command(complete: Any) -> None:
    assert complete("gradcheck ") == [*cli.COMMANDS]
    for name in cli.COMMANDS:
        assert complete(f"gradcheck {name[:3]}") == [name]


@pytest.mark.parametrize("name", cli.LISTED)
def test_a_begun_option_may_become_every_option_of_its_command(name: str, complete: Any) -> None:
    command: Any = get_command(cli.command(name))
    line = "gradcheck --" if name == cli.CHECK else f"gradcheck {name} --"
    offered = complete(line)
    long = {word for one in command.params for word in one.opts if word.startswith("--")}
    assert long <= {*offered}


@pytest.mark.parametrize("name", [cli.CHECK, "batch", "explain"])
def test_a_begun_word_may_become_every_word_that_an_option_takes(name: str, complete: Any) -> None:
    """Where there are but a few; of several with commas the last is completed."""
    rows = [row for row in settings_of(Place[name.upper()]) if row.kind.among]
    assert rows
    start = "gradcheck" if name == cli.CHECK else f"gradcheck {name}"
    for row in rows:
        words = row.kind.among
        assert complete(f"{start} {row.option} ") == [*words]
        assert complete(f"{start} {row.option} {words[0]},{words[-1][:2]}")[-1] == f"{words[0]},{words[-1]}"


def test_formats_and_functions_complete(complete: Any) -> None:
    assert complete("gradcheck batch --format j") == ["json", "jsonl", "junit"]
    assert complete("gradcheck explain x --format h") == ["html"]
    assert complete("gradcheck functions ") == known_names()


def test_the_script_of_a_shell_is_shown_and_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--show-completion", "bash"]) == Exit.PASS
    script = capsys.readouterr().out
    assert "_GRADCHECK_COMPLETE=complete_bash" in script
    assert run(["--install-completion", "bash"]) == Exit.PASS
    assert "bash completion installed" in capsys.readouterr().out
    installed = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert "_GRADCHECK_COMPLETE=complete_bash" in installed
