"""What holds for every test: reproducible Hypothesis examples, and no test that leaves torch's settings changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

pytest_plugins = ["pytester"]  # runs pytest within a test: the plugin is tested so

settings.register_profile("gradcheck", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("gradcheck")

OUTSIDE = ("GITHUB_", "GRADCHECK_", "CI", "BUILD_NUMBER", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "CLICOLOR", "COLUMNS")
"""Begin the variables of a build or a terminal that change what gradcheck prints."""
OURS = ("GRADCHECK_MACHINE_",)
"""Begin those that say how much the tests try."""


@pytest.fixture(autouse=True, scope="session")
def desk() -> Iterator[None]:
    """Let every test run as at somebody's desk, whichever build runs it; a test of a build sets what it needs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(OUTSIDE) and not name.startswith(OURS):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def torch_stays_as_it_was() -> Iterator[None]:
    """Fail a test that leaves torch's default dtype, number of threads or gradient mode changed, and put them back."""
    before = _torch_settings()
    yield
    after = _torch_settings()
    torch.set_default_dtype(before[0])
    torch.set_num_threads(before[1])
    torch.set_grad_enabled(before[2])
    assert after == before, "the test leaves torch's settings changed"


def _torch_settings() -> tuple[torch.dtype, int, bool]:
    return torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()


GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the diff")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a comparison of a text with a golden file, or its writer under --update-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def golden_files() -> set[str]:
    return {path.name for path in GOLDEN.glob("table-*.txt")}
