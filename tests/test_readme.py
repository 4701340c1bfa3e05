"""The pages are executed: every console block is run and compared, every Python block is a doctest."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from gradcheck.__main__ import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *(ROOT / "docs" / name for name in ("python.md", "tutorial.md", "verdicts.md"))]
BLOCK = re.compile(r"```console\n\$ gradcheck (.*?)\n(.*?)```", re.DOTALL)
BLOCKS = [(page, *block) for page in PAGES for block in BLOCK.findall(page.read_text(encoding="utf-8"))]


def masked(text: str) -> str:
    """Return an output without versions and seconds."""
    return re.sub(r"(torch|sympy) \S+", r"\1 *", re.sub(r"\d+\.\d s ·", "* s ·", text))


def released(text: str) -> str:
    """Return an output as a release of torch prints it, whatever the build."""
    return re.sub(r"(torch [\d.]+)\+\w+", r"\1", text)


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 12


@pytest.mark.parametrize(
    ("page", "command", "output"), BLOCKS, ids=[f"{page.name}: {command}" for page, command, _ in BLOCKS]
)
def test_the_page_shows_what_the_command_prints(
    page: Path,
    command: str,
    output: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under --update-golden the page takes over what differs by more than versions and seconds."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "expressions", tmp_path / "expressions")
    run(shlex.split(command))
    out, err = capsys.readouterr()
    if request.config.getoption("--update-golden") and masked(out) != masked(output):
        text, old = page.read_text(encoding="utf-8"), f"$ gradcheck {command}\n{output}```"
        assert old in text
        page.write_text(text.replace(old, f"$ gradcheck {command}\n{released(out)}```"), encoding="utf-8")
        output = out
    assert masked(out) == masked(output)
    assert not err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_the_page_runs(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False)
    assert found.failed == 0
    assert found.attempted
