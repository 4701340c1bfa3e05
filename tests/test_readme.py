"""README and tutorial are executed: every console block is run and compared, every Python block is a doctest."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from gradcheck.__main__ import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"```console\n\$ gradcheck (.*?)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


def masked(text: str) -> str:
    """Return an output without versions and seconds."""
    return re.sub(r"(torch|sympy) \S+", r"\1 *", re.sub(r"\d+\.\d s ·", "* s ·", text))


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 12


@pytest.mark.parametrize(("command", "output"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_the_page_shows_what_the_command_prints(
    command: str, output: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "expressions", tmp_path / "expressions")
    run(shlex.split(command))
    out, err = capsys.readouterr()
    assert masked(out) == masked(output)
    assert not err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_the_page_runs(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False)
    assert found.failed == 0
    assert found.attempted
