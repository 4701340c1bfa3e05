"""What functions of matrices share: texts of matrices, and what torch's floats lose in factoring them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradcheck.functions.params import shape_text
from gradcheck.program import Param, Shape

# The definitions are rational, and hold wherever the function is defined: determinants are sums of products, an inverse
# is the adjugate over the determinant, and a triangular system is solved by substitution. torch factors the matrix with
# LAPACK, in floats of the format, and its derivatives are in torch/csrc/autograd/FunctionsManual.cpp.

MOST = 6
"""Rows and columns of the largest matrix with an inverse here."""

DTYPES = ("float64", "float32")
"""Formats that LAPACK has on the CPU: torch raises for the others."""


# --- texts of matrices -------------------------------------------------------------------------------


def square(name: str, x: Shape) -> int:
    """Return the size of a square matrix, or of a batch of them."""
    if len(x) < 2 or x[-1] != x[-2]:
        raise ValueError(f"{name} takes a square matrix, and this tensor is {shape_text(x)}")
    if x[-1] > MOST:
        raise ValueError(f"{name} takes at most {MOST} x {MOST} matrices here, and this one is {x[-2]} x {x[-1]}")
    return x[-1]


def full_rank(name: str, x: Shape) -> None:
    """Refuse what has no more rows and columns than the inverse of its Gram matrix may have here."""
    if len(x) < 2:
        raise ValueError(f"{name} takes a matrix, and this tensor is {shape_text(x)}")
    if min(x[-2:]) > MOST:
        raise ValueError(f"{name} takes matrices with at most {MOST} rows or {MOST} columns here")


def entry(x: str, batch: Shape) -> Callable[[int, int], str]:
    """Return the text of one element of every matrix of a batch."""
    return lambda row, column: f"{x}[{':, ' * len(batch)}{row}, {column}]"


def matrix(rows: Sequence[Sequence[str]], batch: Shape = ()) -> str:
    """Return the text of the matrix with these elements."""
    flat = [one for row in rows for one in row]
    return f"reshape(stack([{', '.join(flat)}], dim={len(batch)}), {(*batch, len(rows), len(rows[0]))})"


def _unit(n: int) -> str:
    """Return the text of the unit matrix."""
    return matrix([["1" if row == column else "0" for column in range(n)] for row in range(n)])


def determined(x: str, shape: Shape, prefix: str = "") -> list[str]:
    """Return lines with the determinant ``det`` and the adjugate ``adj`` of square matrices, both without a division.

    Above 3 x 3 by the recursion of Faddeev and LeVerrier (Gantmacher, The Theory of Matrices, IV.5), whose divisors are
    whole numbers: M_1 = I, c_k = -trace(A*M_k)/k, M_(k+1) = A*M_k + c_k*I.
    """
    *batch, n, _ = shape
    at, det, adj = entry(x, tuple(batch)), f"{prefix}det", f"{prefix}adj"
    if n == 1:
        return [f"{det} = {at(0, 0)}", f"{adj} = {x}*0 + 1"]
    if n <= 3:
        cofactors = [[_cofactor(at, n, column, row) for column in range(n)] for row in range(n)]
        first = " + ".join(f"{at(0, k)}*({_cofactor(at, n, 0, k)})" for k in range(n))
        return [f"{det} = {first}", f"{adj} = {matrix(cofactors, tuple(batch))}"]
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


def for_each(det: str, batch: Shape) -> str:
    """Return a number for each matrix as what a matrix can be divided by."""
    return f"reshape({det}, {(*batch, 1, 1)})" if batch else det


def inverse(x: str, shape: Shape, prefix: str = "") -> list[str]:
    """Return lines with the inverse ``inv``."""
    *batch, _, _ = shape
    return [*determined(x, shape, prefix), f"{prefix}inv = {prefix}adj/{for_each(f'{prefix}det', tuple(batch))}"]


def pseudo(a: str, shape: Shape, prefix: str = "") -> list[str]:
    """Return lines with the pseudoinverse ``pinv`` of matrices whose rank is full."""
    *batch, m, n = shape
    if m == n:
        return [*inverse(a, shape, prefix), f"{prefix}pinv = {prefix}inv"]
    small = (*batch, min(m, n), min(m, n))
    gram = f"matmul(mT({a}), {a})" if m > n else f"matmul({a}, mT({a}))"
    product = f"matmul({prefix}inv, mT({a}))" if m > n else f"matmul(mT({a}), {prefix}inv)"
    return [f"{prefix}gram = {gram}", *inverse(f"{prefix}gram", small, prefix), f"{prefix}pinv = {product}"]


def joined(*parts: str | list[str]) -> str:
    """Return lines, and lists of them, as one text."""
    return "\n".join(line for part in parts for line in ([part] if isinstance(part, str) else part))


# --- what torch's floats lose ------------------------------------------------------------------------


def around(x: str, shape: Shape, roundoffs: float, size: str, name: str) -> list[str]:
    """Return lines with a matrix that is ``x`` with its slope, off by so many unit roundoffs of ``size`` in floats.

    A sum of x, t and -t is x, and goes through two roundings of the terms: 4*t unit roundoffs of 1 for each element.
    """
    return [
        f"{name}_size = detach({roundoffs / 4}*{size})",
        f"{name}_off = expand({name}_size, {shape})" if shape else f"{name}_off = {name}_size",
        f"{name} = sum(stack([{x}, {name}_off, -{name}_off], dim=0), dim=0)",
    ]


def factored(x: str, shape: Shape, name: str = "near") -> list[str]:
    """Return lines with the matrix whose exact solutions torch finds: LU with partial pivoting is stable backwards.

    What is solved is (A + E)*x = b with |E| <= 3*n*u*|L|*|U| (Higham, Accuracy and Stability of Numerical Algorithms,
    theorem 9.4). No element of L is above 1, and those of U double at most with each step, so that a column of |L|*|U|
    is at most 2**n - 1 times the largest element of that column of A.
    """
    n = shape[-1]
    return around(x, shape, 3 * n * (2**n - 1), f"amax(abs({x}), dim=-2, keepdim=True)", name)


def orthogonal(x: str, shape: Shape, name: str = "near") -> list[str]:
    """Return lines with the matrix that an orthogonal factorisation (QR, SVD) in floats is the right one of.

    Householder's transformations are off by c*m*n*u in the norm of each column (Higham, theorem 19.4), where c is small;
    the singular values are found by as many again. The norm of the whole stands for those of the columns.
    """
    *batch, m, n = shape
    over = f"dim={(len(batch), len(batch) + 1)}, keepdim=True"
    return around(x, shape, 8 * m * n, f"sqrt(sum({x}**2, {over}))", name)


def at_every_order(definition: Callable[..., str]) -> Callable[..., str]:
    """Return a definition that holds whatever the order, as what is told how often it is differentiated."""
    return lambda _order, *shapes, **params: definition(*shapes, **params)


def ordered(definition: Callable[..., str]) -> Callable[..., str]:
    """Return a definition with the order as its last argument as one with the order as its first."""
    return lambda order, *shapes, **params: definition(*shapes, **params, order=order)


def not_info(result: Param) -> None:
    """Refuse the second result of LAPACK's functions, which says whether they succeeded."""
    if result:
        raise ValueError("info is a whole number, and has no derivative")


def triangle(entries: dict[tuple[int, int], str], n: int, batch: Shape, upper: bool = False) -> str:
    """Return the text of the lower triangular matrix with these elements, or of its transpose."""
    rows = [[entries.get((j, i) if upper else (i, j), "") for j in range(n)] for i in range(n)]
    zero = f"0*{entries[0, 0]}" if batch else "0"
    return matrix([[one or zero for one in row] for row in rows], batch)


def inverse_of_triangle(
    entries: dict[tuple[int, int], str], n: int, prefix: str = "w"
) -> tuple[list[str], dict[tuple[int, int], str]]:
    """Return lines with the elements of the inverse of a lower triangular matrix, and their names."""
    lines, names = [], {}
    for j in range(n):
        for i in range(j, n):
            less = " - ".join(f"{entries[i, k]}*{prefix}{k}{j}" for k in range(j, i))
            value = f"1/{entries[j, j]}" if i == j else f"-({less.replace(' - ', ' + ')})/{entries[i, i]}"
            lines.append(f"{prefix}{i}{j} = {value}")
            names[i, j] = f"{prefix}{i}{j}"
    return lines, names
