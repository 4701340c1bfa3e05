"""Linear algebra: functions of matrices."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod

from gradcheck.functions import again
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


def _apart(lines: Sequence[str], prefix: str, **given: str) -> list[str]:
    """Return lines whose names begin with a prefix, so that they can stand beside others; ``given`` are what they read.

    >>> _apart(["a = 2*x", "b = a*x"], "y0_", x="z")
    ['y0_a = 2*z', 'y0_b = y0_a*z']
    """
    named = {line.partition(" = ")[0] for line in lines}
    new = {name: prefix + name for name in named} | given
    return [re.sub(r"(?<![\w.])[a-z]\w*(?!\w*[(=])", lambda one: new.get(one[0], one[0]), line) for line in lines]


# --- determinants -------------------------------------------------------------------------------------


def _det(x: Shape) -> str:
    _square("det", x)
    return _lines(_determined("x", x)[:-1], "det")


def _det_factored(x: Shape) -> str:
    """Return det of a matrix near by. Its slope is det*inverse, of the very same factors: the adjugate."""
    _square("det", x)
    return _lines(_factored("x", x), _determined("near", x)[:-1], "det")


def _det_again(order: int, x: Shape) -> str:
    """Return det with the slope det*inverse (linalg_det_backward), both of which are found again for the next order.

    Their roundings do not cancel in what is exactly 0, as is a derivative by one element twice.
    """
    *batch, _, _ = x

    def value(a: str) -> str:
        return _lines(_factored(a, x, f"{a}v"), _determined(f"{a}v", x, f"{a}v_")[:-1], f"{a}v_det")

    def slope(z: str, y: str, u: str) -> str:
        over = f"dim={(len(batch), len(batch) + 1)}"
        return _lines(_factored(z, x, f"{z}s"), _inverse(f"{z}s", x, f"{z}s_"), f"{y}*sum(mT({z}s_inv)*{u}, {over})")

    return again.sloped(order, value, slope)


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


def _inv_ex(x: Shape, result: Param = 0) -> str:
    _not_info(result)
    return _inv(x)


def _inv_ex_stored(x: Shape, result: Param = 0, order: int = 1) -> str:
    _not_info(result)
    return _inv_stored(x, order)


def _solve_ex(a: Shape, b: Shape, left: Param = True, result: Param = 0) -> str:
    _not_info(result)
    return _solve(a, b, left)


def _solve_ex_stored(a: Shape, b: Shape, left: Param = True, result: Param = 0, order: int = 1) -> str:
    _not_info(result)
    return _solve_stored(a, b, left, order)


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


def _cholesky_ex(x: Shape, upper: Param = False, result: Param = 0) -> str:
    _not_info(result)
    return _cholesky(x, upper)


def _cholesky_ex_stored(x: Shape, upper: Param = False, result: Param = 0) -> str:
    _not_info(result)
    return _cholesky_stored(x, upper)


def _cholesky_near(_order: int, x: Shape, upper: Param = False, **_: Param) -> str:
    n, batch = _square("cholesky", x), x[:-2]
    lines, names = _factor("near", n, batch)
    return _lines("s = (x + mT(x))/2", _factored_symmetric(n, batch), lines, _triangle(names, n, batch, bool(upper)))


# --- triangular systems -------------------------------------------------------------------------------


def _substituted(
    at: Callable[[int, int], str], b: str, shape: Shape, *, lower: bool, unit: bool, x: str = "r"
) -> list[str]:
    """Return lines with ``{x}x``, the solution of a triangular system with the right side ``b`` by substitution."""
    *batch, n, _ = shape
    lines, order = [], list(range(n) if lower else reversed(range(n)))
    for step, i in enumerate(order):
        row = f"{b}[{':, ' * len(batch)}{i}:{i + 1}, :]"
        less = "".join(f" - {_over(at(i, j), tuple(batch))}*{x}{j}" for j in order[:step])
        over = "" if unit else f"/{_over(at(i, i), tuple(batch))}"
        lines.append(f"{x}{i} = ({row}{less}){over}")
    return [*lines, f"{x}x = cat([{', '.join(f'{x}{i}' for i in range(n))}], dim={len(batch)})"]


def _swapped(at: Callable[[int, int], str]) -> Callable[[int, int], str]:
    return lambda row, column: at(column, row)


def _same_batch(name: str, a: Shape, b: Shape, rows: int) -> None:
    """Demand that a triangular system has a right side with as many rows as it has, in batches alike."""
    n = _square(name, a)
    if len(b) != len(a) or b[:-2] != a[:-2] or b[rows] != n:
        raise ValueError(f"{name} of {shape_text(a)} takes no right side of {shape_text(b)} here")


def _triangular(a: Shape, b: Shape, of: str, upper: Param, left: Param, unit: Param) -> list[str]:
    """Return the lines of a triangular system, with the solution last."""
    _same_batch("solve_triangular", a, b, -2 if left else -1)
    at, lower = _entry(of, a[:-2]), bool(upper) != bool(left)
    if left:
        return [*_substituted(at, "b", b, lower=lower, unit=bool(unit)), "rx"]
    turned = (*b[:-2], b[-1], b[-2])
    return ["t = mT(b)", *_substituted(_swapped(at), "t", turned, lower=lower, unit=bool(unit)), "mT(rx)"]


def _solve_triangular(a: Shape, b: Shape, upper: Param, left: Param = True, unitriangular: Param = False) -> str:
    return _lines(_triangular(a, b, "a", upper, left, unitriangular))


def _near_triangle(a: Shape) -> list[str]:
    """Return the lines of a triangle whose elements are a little off: substitution is stable backwards.

    Each element is off by n*u of itself at most (Higham, theorem 8.5), however the sums are ordered, and by one more
    where its reciprocal is multiplied with.
    """
    return _around("a", a, a[-1] + 1, "abs(a)", "near")


def _solve_triangular_near(a: Shape, b: Shape, upper: Param, left: Param = True, unitriangular: Param = False) -> str:
    return _lines(_near_triangle(a), _triangular(a, b, "near", upper, left, unitriangular))


def _triangular_solve(
    b: Shape, a: Shape, upper: Param = True, transpose: Param = False, unitriangular: Param = False, result: Param = 0
) -> str:
    return "a" if result else _lines(_turned(b, a, "a", upper, transpose, unitriangular), "rx")


def _triangular_solve_near(
    b: Shape, a: Shape, upper: Param = True, transpose: Param = False, unitriangular: Param = False, result: Param = 0
) -> str:
    lines = _turned(b, a, "near", upper, transpose, unitriangular)
    return "a" if result else _lines(_near_triangle(a), lines, "rx")


def _turned(b: Shape, a: Shape, of: str, upper: Param, transpose: Param, unit: Param) -> list[str]:
    """Return the lines of a system of a triangle, or of its transpose."""
    _same_batch("triangular_solve", a, b, -2)
    at, lower = _entry(of, a[:-2]), bool(upper) == bool(transpose)
    return _substituted(_swapped(at) if transpose else at, "b", b, lower=lower, unit=bool(unit))


# torch's slopes by a Cholesky factor are those by a full matrix L of L @ L.mT (cholesky_solve_backward and
# cholesky_inverse_backward have no triangle in them), though only a triangle is read: the value is that of the triangle,
# and the slope that of the full matrix there.


def _by_factor(name: str, b: Shape | None, x: Shape, upper: Param, near: bool) -> str:
    """Return the solution of the system whose Cholesky factor is given, or the inverse of its matrix."""
    n = _square(name, x)
    if b is not None and (len(b) < 2 or b[-2] != n):
        raise ValueError(f"{name} with a factor of {shape_text(x)} takes no right side of {shape_text(b)}")
    other = _matrix([["1" if (i > j) == bool(upper) and i != j else "0" for j in range(n)] for i in range(n)])
    lines = [f"f = x - detach(x*{other})" if n > 1 else "f = x"]
    of = "near" if near else "f"
    product = f"matmul(mT({of}), {of})" if upper else f"matmul({of}, mT({of}))"
    return _lines(
        lines, _around("f", x, 3 * (n + 1), "abs(f)", "near") if near else [], f"g = {product}", _inverse("g", x),
        "inv" if b is None else "matmul(inv, b)",
    )  # fmt: skip


def _cholesky_solve(b: Shape, x: Shape, upper: Param = False) -> str:
    return _by_factor("cholesky_solve", b, x, upper, near=False)


def _cholesky_solve_near(b: Shape, x: Shape, upper: Param = False) -> str:
    return _by_factor("cholesky_solve", b, x, upper, near=True)


def _cholesky_inverse(x: Shape, upper: Param = False) -> str:
    return _by_factor("cholesky_inverse", None, x, upper, near=False)


def _cholesky_inverse_near(x: Shape, upper: Param = False) -> str:
    return _by_factor("cholesky_inverse", None, x, upper, near=True)


# --- least squares, tensors ---------------------------------------------------------------------------


def _lstsq(a: Shape, b: Shape, result: Param = 0) -> str:
    return _least(a, b, result, "a", [])


def _lstsq_near(a: Shape, b: Shape, result: Param = 0) -> str:
    _full_rank("lstsq", a)
    return _least(a, b, result, "near", _orthogonal("a", a))


def _least(a: Shape, b: Shape, result: Param, of: str, lines: list[str]) -> str:
    _full_rank("lstsq", a)
    if result:
        raise ValueError("lstsq is defined for its solution here; write lstsq(a, b)[0]")
    if b == a[:-1]:  # a vector for each matrix
        return _lines(lines, _pseudo(of, a), f"reshape(matmul(pinv, reshape(b, {(*b, 1)})), {(*a[:-2], a[-1])})")
    if len(b) < 2 or b[-2] != a[-2]:
        raise ValueError(f"lstsq of {shape_text(a)} takes no right side of {shape_text(b)}")
    return _lines(lines, _pseudo(of, a), "matmul(pinv, b)")


def _tensor_square(name: str, x: Shape, ind: Param) -> tuple[int, Shape]:
    """Return the size of the square matrix that a tensor is with the first ``ind`` dims for its rows, and its inverse's shape."""
    if not isinstance(ind, int) or not 0 < ind < len(x):
        raise ValueError(f"ind of {name} is a whole number between 1 and {len(x) - 1}")
    n = prod(x[:ind])
    if n != prod(x[ind:]):
        raise ValueError(f"{name} takes a tensor with as many elements in its first {ind} dims as in the others")
    _square(name, (n, n))
    return n, (*x[ind:], *x[:ind])


