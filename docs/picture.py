"""Draw docs/table.svg, the picture in the README, from the very table that the command prints."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from rich.console import Console

from gradcheck import check
from gradcheck.report import View
from gradcheck.report.table import show

PROGRAM = "y = 3*x + 2; z = 2*y**2; out = mean(z)"
POINT = "[[1,2,3],[3,2,1]]"


def main() -> None:
    """Write the picture beside this file."""
    console = Console(record=True, file=StringIO(), width=100, force_terminal=True, color_system="truecolor")
    console.print(f'$ gradcheck "{PROGRAM}" --at "{POINT}"', highlight=False)
    show(check(PROGRAM, POINT), console, View())
    picture = console.export_svg(title="gradcheck", unique_id="gradcheck")
    # The reader's own fonts will do: the picture asks no other site for any.
    picture = re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)
    Path(__file__).with_name("table.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
