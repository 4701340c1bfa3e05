"""What torch has wrong as a page: by kind and operation, with lines of plain torch and of mpmath that show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import groupby
from math import isfinite, log
from typing import IO, TYPE_CHECKING

from gradcheck.errors import UsageProblem, plural
from gradcheck.nest import LACKS
from gradcheck.nest.lines import DTYPE, Function, mpmath_line, torch_line
from gradcheck.nest.oracles import oracle
from gradcheck.nest.points import magnitudes
from gradcheck.report import View
from gradcheck.verdict import Verdict
from gradcheck.ways import Way

if TYPE_CHECKING:
    from gradcheck.nest import Finding, Nest, Row

NUMBER, NOTHING, EXTREME, DIGITS, REFUSED = "number", "nothing", "extreme", "digits", "refused"
"""Kinds of findings."""
TITLES = {
    NUMBER: ("Wrong numbers", "Finite, and not the derivative."),
    NOTHING: ("No number where there is one", "nan or an infinity, and the derivative is finite."),
    DIGITS: ("Digits lost", "The formula is right, but its rounding errors take the leading digits."),
    EXTREME: (
        "Overflow and underflow on the way",
        "Arguments from 1e100 on or up to 1e-100: the derivative is finite, a number on the way to it is not.",
    ),
    REFUSED: ("Not implemented", "Torch says that it has no such derivative."),
}
FAR = 1e100
"""From where on an argument is extreme; the reciprocal is so, too."""
GROSS = 1e-3
"""The relative error from which lost digits are told."""
EPSILON = 2.0**-52
"""What an error has to exceed, of a number that is at most 1: else it is lost in the tail of what saturates."""
OTHER_POINTS = 6
"""Further points of an entry that are named."""
INTRODUCTION = """\
# Wrong in torch {torch}

Derivatives of {functions} up to order {order} in every way of differentiating, at ordinary points and where rules that
were written by hand go wrong, held against enclosures that are proven. What is under the first two headings is outside
of all that rounding can explain. Every line of code can be pasted; the number behind it is what it gives.
`benchmarks/wrong_in_torch.py` runs them all, with torch and mpmath alone.

A way is read from outside to inside: `rev-fwd` is reverse over forward mode, by `torch.func`; `double-backward` is
`autograd.grad` with `create_graph=True` twice. `d2/dx dy` is by x first. The lines need

```
import torch
from mpmath import mp
from torch import autograd, tensor
from torch.func import grad, jvp

torch.set_default_dtype(torch.{dtype})
mp.dps = 800
```

This page is generated: `gradcheck nest {asked}--order {order} --format markdown -o docs/wrong-in-torch.md`.
"""


UNWRITTEN = """\
## Told by the command alone

Of these functions no line of mpmath is written down here: `gradcheck nest NAME` tells what it finds: """


@dataclass(frozen=True)
class Entry:
    """Equal findings of one function: one derivative at several points, with torch's numbers by way at the first."""

    row: Row
    kind: str
    by: str
    findings: tuple[Finding, ...]
    others: tuple[str, ...]

    @property
    def point(self) -> str:
        """Return the point that stands for all."""
        return self.findings[0].point

    @property
    def program(self) -> str:
        """Return what is differentiated."""
        return self.findings[0].program or self.row.program

    @property
    def first(self) -> bool:
        """Return whether that is the function's first program."""
        return self.program == self.row.program

    @property
    def oracle(self) -> str | None:
        """Return what it is in mpmath, where somebody has written that down."""
        return oracle(self.row.function, self.program, self.first)


def check_dtype(dtype: str) -> None:
    """Raise UsageProblem for a dtype in which the lines of the page would not give the numbers behind them."""
    if dtype != DTYPE:
        raise UsageProblem(f"the page is of {DTYPE}, as its lines are; not of {dtype}", hint="write --format json")


def write(nest: Nest, file: IO[str], _view: View) -> None:
    """Write the page; raises UsageProblem for another dtype than that of its lines."""
    check_dtype(nest.dtype)
    file.writelines(f"{line}\n" for line in _page(nest))


def _page(nest: Nest) -> Iterator[str]:
    every = [entry for row in nest.rows for entry in entries(row)]
    found = [entry for entry in every if entry.kind == REFUSED or entry.oracle is not None]
    yield INTRODUCTION.format(
        torch=nest.environment["torch"].partition("+")[0], order=max(nest.orders, default=0),
        functions=plural(len(nest.rows), "function"), asked="".join(f"{name} " for name in nest.asked),
        dtype=DTYPE,
    )  # fmt: skip
    for kind, (title, meaning) in TITLES.items():
        some = [entry for entry in found if entry.kind == kind]
        if some:
            yield f"## {title}\n\n{meaning}\n"
            for name, group in groupby(some, key=lambda entry: entry.row.function):
                yield f"### {name}{'' if kind == NUMBER else f' ({title.lower()})'}\n"
                yield from section(group)
    rest = dict.fromkeys(entry.row.function for entry in every if entry not in found)
    if rest:
        yield f"{UNWRITTEN}{', '.join(f'`{name}`' for name in rest)}.\n"


