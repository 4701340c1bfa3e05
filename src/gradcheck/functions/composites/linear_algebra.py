"""Linear algebra: functions of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradcheck.functions.params import shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# The definitions are rational, and hold wherever the function is defined: determinants are sums of products, an inverse
# is the adjugate over the determinant, and a triangular system is solved by substitution. torch factors the matrix with
# LAPACK, in floats of the format, and its derivatives are in torch/csrc/autograd/FunctionsManual.cpp.

MOST = 6
"""Rows and columns of the largest matrix with an inverse here."""
DTYPES = ("float64", "float32")
"""Formats that LAPACK has on the CPU: torch raises for the others."""


# --- texts of matrices --------------------------------------------------------------------------------


def _square(name: str, x: Shape) -> int:
    """Return the size of a square matrix, or of a batch of them."""
    if len(x) < 2 or x[-1] != x[-2]:
        raise ValueError(f"{name} takes a square matrix, and this tensor is {shape_text(x)}")
    if x[-1] > MOST:
        raise ValueError(f"{name} takes at most {MOST} x {MOST} matrices here, and this one is {x[-2]} x {x[-1]}")
    return x[-1]


def _entry(x: str, batch: Shape) -> Callable[[int, int], str]:
    """Return the text of one element of every matrix of a batch."""
    return lambda row, column: f"{x}[{':, ' * len(batch)}{row}, {column}]"


def _matrix(rows: Sequence[Sequence[str]], batch: Shape = ()) -> str:
    """Return the text of the matrix with these elements."""
    flat = [one for row in rows for one in row]
    return f"reshape(stack([{', '.join(flat)}], dim={len(batch)}), {(*batch, len(rows), len(rows[0]))})"


def _unit(n: int) -> str:
    """Return the text of the unit matrix."""
    return _matrix([["1" if row == column else "0" for column in range(n)] for row in range(n)])


def _transposed(x: str) -> str:
    return f"mT({x})"


def _determined(x: str, shape: Shape, prefix: str = "") -> list[str]:
    """Return lines with the determinant ``det`` and the adjugate ``adj`` of square matrices, both without a division.

    Above 3 x 3 by the recursion of Faddeev and LeVerrier (Gantmacher, The Theory of Matrices, IV.5), whose divisors are
    whole numbers: M_1 = I, c_k = -trace(A*M_k)/k, M_(k+1) = A*M_k + c_k*I.
    """
    *batch, n, _ = shape
    at, det, adj = _entry(x, tuple(batch)), f"{prefix}det", f"{prefix}adj"
    if n == 1:
        return [f"{det} = {at(0, 0)}", f"{adj} = {x}*0 + 1"]
    if n <= 3:
        cofactors = [[_cofactor(at, n, column, row) for column in range(n)] for row in range(n)]
        first = " + ".join(f"{at(0, k)}*({_cofactor(at, n, 0, k)})" for k in range(n))
        return [f"{det} = {first}", f"{adj} = {_matrix(cofactors, tuple(batch))}"]
    lines, last = [f"{prefix}unit = {_unit(n)}"], f"{prefix}unit"
    over = f"dim={(len(batch), len(batch) + 1)}"
    for k in range(1, n + 1):
        product = f"{prefix}p{k}"
        lines += [
            f"{product} = matmul({x}, {last})" if k > 1 else f"{product} = {x}",
            f"{prefix}c{k} = sum({product}*{prefix}unit, {over}, keepdim=True)/{-k}",
        ]
        if k < n:
            last = f"{prefix}m{k + 1}"
            lines.append(f"{last} = {product} + {prefix}c{k}*{prefix}unit")
    sign = "-" if n % 2 else ""
    return [
        *lines, f"{det} = {sign}reshape({prefix}c{n}, {tuple(batch)})", f"{adj} = {'' if n % 2 else '-'}{last}",
    ]  # fmt: skip


def _cofactor(at: Callable[[int, int], str], n: int, row: int, column: int) -> str:
    """Return the cofactor of an element of a matrix of 2 or 3 rows."""
    # With the rows and columns behind it, taken in a circle, its sign comes out by itself.
    if n == 2:
        return ("-" if row != column else "") + at(1 - row, 1 - column)
    a, b = (row + 1) % 3, (row + 2) % 3
    p, q = (column + 1) % 3, (column + 2) % 3
    return f"{at(a, p)}*{at(b, q)} - {at(a, q)}*{at(b, p)}"


def _over(det: str, batch: Shape) -> str:
    """Return a number for each matrix as what a matrix can be divided by."""
    return f"reshape({det}, {(*batch, 1, 1)})" if batch else det


def _inverse(x: str, shape: Shape, prefix: str = "") -> list[str]:
    """Return lines with the inverse ``inv``."""
    *batch, _, _ = shape
    return [*_determined(x, shape, prefix), f"{prefix}inv = {prefix}adj/{_over(f'{prefix}det', tuple(batch))}"]


# --- what torch's floats lose -------------------------------------------------------------------------


def _around(x: str, shape: Shape, roundoffs: float, size: str, name: str) -> list[str]:
    """Return lines with a matrix that is ``x`` with its slope, off by so many unit roundoffs of ``size`` in floats.

    A sum of x, t and -t is x, and goes through two roundings of the terms: 4*t unit roundoffs of 1 for each element.
    """
    return [
        f"{name}_size = detach({roundoffs / 4}*{size})",
        f"{name}_off = expand({name}_size, {shape})" if shape else f"{name}_off = {name}_size",
        f"{name} = sum(stack([{x}, {name}_off, -{name}_off], dim=0), dim=0)",
    ]


def _factored(x: str, shape: Shape, name: str = "near") -> list[str]:
    """Return lines with the matrix whose exact solutions torch finds: LU with partial pivoting is stable backwards.

    What is solved is (A + E)*x = b with |E| <= 3*n*u*|L|*|U| (Higham, Accuracy and Stability of Numerical Algorithms,
    theorem 9.4). No element of L is above 1, and those of U double at most with each step, so that a column of |L|*|U|
    is at most 2**n - 1 times the largest element of that column of A.
    """
    n = shape[-1]
    return _around(x, shape, 3 * n * (2**n - 1), f"amax(abs({x}), dim=-2, keepdim=True)", name)


def _at_every_order(definition: Callable[..., str]) -> Callable[..., str]:
    """Return a definition that holds whatever the order, as what is told how often it is differentiated."""
    return lambda _order, *shapes, **params: definition(*shapes, **params)


def _lines(*parts: str | list[str]) -> str:
    return "\n".join(line for part in parts for line in ([part] if isinstance(part, str) else part))


# --- determinants -------------------------------------------------------------------------------------


def _det(x: Shape) -> str:
    _square("det", x)
    return _lines(_determined("x", x)[:-1], "det")


def _det_factored(x: Shape) -> str:
    """Return det of a matrix near by. Its slope is det*inverse, of the very same factors: the adjugate."""
    _square("det", x)
    return _lines(_factored("x", x), _determined("near", x)[:-1], "det")


def _logdet(x: Shape) -> str:
    _square("logdet", x)
    return _lines(_determined("x", x)[:-1], "log(det)")


def _slogdet(x: Shape, result: Param = 1) -> str:
    _square("slogdet", x)
    return _lines(_determined("x", x)[:-1], "log(abs(det))" if result else "sign(det)")


def _slogdet_factored(x: Shape, result: Param = 1) -> str:
    """Return log(abs(det)) with the slope of the inverse's transpose (slogdet_backward)."""
    return _log_factored("log(abs(det))" if result else "sign(det)", x)


