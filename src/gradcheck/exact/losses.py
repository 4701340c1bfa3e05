"""What a kernel of torch loses: the formats that it computes in, their roundoffs, and what they flush to zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

from gradcheck.formats import FORMATS, Format
from gradcheck.functions import Accumulation, Elementwise, Tensor
from gradcheck.functions.sums import ALONE, FUSED, Depth
from gradcheck.parse import parse
from gradcheck.program import Call, Node, Shape, names

STORE = "rounding"
"""What overflows where a wider number is rounded to the format at the end of a kernel."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What floats of ``fmt``, in which a kernel computes, lose.

    ``inside`` are those of the format in which kernels of special functions compute what they round to ``fmt``, None
    where it is that very one. With ``coarse`` such a kernel takes short polynomials, good enough for a half type, and
    within a fused kernel of float32. With ``cascade`` sums are those of at::sum, and those of a kernel that computes
    ``alone`` are added in ``fmt`` itself.
    """

    fmt: Format
    roundoff: float
    flushed: float
    least: float
    cascade: bool
    coarse: bool
    inside: Losses | None
    alone: bool

    def adding(self, row: Tensor) -> Format:
        """Return the format that sums are added in."""
        return self.fmt if self.alone else wide(self.fmt, row.accumulation)


@lru_cache(maxsize=64)
def losses(fmt: Format, accumulation: Accumulation | None = None) -> Losses:
    """Return what a kernel loses whose results are of ``fmt``, or that computes as ``accumulation`` says.

    One rounding to nearest loses u/(1 + u) of the exact value at most (Jeannerod and Rump, 2018), and u leaves
    u**2/(1 + u) to spare: 2**-22 in float16, 2**-16 in bfloat16. That covers the rounding to float32 that comes first
    in the kernels of the half types, 2**-24.

    What may be flushed to 0: kernels of special functions return 0 where the result, or what it is made of, is
    subnormal: sigmoid does in float32 and float64 below -87.3 and -708.4, erf in bfloat16. float16 computes in float32,
    where its subnormals are normal. Arithmetic keeps subnormals; 0.5 ULP of them was measured for every one of square,
    reciprocal, sums and products. But bfloat16 has the exponents of float32, and processors that convert or multiply it
    (VCVTNEPS2BF16, VDPBF16PS, AMX) take subnormals of float32 as 0.
    """
    home = fmt if accumulation is None else wide(fmt, accumulation)
    within = wide(home, FUSED)
    inside = None if within == home else losses(within)
    tiny = home.smallest_subnormal
    return Losses(
        home, home.unit_roundoff,
        flushed=tiny if home.name == "float16" else home.smallest_normal,
        least=home.smallest_normal if home.name == "bfloat16" else tiny,
        cascade=accumulation is None or accumulation.cascade,
        coarse=inside is not None or (accumulation is not None and home.name != "float64"), inside=inside,
        alone=accumulation == ALONE,
    )  # fmt: skip


def wide(fmt: Format, accumulation: Accumulation) -> Format:
    """Return the format that torch adds up in, or computes in, before it rounds to ``fmt``."""
    return FORMATS[dict(accumulation.formats).get(fmt.name, fmt.name)]


def depth(row: Tensor, shapes: list[Shape], params: dict[str, Any], result: Shape, *, cascade: bool) -> Depth | None:
    """Return how many roundings a term of a sum goes through, None where nothing is added.

    Without the cascade there are as many as terms to follow.
    """
    if row.depth is None:
        return None
    found = row.depth(*shapes, **params)
    if cascade:
        return found
    return replace(found, added=max(prod(shapes[0]) // max(prod(result), 1) - 1, found.added))


def terms(node: Node) -> list[Node]:
    """Return the terms of a sum that is one expression: only what flows into one cotangent is ever that long."""
    found: list[Node] = []
    while isinstance(node, Call) and node.op == "add":
        found.append(node.args[1])
        node = node.args[0]
    return [*found, node]


@lru_cache(maxsize=256)
def expression(text: str) -> Node:
    """Return the formula of a row."""
    return parse(text).layers[0].expression


def power(row: Elementwise, node: Call, exponent: float | None) -> str | None:
    """Return the formula of a power with a plain number, where torch has one for it; None stands for no such number."""
    if not row.powers or exponent is None or names(node.args[-1]):
        return None
    return row.powers.get(exponent)
