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


# --- inverses and systems -----------------------------------------------------------------------------


def _inv(x: Shape) -> str:
    _square("inv", x)
    return _lines(_inverse("x", x), "inv")


def _inv_stored(x: Shape, order: int = 1) -> str:
    """Return the inverse with torch's slope, made of the stored result (linalg_inv_ex's backward).

    With u = x - detach(x) the inverse is y - y*u*y + y*u*y*u*y - ..., which has the derivatives of each order.
    """
    _square("inv", x)
    terms = _series("y", "matmul(matmul({}, u), y)", order)
    return _lines(
        _factored("x", x), _inverse("near", x), "y = detach(inv)", "u = x - detach(x)", terms, _alternating(order)
    )


def _alternating(order: int) -> str:
    return "".join(f"{(' - ' if k % 2 else ' + ') if k else ''}k{k}" for k in range(order + 1))


def _series(first: str, factor: str, order: int) -> list[str]:
    """Return the lines of k0, which is ``first``, and of each next term of a series, a ``factor`` of the one before."""
    return [f"k0 = {first}", *(f"k{k} = {factor.format(f'k{k - 1}')}" for k in range(1, order + 1))]


def _system(name: str, a: Shape, b: Shape, left: Param) -> tuple[list[str], str]:
    """Return the lines that make columns ``rhs`` of a right side, and what the solution ``{}`` is reshaped by."""
    n = _square(name, a)
    if len(b) == 1 or (len(b) == len(a) - 1 and b == a[:-1]):
        if not left:
            raise ValueError(f"{name} takes a vector with left=True alone")
        if b[-1] != n:
            raise ValueError(f"{name} of {shape_text(a)} takes a vector of {n}, and this one has {b[-1]}")
        return [f"rhs = reshape(b, {(*b, 1)})"], f"reshape({{}}, {(*a[:-2], n)})"
    if len(b) < 2 or b[-2 if left else -1] != n:
        raise ValueError(f"{name} of {shape_text(a)} takes no right side of {shape_text(b)}")
    return ["rhs = b"], "{}"


def _solve(a: Shape, b: Shape, left: Param = True) -> str:
    lines, shaped = _system("solve", a, b, left)
    product = "matmul(inv, rhs)" if left else "matmul(rhs, inv)"
    return _lines(lines, _inverse("a", a), shaped.format(product))


def _solve_stored(a: Shape, b: Shape, left: Param = True, order: int = 1) -> str:
    """Return the solution with torch's slope: that of b solves with the transpose, that of a is it times x.

    torch/csrc/autograd/FunctionsManual.cpp, linalg_solve_backward. With u = a - detach(a) the solution is
    x - y*u*x + y*u*y*u*x - ..., where y is the inverse and x is y*b.
    """
    lines, shaped = _system("solve", a, b, left)
    first, factor = (
        ("matmul(y, rhs)", "matmul(y, matmul(u, {}))") if left else ("matmul(rhs, y)", "matmul(matmul({}, u), y)")
    )
    return _lines(
        lines, _factored("a", a), _inverse("near", a), "y = detach(inv)", "u = a - detach(a)",
        _series(first, factor, order), shaped.format(f"({_alternating(order)})"),
    )  # fmt: skip


def _not_info(result: Param) -> None:
    if result:
        raise ValueError("info is a whole number, and has no derivative")


def _with_info(definition: Callable[..., str]) -> Callable[..., str]:
    """Return the definition of a function that tells in a second result whether it went well."""

    def told(*shapes: Shape, result: Param = 0, check_errors: Param = False, **params: Any) -> str:
        _not_info(result)
        return definition(*shapes, **params)

    return told


def _ordered(definition: Callable[..., str]) -> Callable[..., str]:
    """Return a definition with the order as its last argument as one with the order as its first."""
    return lambda order, *shapes, **params: definition(*shapes, **params, order=order)


# --- least squares ------------------------------------------------------------------------------------


def _pseudo(a: str, shape: Shape, prefix: str = "") -> list[str]:
    """Return lines with the pseudoinverse ``pinv`` of matrices whose rank is full."""
    *batch, m, n = shape
    if m == n:
        return [*_inverse(a, shape, prefix), f"{prefix}pinv = {prefix}inv"]
    small = (*batch, min(m, n), min(m, n))
    gram = f"matmul(mT({a}), {a})" if m > n else f"matmul({a}, mT({a}))"
    product = f"matmul({prefix}inv, mT({a}))" if m > n else f"matmul(mT({a}), {prefix}inv)"
    return [f"{prefix}gram = {gram}", *_inverse(f"{prefix}gram", small, prefix), f"{prefix}pinv = {product}"]


def _full_rank(name: str, x: Shape) -> None:
    if len(x) < 2:
        raise ValueError(f"{name} takes a matrix, and this tensor is {shape_text(x)}")
    if min(x[-2:]) > MOST:
        raise ValueError(f"{name} takes matrices with at most {MOST} rows or {MOST} columns here")


