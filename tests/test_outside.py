"""What strangers may write, drawn by a seed: a few of the thousands that `python fuzz/outside.py` runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "fuzz" / "outside.py"


@pytest.mark.skipif(sys.platform != "linux", reason="memory files and resources are Linux's")
@pytest.mark.parametrize("kind", ["commands", "settings", "files"])
def test_whatever_strangers_write_ends_in_the_words_of_the_command(kind: str) -> None:
    """No internal error, traceback, control character, long refusal, large memory, or file written elsewhere."""
    made = subprocess.run(
        [sys.executable, str(SCRIPT), kind, "--count", "12"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert f"{kind}: 12 of seed 0" in made.stdout