def _tensorinv(x: Shape, ind: Param = 2) -> str:
    n, shape = _tensor_square("tensorinv", x, ind)
    return f"reshape(inv(reshape(x, {(n, n)})), {shape})"


def _tensorsolve(a: Shape, b: Shape) -> str:
    n, rest = prod(b), a[len(b) :]
    if not b or prod(a) != n * n or prod(rest) != n:
        raise ValueError(f"tensorsolve of {shape_text(a)} takes no right side of {shape_text(b)}")
    _square("tensorsolve", (n, n))
    return f"reshape(solve(reshape(a, {(n, n)}), reshape(b, ({n},))), {rest})"


# --- eigenvalues and singular values ------------------------------------------------------------------


def _eigvalsh(x: Shape) -> str:
    return _spectrum(x, "s")


def _eigvalsh_near(x: Shape) -> str:
    return _spectrum(x, "near")


def _eigvalsh_again(order: int, x: Shape) -> str:
    """Return the eigenvalues with the slope of the stored eigenvectors, and these with theirs (linalg_eig_backward)."""
    if x[-1] == 1:
        return _eigvalsh_near(x)
    batch = x[:-2]
    at, cut, dim = _entry("near", batch), ":, " * len(batch), len(batch)
    unit, others = (_matrix([[one, two], [two, one]]) for one, two in (("1", "0"), ("0", "1")))

    def value(a: str) -> str:
        lines = [
            "s = (x + mT(x))/2", *_orthogonal("s", x), f"m = ({at(0, 0)} + {at(1, 1)})/2",
            f"h = ({at(0, 0)} - {at(1, 1)})/2", f"b = {at(0, 1)}", "r = hypot(h, b)", "p = where(h >= 0, r + h, b)",
            "q = where(h >= 0, b, r - h)", "d = hypot(p, q)", f"v = {_matrix([['-q/d', 'p/d'], ['p/d', 'q/d']], batch)}",
            f"l = {_matrix([['m - r', 'm + r']], batch)}", f"made = cat([v, l], dim={dim})",
        ]  # fmt: skip
        return _lines(_apart(lines, f"{a}v_", x=a), f"{a}v_made")

    def slope(z: str, y: str, u: str) -> str:
        lines = [
            f"v = y[{cut}:2, :]", f"l = y[{cut}2:, :]", "w = matmul(matmul(mT(v), (u + mT(u))/2), v)",
            f"t = {others}*w/(l - mT(l) + {unit})",
            f"made = cat([matmul(v, t), sum({unit}*w, dim={dim}, keepdim=True)], dim={dim})",
        ]  # fmt: skip
        return _lines(_apart(lines, f"{z}s_", y=y, u=u), f"{z}s_made")

    return again.sloped(order, value, slope, f"[{cut}2, :]")


