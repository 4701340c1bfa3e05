"""Linear algebra of triangular and factored systems."""

from __future__ import annotations

from collections.abc import Callable

from gradcheck.functions.composites.matrices import (
    DTYPES,
    around,
    at_every_order,
    entry,
    for_each,
    inverse,
    inverse_of_triangle,
    joined,
    matrix,
    square,
    triangle,
)
from gradcheck.functions.params import shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- triangular systems ------------------------------------------------------------------------------


def _substituted(
    at: Callable[[int, int], str], b: str, shape: Shape, *, lower: bool, unit: bool, x: str = "r"
) -> list[str]:
    """Return lines with ``{x}x``, the solution of a triangular system with the right side ``b`` by substitution."""
    *batch, n, _ = shape
    lines, order = [], list(range(n) if lower else reversed(range(n)))
    for step, i in enumerate(order):
        row = f"{b}[{':, ' * len(batch)}{i}:{i + 1}, :]"
        less = "".join(f" - {for_each(at(i, j), tuple(batch))}*{x}{j}" for j in order[:step])
        over = "" if unit else f"/{for_each(at(i, i), tuple(batch))}"
        lines.append(f"{x}{i} = ({row}{less}){over}")
    return [*lines, f"{x}x = cat([{', '.join(f'{x}{i}' for i in range(n))}], dim={len(batch)})"]


def _swapped(at: Callable[[int, int], str]) -> Callable[[int, int], str]:
    return lambda row, column: at(column, row)


def _same_batch(name: str, a: Shape, b: Shape, rows: int) -> None:
    """Demand that a triangular system has a right side with as many rows as it has, in batches alike."""
    n = square(name, a)
    if len(b) != len(a) or b[:-2] != a[:-2] or b[rows] != n:
        raise ValueError(f"{name} of {shape_text(a)} takes no right side of {shape_text(b)} here")


def _triangular(a: Shape, b: Shape, of: str, upper: Param, left: Param, unit: Param) -> list[str]:
    """Return the lines of a triangular system, with the solution last."""
    _same_batch("solve_triangular", a, b, -2 if left else -1)
    at, lower = entry(of, a[:-2]), bool(upper) != bool(left)
    if left:
        return [*_substituted(at, "b", b, lower=lower, unit=bool(unit)), "rx"]
    turned = (*b[:-2], b[-1], b[-2])
    return ["t = mT(b)", *_substituted(_swapped(at), "t", turned, lower=lower, unit=bool(unit)), "mT(rx)"]


def _solve_triangular(a: Shape, b: Shape, upper: Param, left: Param = True, unitriangular: Param = False) -> str:
    return joined(_triangular(a, b, "a", upper, left, unitriangular))


def _near_triangle(a: Shape) -> list[str]:
    """Return the lines of a triangle whose elements are a little off: substitution is stable backwards.

    Each element is off by n*u of itself at most (Higham, theorem 8.5), however the sums are ordered, and by one more
    where its reciprocal is multiplied with.
    """
    return around("a", a, a[-1] + 1, "abs(a)", "near")


def _solve_triangular_near(a: Shape, b: Shape, upper: Param, left: Param = True, unitriangular: Param = False) -> str:
    return joined(_near_triangle(a), _triangular(a, b, "near", upper, left, unitriangular))


def _triangular_solve(
    b: Shape, a: Shape, upper: Param = True, transpose: Param = False, unitriangular: Param = False, result: Param = 0
) -> str:
    return "a" if result else joined(_turned(b, a, "a", upper, transpose, unitriangular), "rx")


def _triangular_solve_near(
    b: Shape, a: Shape, upper: Param = True, transpose: Param = False, unitriangular: Param = False, result: Param = 0
) -> str:
    lines = _turned(b, a, "near", upper, transpose, unitriangular)
    return "a" if result else joined(_near_triangle(a), lines, "rx")


def _turned(b: Shape, a: Shape, of: str, upper: Param, transpose: Param, unit: Param) -> list[str]:
    """Return the lines of a system of a triangle, or of its transpose."""
    _same_batch("triangular_solve", a, b, -2)
    at, lower = entry(of, a[:-2]), bool(upper) == bool(transpose)
    return _substituted(_swapped(at) if transpose else at, "b", b, lower=lower, unit=bool(unit))


