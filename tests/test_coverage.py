"""How much of torch's own list of operations is in the language, and that the manuals say so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIGURE = re.compile(r"\b(\d+ of \d+)\b")


def test_the_manuals_say_how_many_operations_are_covered() -> None:
    """`python benchmarks/coverage.py` counts them; whatever is left out has a reason."""
    command = [sys.executable, "benchmarks/coverage.py", "--least", "90"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    listed, core = FIGURE.findall(made.stdout)[:2]
    for name, figures in (("benchmarks/README.md", (listed, core)), ("docs/functions.md", (listed,))):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert [one for one in figures if one not in text] == []
    assert "without a reason" not in made.stdout
