"""Linear algebra of spectra and exponentials."""

from __future__ import annotations

from gradcheck.functions.composites.matrices import (
    DTYPES,
    around,
    at_every_order,
    entry,
    for_each,
    joined,
    matrix,
    orthogonal,
)
from gradcheck.functions.params import shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- eigenvalues and singular values -----------------------------------------------------------------


def _eigvalsh(x: Shape) -> str:
    return _spectrum(x, "s")


def _eigvalsh_near(x: Shape) -> str:
    return _spectrum(x, "near")


def _spectrum(x: Shape, of: str) -> str:
    """Return the eigenvalues of symmetric matrices of 2 rows, which have a closed form, ascending."""
    if len(x) < 2 or x[-1] != x[-2] or x[-1] > 2:
        raise ValueError("eigvalsh takes matrices of 1 x 1 and 2 x 2 here")
    batch, at = x[:-2], entry(of, x[:-2])
    lines = ["s = (x + mT(x))/2", *(orthogonal("s", x) if of == "near" else [])]
    if x[-1] == 1:
        return joined(lines, f"reshape({of}, {(*batch, 1)})")
    return joined(
        lines, f"m = ({at(0, 0)} + {at(1, 1)})/2", f"r = hypot(({at(0, 0)} - {at(1, 1)})/2, {at(0, 1)})",
        f"stack([m - r, m + r], dim={len(batch)})",
    )  # fmt: skip


def _svdvals(x: Shape) -> str:
    return _singular(x, "x")


def _svdvals_near(x: Shape) -> str:
    return _singular(x, "near")


def _singular(x: Shape, of: str, name: str = "svdvals") -> str:
    """Return the singular values of matrices with 2 rows or columns, descending.

    Their sum and difference are the roots of |x|**2 + 2*d and |x|**2 - 2*d, where d is the root of the sum of the squares
    of the 2 x 2 minors: for 2 x 2 matrices it is abs(det).
    """
    if len(x) < 2 or min(x[-2:]) > 2:
        raise ValueError(f"{name} takes matrices with at most 2 rows or 2 columns here")
    *batch, m, n = x
    lines = orthogonal("x", x) if of == "near" else []
    over = f"dim={(len(batch), len(batch) + 1)}"
    if min(m, n) == 1:
        return joined(lines, f"reshape(sqrt(sum({of}**2, {over})), {(*batch, 1)})")
    if m == n:
        at = entry(of, tuple(batch))
        # the conformal part of a 2 x 2 matrix and the rest have the norms (s1 + s2)/2 and (s1 - s2)/2 but for their order
        p = f"hypot({at(0, 0)} + {at(1, 1)}, {at(0, 1)} - {at(1, 0)})/2"
        q = f"hypot({at(0, 0)} - {at(1, 1)}, {at(0, 1)} + {at(1, 0)})/2"
        return joined(lines, f"p = {p}", f"q = {q}", f"stack([p + q, abs(p - q)], dim={len(batch)})")
    gram = f"matmul(mT({of}), {of})" if m > n else f"matmul({of}, mT({of}))"
    at = entry("g", tuple(batch))
    return joined(
        lines, f"g = {gram}", f"m = ({at(0, 0)} + {at(1, 1)})/2", f"r = hypot(({at(0, 0)} - {at(1, 1)})/2, {at(0, 1)})",
        f"stack([sqrt(m + r), sqrt(m - r)], dim={len(batch)})",
    )  # fmt: skip


def _cond(x: Shape, p: Param = None) -> str:
    """Return the condition number in the norm of matrices: the greatest singular value over the least, or upside down.

    In other norms torch raises on the way back: linalg.cond writes into the inverse that its gradient needs.
    """
    if p not in (None, 2, -2):
        raise ValueError(f"cond in the norm {p} is not supported; p is 2 or -2")
    if len(x) < 2 or min(x[-2:]) != 2:
        raise ValueError(
            f"cond of {shape_text(x)} is not supported: it takes matrices with 2 rows or 2 columns here (with one it is 1)"
        )
    first, last = (f"s[{':, ' * (len(x) - 2)}{k}]" for k in ((1, 0) if p == -2 else (0, 1)))
    return joined("s = svdvals(x)", f"{first}/{last}")


# --- the exponential ---------------------------------------------------------------------------------


def _matrix_exp(x: Shape) -> str:
    return joined(_exponential(x, "x"))


def _matrix_exp_near(x: Shape) -> str:
    """Return the exponential of a matrix near by: Taylor's polynomials and squarings are off by some u in the norm.

    aten/src/ATen/native/LinearAlgebra.cpp, mexp; the way back is the exponential of a matrix of twice the rows
    (linalg_matrix_exp_differential).
    """
    over = f"dim={(len(x) - 2, len(x) - 1)}, keepdim=True"
    return joined(around("x", x, 32, f"maximum(sum(abs(x), {over}), 1)", "near"), _exponential(x, "near"))


def _exponential(x: Shape, of: str) -> list[str]:
    """Return the lines of exp(m)*(c*I + s*(x - m*I)), where m is half the trace and q half the gap of the eigenvalues, squared.

    c is cosh(sqrt(q)) and s is sinh(sqrt(q))/sqrt(q): cosine and sine where q is negative (Bernstein and So, Some explicit
    formulas for the matrix exponential, 1993).
    """
    if len(x) < 2 or x[-1] != x[-2] or x[-1] > 2:
        raise ValueError("matrix_exp takes matrices of 1 x 1 and 2 x 2 here")
    if x[-1] == 1:
        return [f"exp({of})"]
    batch, at = x[:-2], entry(of, x[:-2])
    corners = [["c + s*h", f"s*{at(0, 1)}"], [f"s*{at(1, 0)}", "c - s*h"]]
    return [
        f"m = ({at(0, 0)} + {at(1, 1)})/2", f"h = ({at(0, 0)} - {at(1, 1)})/2", f"q = h**2 + {at(0, 1)}*{at(1, 0)}",
        "r = sqrt(abs(where(q == 0, 1, q)))",
        "c = where(q > 0, cosh(r), where(q < 0, cos(r), 1 + q/2 + q**2/24))",
        "s = where(q > 0, sinh(r)/r, where(q < 0, sin(r)/r, 1 + q/6 + q**2/120))",
        f"{for_each('exp(m)', batch)}*{matrix(corners, batch)}",
    ]  # fmt: skip


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("eigvalsh", ("x",), (), _eigvalsh, ("eigvalsh(a @ a.T)",), as_torch=_eigvalsh_near, again=at_every_order(_eigvalsh_near), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.eigvalsh(x), summary="the eigenvalues of a symmetric matrix, ascending"),
    Composite("svdvals", ("x",), (), _svdvals, ("svdvals(a[:, :2])", "svdvals(a)"), as_torch=_svdvals_near, again=at_every_order(_svdvals_near), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.svdvals(x), summary="the singular values of a matrix, descending"),
    Composite("cond", ("x",), ("p",), _cond, ("cond(a[:, :2])", "cond(a, p=-2)"), stored=True, dtypes=DTYPES, torch=lambda m, x, p=None: m.linalg.cond(x, p), summary="the condition number of a matrix"),
    Composite("matrix_exp", ("x",), (), _matrix_exp, ("matrix_exp(a[:, :2])", "matrix_exp(a[:, 1:] - a[:, :2])"), as_torch=_matrix_exp_near, again=at_every_order(_matrix_exp_near), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.matrix_exp(x), summary="the exponential of a square matrix"),
)
# fmt: on