# --- systems that are factored already ---------------------------------------------------------------

# torch's slopes by a Cholesky factor are those by a full matrix L of L @ L.mT (cholesky_solve_backward and
# cholesky_inverse_backward have no triangle in them), though only a triangle is read: the value is that of the triangle,
# and the slope that of the full matrix there.


def _by_factor(name: str, b: Shape | None, x: Shape, upper: Param, near: bool) -> str:
    """Return the solution of the system whose Cholesky factor is given, or the inverse of its matrix."""
    n = square(name, x)
    if b is not None and (len(b) < 2 or b[-2] != n):
        raise ValueError(f"{name} with a factor of {shape_text(x)} takes no right side of {shape_text(b)}")
    other = matrix([["1" if (i > j) == bool(upper) and i != j else "0" for j in range(n)] for i in range(n)])
    lines = [f"f = x - detach(x*{other})" if n > 1 else "f = x"]
    of = "near" if near else "f"
    product = f"matmul(mT({of}), {of})" if upper else f"matmul({of}, mT({of}))"
    return joined(
        lines, around("f", x, 3 * (n + 1), "abs(f)", "near") if near else [], f"g = {product}", inverse("g", x),
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


def _lu_solve(lu: Shape, b: Shape, pivots: Param, left: Param = True, adjoint: Param = False) -> str:
    return joined(_by_halves(lu, b, "lu", pivots, left, adjoint))


def _lu_solve_near(lu: Shape, b: Shape, pivots: Param, left: Param = True, adjoint: Param = False) -> str:
    lines = _by_halves(lu, b, "near", pivots, left, adjoint)
    return joined(around("lu", lu, lu[-1] + 1, "abs(lu)", "near"), lines)


def _lu_solve_stored(lu: Shape, b: Shape, pivots: Param, left: Param = True, adjoint: Param = False) -> str:
    """Return the solution with torch's slope (FunctionsManual.cpp, linalg_lu_solve_LU).

    What flows back to U goes through its inverse, and what flows back to L through U once more and the inverse of L: as
    much is lost as these are far from orthogonal. In the transposed system it is the other way round.
    """
    n, at = square("lu_solve", lu), entry("o", ())
    lower = {(i, j): at(i, j) if i > j else "1" for j in range(n) for i in range(j, n)}
    upper = {(i, j): at(j, i) for j in range(n) for i in range(j, n)}
    to_left, left_names = inverse_of_triangle(lower, n, "f")
    to_right, right_names = inverse_of_triangle(upper, n, "w")
    *solving, last = _by_halves(lu, b, "near", pivots, left, adjoint)
    if bool(adjoint) == bool(left):
        moved = "matmul(matmul(mT(after), mT(u*(1 - below))), mT(unit)) + mT(u*below)"
        slope = "matmul(mT(before), matmul(moved, detach(rx)))"
    else:
        moved = "u*(1 - below) + matmul(matmul(before, u*below), triangle)"
        slope = "matmul(after, matmul(moved, detach(rx)))"
    ones = [["1" if i > j else "0" for j in range(n)] for i in range(n)]
    return joined(
        "o = detach(lu)", around("o", lu, lu[-1] + 1, "abs(o)", "near"), solving, "u = lu - o", f"below = {matrix(ones)}",
        f"triangle = {triangle(upper, n, (), upper=True)}", f"unit = {triangle(lower, n, ())}", to_left, to_right,
        f"before = {triangle(left_names, n, ())}", f"after = {triangle(right_names, n, (), upper=True)}",
        f"moved = {moved}", f"z = rx - {slope}", last.replace("rx", "z"),
    )  # fmt: skip


def _by_halves(lu: Shape, b: Shape, of: str, pivots: Param, left: Param, adjoint: Param) -> list[str]:
    """Return the lines of a system P*L*U*x = b: L has ones on the diagonal, and P swaps rows in the order of pivots.

    The transposed system goes through the halves from behind. A system from the right is one from the left, transposed.
    """
    n = square("lu_solve", lu)
    if len(lu) != 2 or len(b) != 2 or b[0 if left else 1] != n:
        raise ValueError(f"lu_solve of {shape_text(lu)} takes no right side of {shape_text(b)} here")
    order, at = _order(pivots, n), entry(of, ())
    side, shape = ("b", b) if left else ("t", b[::-1])
    first = [] if left else ["t = mT(b)"]
    if bool(adjoint) == bool(left):
        upper = _substituted(_swapped(at), side, shape, lower=True, unit=False, x="y")
        lower = _substituted(_swapped(at), "yx", shape, lower=False, unit=True)
        lines, last = [*upper, *lower], f"rx[{[order.index(k) for k in range(n)]}, :]"
    else:
        lower = _substituted(at, "p", shape, lower=True, unit=True, x="y")
        lines, last = [f"p = {side}[{order}, :]", *lower, *_substituted(at, "yx", shape, lower=False, unit=False)], "rx"
    return [*first, *lines, last if left else f"mT({last})"]


def _order(pivots: Param, n: int) -> list[int]:
    """Return the order of the rows after each was swapped with that of its pivot, which LAPACK counts from 1."""
    places = list(pivots) if isinstance(pivots, tuple) else [pivots]
    order = list(range(n))
    for k, one in enumerate(places):
        if not isinstance(one, int) or len(places) != n or not 0 < one <= n:
            raise ValueError(f"pivots of lu_solve are {n} rows, counted from 1")
        order[k], order[one - 1] = order[one - 1], order[k]
    return order


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("solve_triangular", ("a", "b"), ("upper", "left", "unitriangular"), _solve_triangular, ("solve_triangular(a[:, :2], a, upper=True)", "solve_triangular(a[:, :2], a.T, upper=False, left=False)", "solve_triangular(a[:, :2], a, upper=False, unitriangular=True)"), as_torch=_solve_triangular_near, again=at_every_order(_solve_triangular_near), stored=True, dtypes=DTYPES, torch=lambda m, a, b, upper, left=True, unitriangular=False: m.linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unitriangular), summary="the solution x of a @ x = b, where a is triangular"),
    Composite("triangular_solve", ("b", "a"), ("upper", "transpose", "unitriangular"), _triangular_solve, ("triangular_solve(a, a[:, :2])[0]", "triangular_solve(a, a[:, :2], upper=False, transpose=True)[0]"), results=("solution", "cloned_coefficient"), as_torch=_triangular_solve_near, again=at_every_order(_triangular_solve_near), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, b, a, upper=True, transpose=False, unitriangular=False: m.triangular_solve(b, a, upper, transpose, unitriangular), summary="the solution x of a @ x = b, where a is triangular, and a"),
    Composite("cholesky_solve", ("b", "x"), ("upper",), _cholesky_solve, ("cholesky_solve(a, cholesky(a @ a.T))", "cholesky_solve(a, cholesky(a @ a.T, upper=True), upper=True)"), as_torch=_cholesky_solve_near, again=at_every_order(_cholesky_solve_near), stored=True, dtypes=DTYPES, torch=lambda m, b, x, upper=False: m.cholesky_solve(b, x, upper), summary="the solution y of x @ x.mT @ y = b"),
    Composite("cholesky_inverse", ("x",), ("upper",), _cholesky_inverse, ("cholesky_inverse(cholesky(a @ a.T))",), as_torch=_cholesky_inverse_near, again=at_every_order(_cholesky_inverse_near), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x, upper=False: m.cholesky_inverse(x, upper), summary="the inverse of x @ x.mT"),
    Composite("lu_solve", ("lu", "b"), ("pivots", "left", "adjoint"), _lu_solve, ("lu_solve(a[:, :2], [2, 2], a)", "lu_solve(b[:, :3], [2, 3, 3], b, adjoint=True)", "lu_solve(b[:, :3], [2, 3, 3], b.T, left=False)"), order=("lu", "pivots", "b", "left", "adjoint"), indices=("pivots",), as_torch=_lu_solve_stored, again=at_every_order(_lu_solve_near), stored=True, dtypes=DTYPES, torch=lambda m, lu, b, pivots, left=True, adjoint=False: m.linalg.lu_solve(lu, pivots.int(), b, left=left, adjoint=adjoint), summary="the solution x of a @ x = b, where a is factored"),
)
# fmt: on
