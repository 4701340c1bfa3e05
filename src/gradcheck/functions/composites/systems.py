"""Linear algebra of determinants, inverses and systems."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from gradcheck.functions import again
from gradcheck.functions.composites.matrices import (
    DTYPES,
    at_every_order,
    determined,
    factored,
    full_rank,
    inverse,
    joined,
    not_info,
    ordered,
    orthogonal,
    pseudo,
    square,
)
from gradcheck.functions.params import axis, numbers, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- determinants ------------------------------------------------------------------------------------


def _det(x: Shape) -> str:
    square("det", x)
    return joined(determined("x", x)[:-1], "det")


def _det_factored(x: Shape) -> str:
    """Return det of a matrix near by. Its slope is det*inverse, of the very same factors: the adjugate."""
    square("det", x)
    return joined(factored("x", x), determined("near", x)[:-1], "det")


def _det_again(order: int, x: Shape) -> str:
    """Return det with the slope det*inverse (linalg_det_backward), both of which are found again for the next order.

    Their roundings do not cancel in what is exactly 0, as is a derivative by one element twice.
    """
    *batch, _, _ = x

    def value(a: str) -> str:
        return joined(factored(a, x, f"{a}v"), determined(f"{a}v", x, f"{a}v_")[:-1], f"{a}v_det")

    def slope(z: str, y: str, u: str) -> str:
        over = f"dim={(len(batch), len(batch) + 1)}"
        return joined(factored(z, x, f"{z}s"), inverse(f"{z}s", x, f"{z}s_"), f"{y}*sum(mT({z}s_inv)*{u}, {over})")

    return again.sloped(order, value, slope)


def _logdet(x: Shape) -> str:
    square("logdet", x)
    return joined(determined("x", x)[:-1], "log(det)")


def _slogdet(x: Shape, result: Param = 1) -> str:
    square("slogdet", x)
    return joined(determined("x", x)[:-1], "log(abs(det))" if result else "sign(det)")


def _slogdet_factored(x: Shape, result: Param = 1) -> str:
    """Return log(abs(det)) with the slope of the inverse's transpose (slogdet_backward)."""
    return _log_factored("log(abs(det))" if result else "sign(det)", x)


def _log_factored(value: str, x: Shape) -> str:
    *batch, _, _ = x
    square("slogdet", x)
    if value.startswith("sign"):
        return joined(factored("x", x), determined("near", x)[:-1], value)
    over = f"dim={(len(batch), len(batch) + 1)}"
    return joined(
        factored("x", x), inverse("near", x), f"m = detach({value})", "y = detach(inv)",
        f"m + sum(mT(y)*(x - detach(x)), {over})",
    )  # fmt: skip


# --- inverses and systems ----------------------------------------------------------------------------


def _inv(x: Shape) -> str:
    square("inv", x)
    return joined(inverse("x", x), "inv")


def _inv_stored(x: Shape, order: int = 1) -> str:
    """Return the inverse with torch's slope, made of the stored result (linalg_inv_ex's backward).

    With u = x - detach(x) the inverse is y - y*u*y + y*u*y*u*y - ..., which has the derivatives of each order.
    """
    square("inv", x)
    terms = _series("y", "matmul(matmul({}, u), y)", order)
    return joined(
        factored("x", x), inverse("near", x), "y = detach(inv)", "u = x - detach(x)", terms, _alternating(order)
    )


def _alternating(order: int) -> str:
    return "".join(f"{(' - ' if k % 2 else ' + ') if k else ''}k{k}" for k in range(order + 1))


def _series(first: str, factor: str, order: int) -> list[str]:
    """Return the lines of k0, which is ``first``, and of each next term of a series, a ``factor`` of the one before."""
    return [f"k0 = {first}", *(f"k{k} = {factor.format(f'k{k - 1}')}" for k in range(1, order + 1))]


def _system(name: str, a: Shape, b: Shape, left: Param) -> tuple[list[str], str]:
    """Return the lines that make columns ``rhs`` of a right side, and what the solution ``{}`` is reshaped by."""
    n = square(name, a)
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
    return joined(lines, inverse("a", a), shaped.format(product))


def _solve_stored(a: Shape, b: Shape, left: Param = True, order: int = 1) -> str:
    """Return the solution with torch's slope: that of b solves with the transpose, that of a is it times x.

    torch/csrc/autograd/FunctionsManual.cpp, linalg_solve_backward. With u = a - detach(a) the solution is
    x - y*u*x + y*u*y*u*x - ..., where y is the inverse and x is y*b.
    """
    lines, shaped = _system("solve", a, b, left)
    first, factor = (
        ("matmul(y, rhs)", "matmul(y, matmul(u, {}))") if left else ("matmul(rhs, y)", "matmul(matmul({}, u), y)")
    )
    return joined(
        lines, factored("a", a), inverse("near", a), "y = detach(inv)", "u = a - detach(a)",
        _series(first, factor, order), shaped.format(f"({_alternating(order)})"),
    )  # fmt: skip


