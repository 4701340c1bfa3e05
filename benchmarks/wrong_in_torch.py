"""Whether docs/wrong-in-torch.md says the truth: every line of it is run, with torch and mpmath and nothing else."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose, isfinite, isnan
from pathlib import Path

import torch
from mpmath import mp
from torch import autograd, tensor
from torch.func import grad, jvp

PAGE = Path(__file__).parent.parent / "docs" / "wrong-in-torch.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = {"torch": torch, "mp": mp, "autograd": autograd, "tensor": tensor, "grad": grad, "jvp": jvp}
DIGITS = 800
"""What log(exp(800) + 1) takes, and a derivative of it by differences."""
CLOSE = 1e-12
"""How close the right number has to come to that of mpmath."""
FAR = 64 * 2.0**-52
"""How far torch's number has to be from it, and more: 64 units in the last place at most."""
SMALLEST = 5e-324


@dataclass(frozen=True)
class Shown:
    """A line of the page: the code, and the number that stands behind it."""

    code: str
    said: float

    @property
    def is_right(self) -> bool:
        """Whether it is the one of mpmath."""
        return self.code.startswith("mp.")


def main() -> int:
    """Say what is not as the page has it; return how much that is."""
    page = PAGE.read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch loads rules of forward mode by what it deprecates
        problems = [problem for block in BLOCK.findall(page) for problem in wrong(shown(block))]
    version = torch.__version__.partition("+")[0]
    if f"# Wrong in torch {version}\n" not in page:
        problems.append(f"the page is not about torch {version}")
    print(*problems, f"{len(BLOCK.findall(page))} entries, {len(problems)} problems", sep="\n")
    return bool(problems)


def shown(block: str) -> list[Shown]:
    """Return the lines of a block."""
    split = (line.rpartition("  # ") for line in block.splitlines())
    return [Shown(code, float(said.partition(":")[0])) for code, _, said in split]


def wrong(lines: list[Shown]) -> Iterator[str]:
    """Yield what is not as one entry says: mpmath has the right number, and torch the printed one, which is wrong."""
    rights = [line for line in lines if line.is_right]
    if len(rights) != 1:
        yield f"no right number: {lines[0].code}"
        return
    exact = of_mpmath(rights[0].code)
    if not same(exact, rights[0].said):
        yield f"{rights[0].code} is {exact!r}, not {rights[0].said!r}"
    for line in lines:
        if line.is_right:
            continue
        found = of_torch(line.code)
        if not (isnan(found) and isnan(line.said)) and not isclose(found, line.said, rel_tol=1e-9):
            yield f"{line.code} is {found!r}, not {line.said!r}"
        if isfinite(found) and abs(found - exact) <= FAR * abs(exact):
            yield f"{line.code} is {found!r}, and that is right"


def of_torch(code: str) -> float:
    """Return what torch gives in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        # A line of the project's own page: that it can be pasted is what is tested.
        return float(eval(code, dict(NAMES)))
    finally:
        torch.set_default_dtype(before)


def of_mpmath(code: str) -> float:
    """Return what mpmath gives, which is no float before it is rounded at the end."""
    with mp.workdps(DIGITS):
        return float(mp.re(eval(code, dict(NAMES))))


def same(one: float, other: float) -> bool:
    """Tell whether two numbers are one, but for the last digits that differences leave."""
    return isclose(one, other, rel_tol=CLOSE, abs_tol=SMALLEST) or max(abs(one), abs(other)) < 1e-300


if __name__ == "__main__":
    sys.exit(main())