def section(group: Iterable[Entry]) -> Iterator[str]:
    """Yield the entries of one function."""
    for entry in group:
        yield from _refused(entry) if entry.kind == REFUSED else _told(entry)


def entries(row: Row) -> list[Entry]:
    """Return the findings of a function, equal ones together, the mildest point first.

    Its other programs are told of where they show a kind of their own.
    """
    groups: dict[tuple[str, *tuple[object, ...]], list[list[Finding]]] = {}
    shown: dict[str, str] = {}
    for found in _by_place(row):
        kind = min((one for one in map(kind_of, found) if one is not None), key=[*TITLES].index)
        alike = tuple((one.way, _class(one)) for one in found)
        if shown.setdefault(kind, found[0].program) == found[0].program:
            groups.setdefault((kind, tuple(sorted(found[0].by.split())), alike), []).append(found)
    made = []
    for (kind, *_), points in groups.items():
        points.sort(key=lambda found: _size(found[0].point))
        others = dict.fromkeys(found[0].point for found in points)
        made.append(Entry(row, kind, points[0][0].by, tuple(points[0]), tuple(others)[1:]))
    return made


def _by_place(row: Row) -> list[list[Finding]]:
    """Return the findings that are told: those of one derivative at one point together."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for one in sorted(row.findings, key=lambda one: bool(one.program)):
        if kind_of(one) is not None:
            found.setdefault((one.program, one.point, one.by), []).append(one)
    return list(found.values())


def kind_of(one: Finding) -> str | None:
    """Return the kind of a finding, None for one that the page does not tell: it is no clear fault of torch."""
    if one.verdict is Verdict.ERROR:
        return REFUSED if one.refused is not None and LACKS in one.refused else None
    exact, torch = right(one.exact), right(one.torch)
    if exact is None or torch is None:
        return None
    wrong = abs(torch - exact)
    if one.verdict is Verdict.LOSSY:
        gross = wrong > max(GROSS * abs(exact), EPSILON * min(1.0, abs(exact) + 1.0))
        return (EXTREME if _is_far(one.point) else DIGITS) if isfinite(torch) and gross else None
    if _is_far(one.point):
        return EXTREME
    return NUMBER if isfinite(torch) else NOTHING


def right(text: str | None) -> float | None:
    """Return a number of a finding as a float, None where there is none, or none that the format has.

    >>> right("-1.5e-999"), right("1e999"), right("|.| < 1e-400"), right("-")
    (-0.0, None, 0.0, None)
    """
    if text is None:
        return None
    if text.startswith("|.| < "):
        text = "0"
    if text in ("nan", "inf", "-inf"):
        return float(text)
    try:
        found = float(Decimal(text.lstrip("≈")))
    except (InvalidOperation, OverflowError):
        return None
    return found if isfinite(found) else None


def _is_far(point: str) -> bool:
    return any(value and (value >= FAR or value <= 1 / FAR) for value in magnitudes(point))


def _size(point: str) -> float:
    """Return how far a point is from ordinary ones."""
    return max((abs(log(value)) for value in magnitudes(point) if value), default=0.0)


def _class(one: Finding) -> str:
    """Return what is alike of two findings: no number, 0, or some number."""
    found = right(one.torch)
    return "refused" if found is None else str(found) if not isfinite(found) or found == 0 else "number"


def _told(entry: Entry) -> Iterator[str]:
    first = entry.findings[0]
    function = Function.at(entry.row.function, entry.program, entry.point, first=entry.first)
    by = entry.by.split()
    exact = number(first.exact)
    also = f"; also at {', '.join(entry.others[:OTHER_POINTS])}" if entry.others else ""
    more = f" and {len(entry.others) - OTHER_POINTS} more" if len(entry.others) > OTHER_POINTS else ""
    yield f"`{entry.program}`, {derivative(by)} at {entry.point} is **{exact}**{also}{more}.\n"
    yield "```python"
    for torch, ways in _by_number(entry.findings):
        yield f"{torch_line(function, Way.parse(ways[0]), by)}  # {torch}: {', '.join(ways)}"
    line = mpmath_line(function, by)
    if line is not None:
        yield f"{line}  # {exact}"
    yield "```\n"


def _by_number(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for one in findings:
        found.setdefault(one.torch or "none", []).append(one.way)
    return list(found.items())


def number(text: str | None) -> str:
    """Return the right number as it is printed: what the format rounds to 0 is 0."""
    return "0" if right(text) == 0 else (text or "-").lstrip("≈")


def derivative(by: list[str]) -> str:
    """Return a derivative in words.

    >>> derivative(["x"]), derivative(["x", "x"]), derivative(["v[0]", "y"])
    ('d/dx', 'd2/dx2', 'd2/dv[0] dy')
    """
    order = len(by) if len(by) > 1 else ""
    if len(set(by)) == 1:
        return f"d{order}/d{by[0]}{order}"
    return f"d{order}/{' '.join(f'd{one}' for one in by)}"


def _refused(entry: Entry) -> Iterator[str]:
    ways = [one.way for one in entry.findings]
    yield f"`{entry.program}` has no {', '.join(ways)}: {entry.findings[0].refused}\n"