def _inv_ex(x: Shape, result: Param = 0) -> str:
    not_info(result)
    return _inv(x)


def _inv_ex_stored(x: Shape, result: Param = 0, order: int = 1) -> str:
    not_info(result)
    return _inv_stored(x, order)


def _solve_ex(a: Shape, b: Shape, left: Param = True, result: Param = 0) -> str:
    not_info(result)
    return _solve(a, b, left)


def _solve_ex_stored(a: Shape, b: Shape, left: Param = True, result: Param = 0, order: int = 1) -> str:
    not_info(result)
    return _solve_stored(a, b, left, order)


# --- least squares -----------------------------------------------------------------------------------


def _pinv(x: Shape, rtol: Param = None, atol: Param = None) -> str:
    """Return the pseudoinverse where no singular value is so small that torch takes it for 0.

    The greatest of them is at most the norm of the matrix, and the least at least 1 over that of the pseudoinverse.
    """
    full_rank("pinv", x)
    if rtol is None and atol is None:  # torch's own are some roundings, and a matrix so near to a lower rank is lossy
        return joined(pseudo("x", x), "pinv")
    over = f"dim={(len(x) - 2, len(x) - 1)}, keepdim=True"
    least = f"maximum({_tolerance('atol', atol)}, {_tolerance('rtol', rtol)}*sqrt(sum(x**2, {over})))"
    return joined(pseudo("x", x), f"where(sum(pinv**2, {over})*{least}**2 < 1, pinv, 1/0)")


def _tolerance(name: str, value: Param) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | Fraction | None):
        raise ValueError(f"{name} is a number")
    return Fraction(max(value or 0, 0))


def _pinv_stored(x: Shape, **_tolerances: Param) -> str:
    """Return the pseudoinverse with torch's slope, made of the stored result (pinv_backward and pinv_jvp).

    Its three terms are those of Golub and Pereyra; in a square matrix two are 0 but for what rounding leaves.
    """
    full_rank("pinv", x)
    return joined(
        orthogonal("x", x), pseudo("near", x), "y = detach(pinv)", "w = detach(x)", "u = x - w", "z = mT(y)",
        "t = mT(u)", "p = matmul(y, z)", "q = matmul(z, y)",
        "y - matmul(matmul(y, u), y) + matmul(p, t) - matmul(matmul(matmul(p, t), w), y)"
        " + matmul(t, q) - matmul(matmul(y, w), matmul(t, q))",
    )  # fmt: skip


def _pinv_near(_order: int, x: Shape, **_tolerances: Param) -> str:
    return joined(orthogonal("x", x), pseudo("near", x), "pinv")


def _lstsq(a: Shape, b: Shape, result: Param = 0) -> str:
    return _least(a, b, result, "a", [])


def _lstsq_near(a: Shape, b: Shape, result: Param = 0) -> str:
    full_rank("lstsq", a)
    return _least(a, b, result, "near", orthogonal("a", a))


def _least(a: Shape, b: Shape, result: Param, of: str, lines: list[str]) -> str:
    full_rank("lstsq", a)
    if result:
        raise ValueError("lstsq is defined for its solution here; write lstsq(a, b)[0]")
    if b == a[:-1]:  # a vector for each matrix
        return joined(lines, pseudo(of, a), f"reshape(matmul(pinv, reshape(b, {(*b, 1)})), {(*a[:-2], a[-1])})")
    if len(b) < 2 or b[-2] != a[-2]:
        raise ValueError(f"lstsq of {shape_text(a)} takes no right side of {shape_text(b)}")
    return joined(lines, pseudo(of, a), "matmul(pinv, b)")


# --- tensors -----------------------------------------------------------------------------------------


def _tensor_square(name: str, x: Shape, ind: Param) -> tuple[int, Shape]:
    """Return the size of the square matrix that a tensor is with the first ``ind`` dims for its rows, and its inverse's shape."""
    if not isinstance(ind, int) or not 0 < ind < len(x):
        raise ValueError(f"ind of {name} is a whole number between 1 and {len(x) - 1}")
    n = prod(x[:ind])
    if n != prod(x[ind:]):
        raise ValueError(f"{name} takes a tensor with as many elements in its first {ind} dims as in the others")
    square(name, (n, n))
    return n, (*x[ind:], *x[:ind])


def _tensorinv(x: Shape, ind: Param = 2) -> str:
    n, shape = _tensor_square("tensorinv", x, ind)
    return f"reshape(inv(reshape(x, {(n, n)})), {shape})"


