"""The README is executed: every console block is run and compared, every Python block is a doctest."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from gradcheck.__main__ import run

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```console\n\$ gradcheck (.*?)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def masked(text: str) -> str:
    """Return an output without versions and seconds."""
    return re.sub(r"(torch|sympy) \S+", r"\1 *", re.sub(r"\d+\.\d s ·", "* s ·", text))


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 5


@pytest.mark.parametrize(("command", "output"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_the_readme_shows_what_the_command_prints(
    command: str, output: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(README.parent / "expressions", tmp_path / "expressions")
    run(shlex.split(command))
    out, err = capsys.readouterr()
    assert masked(out) == masked(output)
    assert not err


def test_the_python_of_the_readme_runs() -> None:
    assert doctest.testfile(str(README), module_relative=False).failed == 0
