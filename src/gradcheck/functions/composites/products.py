"""Products of vectors and matrices."""

from __future__ import annotations

from gradcheck.functions.rows import Composite
from gradcheck.program import Shape


def _dot(a: Shape, b: Shape) -> str:
    if len(a) != 1 or a != b:
        raise ValueError("dot takes two vectors of one length")
    return "sum(a*b)"


def _dot_stored(a: Shape, b: Shape) -> str:
    """Return dot as the product of matrices that it is for what multiplies it: its products need not be rounded."""
    return "sum(a*b)" if a == (1,) else f"reshape(matmul(reshape(a, (1, {a[0]})), reshape(b, ({b[0]}, 1))), ())"


def _outer(a: Shape, b: Shape) -> str:
    if len(a) != 1 or len(b) != 1:
        raise ValueError("outer takes two vectors")
    return f"reshape(a, ({a[0]}, 1))*b"


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("dot", ("a", "b"), (), _dot, ("dot(v, v)",), adds=True, as_torch=_dot_stored, summary="the inner product of two vectors"),
    Composite("outer", ("a", "b"), (), _outer, ("outer(u, v)",), summary="the outer product of two vectors"),
)
# fmt: on