def _pinv(x: Shape) -> str:
    _full_rank("pinv", x)
    return _lines(_pseudo("x", x), "pinv")


def _orthogonal(x: str, shape: Shape, name: str = "near") -> list[str]:
    """Return lines with the matrix that an orthogonal factorisation (QR, SVD) in floats is the right one of.

    Householder's transformations are off by c*m*n*u in the norm of each column (Higham, theorem 19.4), where c is small;
    the singular values are found by as many again. The norm of the whole stands for those of the columns.
    """
    *batch, m, n = shape
    over = f"dim={(len(batch), len(batch) + 1)}, keepdim=True"
    return _around(x, shape, 8 * m * n, f"sqrt(sum({x}**2, {over}))", name)


def _pinv_stored(x: Shape) -> str:
    """Return the pseudoinverse with torch's slope, made of the stored result (pinv_backward and pinv_jvp).

    Its three terms are those of Golub and Pereyra; in a square matrix two are 0 but for what rounding leaves.
    """
    _full_rank("pinv", x)
    return _lines(
        _orthogonal("x", x), _pseudo("near", x), "y = detach(pinv)", "w = detach(x)", "u = x - w", "z = mT(y)",
        "t = mT(u)", "p = matmul(y, z)", "q = matmul(z, y)",
        "y - matmul(matmul(y, u), y) + matmul(p, t) - matmul(matmul(matmul(p, t), w), y)"
        " + matmul(t, q) - matmul(matmul(y, w), matmul(t, q))",
    )  # fmt: skip


def _pinv_near(_order: int, x: Shape) -> str:
    return _lines(_orthogonal("x", x), _pseudo("near", x), "pinv")


# --- Cholesky -----------------------------------------------------------------------------------------

# torch reads one triangle, and gives the slope by a symmetric matrix to both (cholesky_backward): the function is that of
# (x + x.mT)/2, which is x wherever there is a factor.


def _triangle(entries: dict[tuple[int, int], str], n: int, batch: Shape, upper: bool = False) -> str:
    """Return the text of the lower triangular matrix with these elements, or of its transpose."""
    rows = [[entries.get((j, i) if upper else (i, j), "") for j in range(n)] for i in range(n)]
    zero = f"0*{entries[0, 0]}" if batch else "0"
    return _matrix([[one or zero for one in row] for row in rows], batch)


def _factor(x: str, n: int, batch: Shape, prefix: str = "l") -> tuple[list[str], dict[tuple[int, int], str]]:
    """Return lines with the elements of the Cholesky factor of a symmetric matrix, and their names."""
    at, lines, names = _entry(x, batch), [], {}
    for j in range(n):
        for i in range(j, n):
            less = "".join(f" - {prefix}{i}{k}*{prefix}{j}{k}" for k in range(j))
            value = f"sqrt({at(j, j)}{less})" if i == j else f"({at(i, j)}{less})/{prefix}{j}{j}"
            lines.append(f"{prefix}{i}{j} = {value}")
            names[i, j] = f"{prefix}{i}{j}"
    return lines, names