def _log_factored(value: str, x: Shape) -> str:
    *batch, _, _ = x
    _square("slogdet", x)
    if value.startswith("sign"):
        return _lines(_factored("x", x), _determined("near", x)[:-1], value)
    over = f"dim={(len(batch), len(batch) + 1)}"
    return _lines(
        _factored("x", x), _inverse("near", x), f"m = detach({value})", "y = detach(inv)",
        f"m + sum(mT(y)*(x - detach(x)), {over})",
    )  # fmt: skip


def _near(definition: Callable[..., str], argument: str = "x") -> Callable[..., str]:
    """Return a definition as it is, of a matrix near by: for derivatives of any order."""

    def again(_order: int, *shapes: Shape, **params: Param) -> str:
        body = definition(*shapes, **params).replace(f"{argument}[", "near[").replace(f"({argument},", "(near,")
        return _lines(_factored(argument, shapes[0]), body)

    return again


# --- inverses and systems -----------------------------------------------------------------------------


def _inv(x: Shape) -> str:
    _square("inv", x)
    return _lines(_inverse("x", x), "inv")


def _inv_stored(x: Shape, order: int = 1) -> str:
    """Return the inverse with torch's slope, made of the stored result (linalg_inv_ex's backward).

    With u = x - detach(x) the inverse is y - y*u*y + y*u*y*u*y - ..., which has the derivatives of each order.
    """
    _square("inv", x)
    lines = [*_factored("x", x), *_inverse("near", x), "y = detach(inv)", "u = x - detach(x)", "k0 = y"]
    for k in range(1, order + 1):
        lines.append(f"k{k} = matmul(matmul(k{k - 1}, u), y)")
    return _lines(lines, _alternating(order))


def _alternating(order: int) -> str:
    return "".join(f"{(' - ' if k % 2 else ' + ') if k else ''}k{k}" for k in range(order + 1))


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("det", ("x",), (), _det, ("det(a[:, :2])", "det(b[:, :3])"), as_torch=_det_factored, again=_at_every_order(_det_factored), torch=lambda m, x: m.linalg.det(x), summary="the determinant of a square matrix"),
    Composite("logdet", ("x",), (), _logdet, ("logdet(a[:, :2])", ), as_torch=lambda x: _log_factored("log(det)", x), torch=lambda m, x: m.logdet(x), summary="the logarithm of the determinant, where it is positive"),
    Composite("slogdet", ("x",), (), _slogdet, ("slogdet(a[:, :2])[1]", "slogdet(b[:, :3])[1]"), results=("sign", "logabsdet"), as_torch=_slogdet_factored, torch=lambda m, x: m.linalg.slogdet(x), summary="the sign and the logarithm of the absolute value of the determinant"),
    Composite("inv", ("x",), (), _inv, ("inv(a[:, :2])", "inv(b[:, :3])"), as_torch=_inv_stored, again=lambda order, x: _inv_stored(x, order), stored=True, torch=lambda m, x: m.linalg.inv(x), summary="the inverse of a square matrix"),
)
# fmt: on