def _spectrum(x: Shape, of: str) -> str:
    """Return the eigenvalues of symmetric matrices of 2 rows, which have a closed form, ascending."""
    if len(x) < 2 or x[-1] != x[-2] or x[-1] > 2:
        raise ValueError("eigvalsh takes matrices of 1 x 1 and 2 x 2 here")
    batch, at = x[:-2], _entry(of, x[:-2])
    lines = ["s = (x + mT(x))/2", *(_orthogonal("s", x) if of == "near" else [])]
    if x[-1] == 1:
        return _lines(lines, f"reshape({of}, {(*batch, 1)})")
    return _lines(
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
    lines = _orthogonal("x", x) if of == "near" else []
    over = f"dim={(len(batch), len(batch) + 1)}"
    if min(m, n) == 1:
        return _lines(lines, f"reshape(sqrt(sum({of}**2, {over})), {(*batch, 1)})")
    if m == n:
        at = _entry(of, tuple(batch))
        # the conformal part of a 2 x 2 matrix and the rest have the norms (s1 + s2)/2 and (s1 - s2)/2 but for their order
        p = f"hypot({at(0, 0)} + {at(1, 1)}, {at(0, 1)} - {at(1, 0)})/2"
        q = f"hypot({at(0, 0)} - {at(1, 1)}, {at(0, 1)} + {at(1, 0)})/2"
        return _lines(lines, f"p = {p}", f"q = {q}", f"stack([p + q, abs(p - q)], dim={len(batch)})")
    gram = f"matmul(mT({of}), {of})" if m > n else f"matmul({of}, mT({of}))"
    at = _entry("g", tuple(batch))
    return _lines(
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
    return _lines("s = svdvals(x)", f"{first}/{last}")


# --- reflections --------------------------------------------------------------------------------------


def _reflected(matrix: str, v: str, scale: str, k: int, batch: Shape) -> str:
    """Return the text of a matrix whose rows from ``k`` on are reflected: of it minus scale*v*v.mT times it."""
    cut = ":, " * len(batch)
    below = f"{matrix}[{cut}{k}:, :]"
    made = f"{below} - matmul({v}, matmul(mT({v}), {below}))*({scale})"
    return f"cat([{matrix}[{cut}:{k}, :], {made}], dim={len(batch)})" if k else made


def _qr(x: Shape, result: Param = 0) -> str:
    return _lines(_orthogonalised(x, "x", result))


def _qr_stored(x: Shape, result: Param = 0) -> str:
    """Return the factors with torch's slope, made of the stored ones (linalg_qr_backward).

    With k = u*inv(r) the slope of r is t*r, where t is the upper triangle of q.mT*k and its transpose, with half of the
    diagonal; that of q is k - q*t. Where x is wide, that of q is q*o and that of r is q.mT*u - o*r, where o is the lower
    triangle of q.mT*k without the diagonal, less its transpose.

    What is stored are the factors of x + e (see _orthogonal). These are off by sqrt(2)*|e|*|inv(r)| in q, times |r| in r
    (Higham, section 19.9), and inv(r) by as much times itself.
    """
    *_, m, n = x
    batch = x[:-2]
    lines = [*_qr_found(x), "q = detach(qs)", "r = detach(rs)", "w = detach(ws)", "u = x - detach(x)"]
    slopes = _qr_slopes(batch, m, n)
    return _lines(lines, slopes[:-2], f"r + {slopes[-1]}" if result else f"q + {slopes[-2]}")


def _qr_found(x: Shape) -> list[str]:
    """Return the lines of the factors ``qs`` and ``rs`` that are stored, and of the inverse ``ws`` of the latter."""
    *lines, q = _orthogonalised(x, "x", 0)
    r = _orthogonalised(x, "x", 1)[-1]
    *leading, m, n = x
    batch, rank = tuple(leading), min(m, n)
    over, off = f"dim={(len(batch), len(batch) + 1)}, keepdim=True", 12 * m * n
    return [
        *lines, f"orth = {q}", f"upper = {r}", *_back("upper", batch, rank),
        f"far = sqrt(sum(x**2, {over}))", f"steep = sqrt(sum(back**2, {over}))",
        *_around("orth", (*batch, m, rank), off, "far*steep", "qs"),
        *_around("upper", (*batch, rank, n), off, "far*far*steep", "rs"),
        *_around("back", (*batch, rank, rank), off, "far*steep*steep", "ws"),
    ]  # fmt: skip


def _back(upper: str, batch: Shape, rank: int) -> list[str]:
    """Return the lines of the inverse ``back`` of an upper triangle."""
    names = {(i, j): f"m{i}{j}" for j in range(rank) for i in range(j, rank)}
    inverse, inverted = _inverted(names, rank)
    entries = [f"{name} = {_entry(upper, batch)(j, i)}" for (i, j), name in names.items()]
    return [*entries, *inverse, f"back = {_triangle(inverted, rank, batch, upper=True)}"]


def _qr_slopes(batch: Shape, m: int, n: int) -> list[str]:
    """Return lines of ``q``, ``r``, its inverse ``w`` and a step ``u``, the last two of which are the steps of q and r."""
    if m >= n:
        half = _matrix([["1/2" if i == j else "1" if i < j else "0" for j in range(n)] for i in range(n)])
        lines = ["k = matmul(u, w)", "z = matmul(mT(q), k)", f"t = {half}*(z + mT(z))"]
        return [*lines, "(k - matmul(q, t))", "matmul(t, r)"]
    below = _matrix([["1" if i > j else "0" for j in range(m)] for i in range(m)])
    lines = ["k = matmul(mT(q), u)", f"z = {below}*matmul(k[{':, ' * (len(batch) + 1)}:{m}], w)", "o = z - mT(z)"]
    return [*lines, "matmul(q, o)", "(k - matmul(o, r))"]


def _qr_again(order: int, x: Shape, result: Param = 0) -> str:
    """Return a factor with the slopes of _qr_stored, which are of both factors, at every order."""
    *_, m, n = x
    batch, rank = x[:-2], min(m, n)
    cut, dim = ":, " * len(batch), len(batch) + (m < n)
    first, last = (f"[{cut}:{m}, :]", f"[{cut}{m}:, :]") if m >= n else (f"[{cut}:, :{m}]", f"[{cut}:, {m}:]")

    def value(a: str) -> str:
        return _lines(_apart(_qr_found(x), f"{a}v_", x=a), f"cat([{a}v_qs, {a}v_rs], dim={dim})")

    def slope(z: str, y: str, u: str) -> str:
        *lines, of_q, of_r = _qr_slopes(batch, m, n)
        lines = [f"q = y{first}", f"r = y{last}", *_back("r", batch, rank), "w = back", *lines]
        made = f"made = cat([{of_q}, {of_r}], dim={dim})"
        return _lines(_apart([*lines, made], f"{z}s_", y=y, u=u), f"{z}s_made")

    return again.sloped(order, value, slope, last if result else first)


def _orthogonalised(x: Shape, of: str, result: Param) -> list[str]:
    """Return the lines of Householder's factorisation, whose reflections decide the signs: those of LAPACK's geqrf.

    Each makes the element on the diagonal the norm of what is on and below it, with the opposite sign of what was there.
    Where all below it is 0, as in the last row, it keeps its sign (dlarfg): there the factors jump.
    """
    _full_rank("qr", x)
    *batch, m, n = x
    rank = min(m, n)
    cut, over = ":, " * len(batch), f"dim={len(batch)}, keepdim=True"
    lines, last, unit = [], of, "e0"
    rows = _matrix([["1" if i == j else "0" for j in range(m)] for i in range(m)])
    lines.append(f"e0 = expand({rows}, {(*batch, m, m)})" if batch else f"e0 = {rows}")
    for k in range(min(n, m - 1)):
        column = f"{last}[{cut}{k}:, {k}:{k + 1}]"
        lines += [
            f"c{k} = {column}", f"h{k} = c{k}[{cut}0:1, :]", f"d{k} = sqrt(sum(c{k}**2, {over}))",
            f"v{k} = cat([h{k} + where(h{k} >= 0, d{k}, -d{k}), c{k}[{cut}1:, :]], dim={len(batch)})",
            f"s{k} = where(sum(c{k}[{cut}1:, :]**2, {over}) == 0, 0, 2/sum(v{k}**2, {over}))",
            f"t{k} = {_reflected(last, f'v{k}', f's{k}', k, tuple(batch))}",
            f"e{k + 1} = {_reflected(unit, f'v{k}', f's{k}', k, tuple(batch))}",
        ]  # fmt: skip
        last, unit = f"t{k}", f"e{k + 1}"
    if result == 0:
        return [*lines, f"mT({unit}[{cut}:{rank}, :])"]
    triangle = _matrix([["1" if i <= j else "0" for j in range(n)] for i in range(rank)])
    return [*lines, f"{last}[{cut}:{rank}, :]*{triangle}"]


def _householder(x: Shape, tau: Shape) -> str:
    return _lines(_product_of_reflections(x, tau, "x", "tau"))


def _householder_near(x: Shape, tau: Shape) -> str:
    lines = _product_of_reflections(x, tau, "near", "far")
    return _lines(
        _around("x", x, 4 * x[-2], "maximum(abs(x), 1)", "near"),
        _around("tau", tau, 4 * x[-2], "abs(tau)", "far"),
        lines,
    )


def _householder_again(order: int, x: Shape, tau: Shape) -> str:
    """Return the columns with the slope of torch's, at every order (householder_product_backward).

    A step of H_i is that of the whole H_1*...*H_n where it is followed by the inverses of H_i, ..., H_1, and the whole:
    these are reflections with s = tau/(tau*|v|**2 - 1) in the place of tau.
    """
    (m, n), [count] = x, tau
    unit = _unit(m)

    def near(of: str) -> list[str]:
        size = "maximum(abs(x), 1)"
        return [
            f"x = {of}[:{m}, :]", f"tau = {of}[{m}, :{count}]", *_around("x", x, 4 * m, size, "near"),
            *_around("tau", tau, 4 * m, "abs(tau)", "far"),
        ]  # fmt: skip

    def column(of: str, k: int, head: str) -> str:
        parts = [f"expand(0, ({k}, 1))"] * bool(k) + [head] + [f"{of}[{k + 1}:{m}, {k}:{k + 1}]"] * (k + 1 < m)
        return f"cat([{', '.join(parts)}], dim=0)"

    def value(a: str) -> str:
        *lines, last = [*near("both"), *_product_of_reflections(x, tau, "near", "far")]
        return _lines(_apart([*lines, f"made = {last}"], f"{a}v_", both=a), f"{a}v_made")

    def slope(z: str, y: str, u: str) -> str:
        lines, terms = near("both"), list[str]()
        before, rest = unit, "whole"
        for k in range(count):
            lines += [
                f"v{k} = {column('near', k, f'reshape(1 + 0*far[{k}], (1, 1))')}",
                f"d{k} = {column('u', k, 'expand(0, (1, 1))')}", f"t{k} = u[{m}, {k}]",
                f"s{k} = far[{k}]/(far[{k}]*sum(v{k}**2) - 1)",
                f"r{k} = {rest} - matmul(v{k}, matmul(mT(v{k}), {rest}))*s{k}",
                f"e{k} = -matmul(v{k}, mT(v{k}))*t{k} - (matmul(d{k}, mT(v{k})) + matmul(v{k}, mT(d{k})))*far[{k}]",
                f"p{k} = {before}", f"h{k} = p{k} - matmul(matmul(p{k}, v{k}), mT(v{k}))*far[{k}]",
            ]  # fmt: skip
            before, rest = f"h{k}", f"r{k}"
            terms.append(f"matmul(p{k}, matmul(e{k}, r{k}))")
        made = f"made = {' + '.join(terms)}"
        return _lines(_apart([*lines, made], f"{z}s_", both=z, whole=y, u=u), f"{z}s_made")

    filled = f"cat([tau, expand(0, ({n - count},))], dim=0)" if count < n else "tau"
    both = f"both = cat([x, reshape({filled}, (1, {n}))], dim=0)"
    return _lines(both, again.sloped(order, value, slope, start="both"))


def _product_of_reflections(x: Shape, tau: Shape, of: str, by: str) -> list[str]:
    """Return the lines of the first columns of (I - tau_1*v_1*v_1.mT)*(I - tau_2*v_2*v_2.mT)*...

    Each v has a 1 on the diagonal, and below it what is there in its column.
    """
    if len(x) != 2 or x[0] < x[1] or len(tau) != 1 or tau[0] > x[1]:
        raise ValueError("householder_product takes a matrix with as many rows as columns, or more, and a tau for each")
    m, n = x
    _square("householder_product", (n, n))
    unit = _matrix([["1" if i == j else "0" for j in range(n)] for i in range(m)])
    lines, last = [f"q = {unit}"], "q"
    for k in reversed(range(tau[0])):
        below = f", {of}[{k + 1}:, {k}:{k + 1}]" if k + 1 < m else ""
        one = f"reshape(1 + 0*{by}[{k}], (1, 1))"
        lines += [
            f"v{k} = cat([{one}{below}], dim=0)" if below else f"v{k} = {one}",
            f"q{k} = {_reflected(last, f'v{k}', f'{by}[{k}]', k, ())}",
        ]
        last = f"q{k}"
    return [*lines, last]


# --- systems that are factored already ----------------------------------------------------------------


def _lu_solve(lu: Shape, b: Shape, pivots: Param, left: Param = True, adjoint: Param = False) -> str:
    return _lines(_by_halves(lu, b, "lu", pivots, left, adjoint))


def _lu_solve_near(lu: Shape, b: Shape, pivots: Param, left: Param = True, adjoint: Param = False) -> str:
    lines = _by_halves(lu, b, "near", pivots, left, adjoint)
    return _lines(_around("lu", lu, lu[-1] + 1, "abs(lu)", "near"), lines)


def _by_halves(lu: Shape, b: Shape, of: str, pivots: Param, left: Param, adjoint: Param) -> list[str]:
    """Return the lines of a system P*L*U*x = b: L has ones on the diagonal, and P swaps rows in the order of pivots."""
    n = _square("lu_solve", lu)
    if len(lu) != 2 or len(b) != 2 or b[0] != n or not left or adjoint:
        raise ValueError("lu_solve takes one matrix and a right side with as many rows here, from the left")
    order = _order(pivots, n)
    at = _entry(of, ())
    lower = _substituted(at, "p", b, lower=True, unit=True, x="y")
    return [f"p = b[{order}, :]", *lower, *_substituted(at, "yx", b, lower=False, unit=False), "rx"]


def _order(pivots: Param, n: int) -> list[int]:
    """Return the order of the rows after each was swapped with that of its pivot, which LAPACK counts from 1."""
    places = list(pivots) if isinstance(pivots, tuple) else [pivots]
    order = list(range(n))
    for k, one in enumerate(places):
        if not isinstance(one, int) or len(places) != n or not 0 < one <= n:
            raise ValueError(f"pivots of lu_solve are {n} rows, counted from 1")
        order[k], order[one - 1] = order[one - 1], order[k]
    return order


# --- the exponential ----------------------------------------------------------------------------------


def _matrix_exp(x: Shape) -> str:
    return _lines(_exponential(x, "x"))


def _matrix_exp_near(x: Shape) -> str:
    """Return the exponential of a matrix near by: Taylor's polynomials and squarings are off by some u in the norm.

    aten/src/ATen/native/LinearAlgebra.cpp, mexp; the way back is the exponential of a matrix of twice the rows
    (linalg_matrix_exp_differential).
    """
    over = f"dim={(len(x) - 2, len(x) - 1)}, keepdim=True"
    return _lines(_around("x", x, 32, f"maximum(sum(abs(x), {over}), 1)", "near"), _exponential(x, "near"))


def _exponential(x: Shape, of: str) -> list[str]:
    """Return the lines of exp(m)*(c*I + s*(x - m*I)), where m is half the trace and q half the gap of the eigenvalues, squared.

    c is cosh(sqrt(q)) and s is sinh(sqrt(q))/sqrt(q): cosine and sine where q is negative (Bernstein and So, Some explicit
    formulas for the matrix exponential, 1993).
    """
    if len(x) < 2 or x[-1] != x[-2] or x[-1] > 2:
        raise ValueError("matrix_exp takes matrices of 1 x 1 and 2 x 2 here")
    if x[-1] == 1:
        return [f"exp({of})"]
    batch, at = x[:-2], _entry(of, x[:-2])
    corners = [["c + s*h", f"s*{at(0, 1)}"], [f"s*{at(1, 0)}", "c - s*h"]]
    return [
        f"m = ({at(0, 0)} + {at(1, 1)})/2", f"h = ({at(0, 0)} - {at(1, 1)})/2", f"q = h**2 + {at(0, 1)}*{at(1, 0)}",
        "r = sqrt(abs(where(q == 0, 1, q)))",
        "c = where(q > 0, cosh(r), where(q < 0, cos(r), 1 + q/2 + q**2/24))",
        "s = where(q > 0, sinh(r)/r, where(q < 0, sin(r)/r, 1 + q/6 + q**2/120))",
        f"{_over('exp(m)', batch)}*{_matrix(corners, batch)}",
    ]  # fmt: skip


# Wrong in torch in the second derivatives through forward mode: the derivative of linalg_lu_solve by the factors is left
# out of linalg_det_jvp, slogdet_jvp and linalg_solve_jvp, whose LU is no function of the matrix for autograd.
#
# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("det", ("x",), (), _det, ("det(a[:, :2])", "det(a.T @ a + outer(v, v))"), as_torch=_det_factored, again=_det_again, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x: m.linalg.det(x), summary="the determinant of a square matrix"),
    Composite("logdet", ("x",), (), _logdet, ("logdet(a @ a.T)",), as_torch=lambda x: _log_factored("log(det)", x), wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x: m.logdet(x), summary="the logarithm of the determinant, where it is positive"),
    Composite("slogdet", ("x",), (), _slogdet, ("slogdet(a[:, :2])[1]", "slogdet(a.T @ a + outer(v, v))[1]"), results=("sign", "logabsdet"), as_torch=_slogdet_factored, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x: m.linalg.slogdet(x), summary="the sign and the logarithm of the absolute value of the determinant"),
    Composite("inv", ("x",), (), _inv, ("inv(a @ a.T)", "inv(c[:, :, 1:])"), as_torch=_inv_stored, again=_ordered(_inv_stored), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.inv(x), summary="the inverse of a square matrix"),
    Composite("inv_ex", ("x",), (), _inv_ex, ("inv_ex(a @ a.T)[0]",), results=("inverse", "info"), as_torch=_inv_ex_stored, again=_ordered(_inv_ex_stored), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.inv_ex(x), summary="the inverse of a square matrix, and whether there is one"),
    Composite("solve", ("a", "b"), ("left",), _solve, ("solve(a @ a.T, u)", "solve(a[:, :2], a)", "solve(a @ a.T, a.T, left=False)"), as_torch=_solve_stored, again=_ordered(_solve_stored), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, a, b, left=True: m.linalg.solve(a, b, left=left), summary="the solution x of a @ x = b"),
    Composite("solve_ex", ("a", "b"), ("left",), _solve_ex, ("solve_ex(a @ a.T, u)[0]",), results=("result", "info"), as_torch=_solve_ex_stored, again=_ordered(_solve_ex_stored), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, a, b, left=True: m.linalg.solve_ex(a, b, left=left), summary="the solution x of a @ x = b, and whether there is one"),
    Composite("pinv", ("x",), (), _pinv, ("pinv(a)", "pinv(a.T)"), as_torch=_pinv_stored, again=_pinv_near, stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.pinv(x), summary="the pseudoinverse of a matrix whose rank is full"),
    Composite("cholesky", ("x",), ("upper",), _cholesky, ("cholesky(a @ a.T)", "cholesky(a @ a.T, upper=True)"), as_torch=_cholesky_stored, again=_cholesky_near, stored=True, dtypes=DTYPES, torch=lambda m, x, upper=False: m.linalg.cholesky(x, upper=upper), summary="the Cholesky factor of a positive definite matrix"),
    Composite("cholesky_ex", ("x",), ("upper",), _cholesky_ex, ("cholesky_ex(a @ a.T)[0]",), results=("L", "info"), as_torch=_cholesky_ex_stored, again=_cholesky_near, stored=True, dtypes=DTYPES, torch=lambda m, x, upper=False: m.linalg.cholesky_ex(x, upper=upper), summary="the Cholesky factor of a positive definite matrix, and whether there is one"),
    Composite("solve_triangular", ("a", "b"), ("upper", "left", "unitriangular"), _solve_triangular, ("solve_triangular(a[:, :2], a, upper=True)", "solve_triangular(a[:, :2], a.T, upper=False, left=False)", "solve_triangular(a[:, :2], a, upper=False, unitriangular=True)"), as_torch=_solve_triangular_near, again=_at_every_order(_solve_triangular_near), stored=True, dtypes=DTYPES, torch=lambda m, a, b, upper, left=True, unitriangular=False: m.linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unitriangular), summary="the solution x of a @ x = b, where a is triangular"),
    Composite("triangular_solve", ("b", "a"), ("upper", "transpose", "unitriangular"), _triangular_solve, ("triangular_solve(a, a[:, :2])[0]", "triangular_solve(a, a[:, :2], upper=False, transpose=True)[0]"), results=("solution", "cloned_coefficient"), as_torch=_triangular_solve_near, again=_at_every_order(_triangular_solve_near), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, b, a, upper=True, transpose=False, unitriangular=False: m.triangular_solve(b, a, upper, transpose, unitriangular), summary="the solution x of a @ x = b, where a is triangular, and a"),
    Composite("cholesky_solve", ("b", "x"), ("upper",), _cholesky_solve, ("cholesky_solve(a, cholesky(a @ a.T))", "cholesky_solve(a, cholesky(a @ a.T, upper=True), upper=True)"), as_torch=_cholesky_solve_near, again=_at_every_order(_cholesky_solve_near), stored=True, dtypes=DTYPES, torch=lambda m, b, x, upper=False: m.cholesky_solve(b, x, upper), summary="the solution y of x @ x.mT @ y = b"),
    Composite("cholesky_inverse", ("x",), ("upper",), _cholesky_inverse, ("cholesky_inverse(cholesky(a @ a.T))",), as_torch=_cholesky_inverse_near, again=_at_every_order(_cholesky_inverse_near), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x, upper=False: m.cholesky_inverse(x, upper), summary="the inverse of x @ x.mT"),
    Composite("lstsq", ("a", "b"), (), _lstsq, ("lstsq(a.T, reshape(v, (3, 1)))[0]",), results=("solution", "residuals", "rank", "singular_values"), as_torch=_lstsq_near, again=_at_every_order(_lstsq_near), stored=True, dtypes=DTYPES, torch=lambda m, a, b: m.linalg.lstsq(a, b), summary="the least squares solution x of a @ x = b, where the rank of a is full"),
    Composite("tensorinv", ("x",), ("ind",), _tensorinv, ("tensorinv(reshape(a @ a.T, (2, 2, 1)), ind=1)",), as_torch=_tensorinv, stored=True, dtypes=DTYPES, torch=lambda m, x, ind=2: m.linalg.tensorinv(x, ind), summary="the inverse of a tensor whose first ind dims are rows"),
    Composite("tensorsolve", ("a", "b"), (), _tensorsolve, ("tensorsolve(reshape(a @ a.T, (2, 1, 2)), a[:, 0])",), stored=True, dtypes=DTYPES, torch=lambda m, a, b: m.linalg.tensorsolve(a, b), summary="the solution x of tensordot(a, x, x.dim()) = b"),
    Composite("eigvalsh", ("x",), (), _eigvalsh, ("eigvalsh(a @ a.T)",), as_torch=_eigvalsh_near, again=_eigvalsh_again, stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.eigvalsh(x), summary="the eigenvalues of a symmetric matrix, ascending"),
    Composite("svdvals", ("x",), (), _svdvals, ("svdvals(a[:, :2])", "svdvals(a)"), as_torch=_svdvals_near, again=_at_every_order(_svdvals_near), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.svdvals(x), summary="the singular values of a matrix, descending"),
    Composite("cond", ("x",), ("p",), _cond, ("cond(a[:, :2])", "cond(a, p=-2)"), stored=True, dtypes=DTYPES, torch=lambda m, x, p=None: m.linalg.cond(x, p), summary="the condition number of a matrix"),
    Composite("qr", ("x",), (), _qr, ("qr(a.T)[0]", "qr(a[:, :2])[1]", "qr(a)[0]", "qr(a)[1]"), results=("Q", "R"), as_torch=_qr_stored, again=_qr_again, stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.qr(x), summary="the orthogonal and the triangular factor of a matrix"),
    Composite("householder_product", ("x", "tau"), (), _householder, ("householder_product(a.T, u)",), as_torch=_householder_near, again=_householder_again, stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x, tau: m.linalg.householder_product(x, tau), summary="the first columns of a product of reflections"),
    Composite("lu_solve", ("lu", "b"), ("pivots", "left", "adjoint"), _lu_solve, ("lu_solve(a[:, :2], [2, 2], a)",), order=("lu", "pivots", "b"), indices=("pivots",), as_torch=_lu_solve_near, again=_at_every_order(_lu_solve_near), stored=True, dtypes=DTYPES, torch=lambda m, lu, b, pivots, left=True, adjoint=False: m.linalg.lu_solve(lu, pivots.int(), b, left=left, adjoint=adjoint), summary="the solution x of a @ x = b, where a is factored"),
    Composite("matrix_exp", ("x",), (), _matrix_exp, ("matrix_exp(a[:, :2])", "matrix_exp(a[:, 1:] - a[:, :2])"), as_torch=_matrix_exp_near, again=_at_every_order(_matrix_exp_near), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.matrix_exp(x), summary="the exponential of a square matrix"),
)
# fmt: on