def _inverted(
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


def _cholesky(x: Shape, upper: Param = False) -> str:
    n, batch = _square("cholesky", x), x[:-2]
    lines, names = _factor("s", n, batch)
    return _lines("s = (x + mT(x))/2", lines, _triangle(names, n, batch, bool(upper)))


def _factored_symmetric(n: int, batch: Shape) -> list[str]:
    """Return lines with the symmetric matrix ``near`` whose Cholesky factor torch finds.

    What is factored is A + E with |E| <= (n + 1)*u*|L|*|L.mT| (Higham, theorem 10.3), whose elements are at most
    (n + 1)*u*sqrt(a_ii*a_jj); solving with the factors adds twice as much.
    """
    at = _entry("s", batch)
    root = f"sqrt(abs(stack([{', '.join(at(k, k) for k in range(n))}], dim={len(batch)})))"
    size = f"reshape(root, {(*batch, n, 1)})*reshape(root, {(*batch, 1, n)})"
    return [f"root = {root}", *_around("s", (*batch, n, n), 3 * (n + 1), size, "near")]


def _cholesky_stored(x: Shape, upper: Param = False) -> str:
    """Return the factor with torch's slope (cholesky_jvp, cholesky_backward).

    The slope is l*phi(w*u*w.mT), where l is the stored factor, w its inverse, and phi halves the diagonal of the lower
    triangle.
    """
    n, batch = _square("cholesky", x), x[:-2]
    lines, names = _factor("near", n, batch)
    inverse, inverted = _inverted({key: f"m{name[1:]}" for key, name in names.items()}, n)
    phi = _matrix([["1/2" if i == j else "1" if i > j else "0" for j in range(n)] for i in range(n)])
    made = "l + matmul(l, phi*matmul(matmul(w, u), mT(w)))"
    return _lines(
        "s = (x + mT(x))/2", _factored_symmetric(n, batch), lines, f"l = detach({_triangle(names, n, batch)})",
        [f"m{i}{j} = {_entry('l', batch)(i, j)}" for i, j in names], inverse, f"w = detach({_triangle(inverted, n, batch)})",
        f"phi = {phi}", "u = s - detach(s)", f"mT({made})" if upper else made,
    )  # fmt: skip


def _cholesky_near(_order: int, x: Shape, upper: Param = False) -> str:
    n, batch = _square("cholesky", x), x[:-2]
    lines, names = _factor("near", n, batch)
    return _lines("s = (x + mT(x))/2", _factored_symmetric(n, batch), lines, _triangle(names, n, batch, bool(upper)))


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("det", ("x",), (), _det, ("det(a[:, :2])", "det(a.T @ a + outer(v, v))"), as_torch=_det_factored, again=_at_every_order(_det_factored), dtypes=DTYPES, torch=lambda m, x: m.linalg.det(x), summary="the determinant of a square matrix"),
    Composite("logdet", ("x",), (), _logdet, ("logdet(a @ a.T)",), as_torch=lambda x: _log_factored("log(det)", x), dtypes=DTYPES, torch=lambda m, x: m.logdet(x), summary="the logarithm of the determinant, where it is positive"),
    Composite("slogdet", ("x",), (), _slogdet, ("slogdet(a[:, :2])[1]", "slogdet(a.T @ a + outer(v, v))[1]"), results=("sign", "logabsdet"), as_torch=_slogdet_factored, dtypes=DTYPES, torch=lambda m, x: m.linalg.slogdet(x), summary="the sign and the logarithm of the absolute value of the determinant"),
    Composite("inv", ("x",), (), _inv, ("inv(a[:, 1:])", "inv(a.T @ a + outer(v, v))"), as_torch=_inv_stored, again=_ordered(_inv_stored), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.inv(x), summary="the inverse of a square matrix"),
    Composite("inv_ex", ("x",), ("check_errors",), _with_info(_inv), ("inv_ex(a[:, 1:])[0]",), results=("inverse", "info"), as_torch=_with_info(_inv_stored), again=_ordered(_with_info(_inv_stored)), stored=True, dtypes=DTYPES, torch=lambda m, x, check_errors=False: m.linalg.inv_ex(x, check_errors=check_errors), summary="the inverse of a square matrix, and whether there is one"),
    Composite("solve", ("a", "b"), ("left",), _solve, ("solve(a[:, 1:], u)", "solve(a.T @ a + outer(v, v), b, left=True)", "solve(a[:, :2], a.T, left=False)"), as_torch=_solve_stored, again=_ordered(_solve_stored), stored=True, dtypes=DTYPES, torch=lambda m, a, b, left=True: m.linalg.solve(a, b, left=left), summary="the solution x of a @ x = b"),
    Composite("solve_ex", ("a", "b"), ("left", "check_errors"), _with_info(_solve), ("solve_ex(a[:, 1:], u)[0]",), results=("result", "info"), as_torch=_with_info(_solve_stored), again=_ordered(_with_info(_solve_stored)), stored=True, dtypes=DTYPES, torch=lambda m, a, b, left=True, check_errors=False: m.linalg.solve_ex(a, b, left=left, check_errors=check_errors), summary="the solution x of a @ x = b, and whether there is one"),
    Composite("pinv", ("x",), (), _pinv, ("pinv(a)", "pinv(a[:, 1:])"), as_torch=_pinv_stored, again=_pinv_near, stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.pinv(x), summary="the pseudoinverse of a matrix whose rank is full"),
    Composite("cholesky", ("x",), ("upper",), _cholesky, ("cholesky(a @ a.T)", "cholesky(a.T @ a + outer(v, v), upper=True)"), as_torch=_cholesky_stored, again=_cholesky_near, stored=True, dtypes=DTYPES, torch=lambda m, x, upper=False: m.linalg.cholesky(x, upper=upper), summary="the Cholesky factor of a positive definite matrix"),
    Composite("cholesky_ex", ("x",), ("upper", "check_errors"), _with_info(_cholesky), ("cholesky_ex(a @ a.T)[0]",), results=("L", "info"), as_torch=_with_info(_cholesky_stored), again=lambda order, x, result=0, check_errors=False, **params: _cholesky_near(order, x, **params), stored=True, dtypes=DTYPES, torch=lambda m, x, upper=False, check_errors=False: m.linalg.cholesky_ex(x, upper=upper, check_errors=check_errors), summary="the Cholesky factor of a positive definite matrix, and whether there is one"),
)
# fmt: on