def _tensorsolve(a: Shape, b: Shape, dims: Param = None) -> str:
    lines, shape, of = [], a, "a"
    if dims is not None and dims != ():
        last = tuple(axis(one, len(a)) for one in numbers("dims", dims))
        if len({*last}) < len(last):
            raise ValueError(f"a dim appears twice in {dims}")
        order = (*(one for one in range(len(a)) if one not in last), *last)
        lines, shape, of = [f"t = permute(a, {order})"], tuple(a[one] for one in order), "t"
    n, rest = prod(b), shape[len(b) :]
    if not b or prod(a) != n * n or prod(rest) != n:
        raise ValueError(f"tensorsolve of {shape_text(shape)} takes no right side of {shape_text(b)}")
    square("tensorsolve", (n, n))
    return joined(lines, f"reshape(solve(reshape({of}, {(n, n)}), reshape(b, ({n},))), {rest})")


# Wrong in torch in the second derivatives through forward mode: the derivative of linalg_lu_solve by the factors is left
# out of linalg_det_jvp, slogdet_jvp and linalg_solve_jvp, whose LU is no function of the matrix for autograd.
#
# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("det", ("x",), (), _det, ("det(a[:, :2])", "det(a.T @ a + outer(v, v))"), as_torch=_det_factored, again=_det_again, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x: m.linalg.det(x), summary="the determinant of a square matrix"),
    Composite("logdet", ("x",), (), _logdet, ("logdet(a @ a.T)",), as_torch=lambda x: _log_factored("log(det)", x), wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x: m.logdet(x), summary="the logarithm of the determinant, where it is positive"),
    Composite("slogdet", ("x",), (), _slogdet, ("slogdet(a[:, :2])[1]", "slogdet(a.T @ a + outer(v, v))[1]"), results=("sign", "logabsdet"), as_torch=_slogdet_factored, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x: m.linalg.slogdet(x), summary="the sign and the logarithm of the absolute value of the determinant"),
    Composite("inv", ("x",), (), _inv, ("inv(a @ a.T)", "inv(c[:, :, 1:])"), as_torch=_inv_stored, again=ordered(_inv_stored), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.inv(x), summary="the inverse of a square matrix"),
    Composite("inv_ex", ("x",), (), _inv_ex, ("inv_ex(a @ a.T)[0]",), results=("inverse", "info"), as_torch=_inv_ex_stored, again=ordered(_inv_ex_stored), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.inv_ex(x), summary="the inverse of a square matrix, and whether there is one"),
    Composite("solve", ("a", "b"), ("left",), _solve, ("solve(a @ a.T, u)", "solve(a[:, :2], a)", "solve(a @ a.T, a.T, left=False)"), as_torch=_solve_stored, again=ordered(_solve_stored), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, a, b, left=True: m.linalg.solve(a, b, left=left), summary="the solution x of a @ x = b"),
    Composite("solve_ex", ("a", "b"), ("left",), _solve_ex, ("solve_ex(a @ a.T, u)[0]",), results=("result", "info"), as_torch=_solve_ex_stored, again=ordered(_solve_ex_stored), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, a, b, left=True: m.linalg.solve_ex(a, b, left=left), summary="the solution x of a @ x = b, and whether there is one"),
    Composite("pinv", ("x",), ("rtol", "atol"), _pinv, ("pinv(a)", "pinv(a.T)", "pinv(a, rtol=0.01)", "pinv(c, atol=0.001)"), as_torch=_pinv_stored, again=_pinv_near, stored=True, dtypes=DTYPES, torch=lambda m, x, **tolerances: m.linalg.pinv(x, **tolerances), summary="the pseudoinverse of a matrix whose rank is full, with singular values well above atol and rtol times the greatest"),
    Composite("lstsq", ("a", "b"), (), _lstsq, ("lstsq(a.T, reshape(v, (3, 1)))[0]",), results=("solution", "residuals", "rank", "singular_values"), as_torch=_lstsq_near, again=at_every_order(_lstsq_near), stored=True, dtypes=DTYPES, torch=lambda m, a, b: m.linalg.lstsq(a, b), summary="the least squares solution x of a @ x = b, where the rank of a is full"),
    Composite("tensorinv", ("x",), ("ind",), _tensorinv, ("tensorinv(reshape(a @ a.T, (2, 2, 1)), ind=1)",), as_torch=_tensorinv, stored=True, dtypes=DTYPES, torch=lambda m, x, ind=2: m.linalg.tensorinv(x, ind), summary="the inverse of a tensor whose first ind dims are rows"),
    Composite("tensorsolve", ("a", "b"), ("dims",), _tensorsolve, ("tensorsolve(reshape(a @ a.T, (2, 1, 2)), a[:, 0])", "tensorsolve(reshape(a[:, 1:], (2, 2, 1)), a[:, 0], dims=(0,))"), stored=True, dtypes=DTYPES, torch=lambda m, a, b, dims=None: m.linalg.tensorsolve(a, b, dims), summary="the solution x of tensordot(a, x, x.dim()) = b"),
)
# fmt: on
