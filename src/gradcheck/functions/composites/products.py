"""Products of vectors and matrices, and what adds, blends or scales them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from gradcheck.functions.params import axis, broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- vectors and matrices ----------------------------------------------------------------------------


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


def _product(name: str, left: int, right: int) -> Callable[[Shape, Shape], str]:
    """Return the definition of a matrix product that takes no other ranks than these, and does not broadcast."""

    def definition(a: Shape, b: Shape) -> str:
        _wanted(name, (a, left), (b, right))
        if left == 3 and a[0] != b[0]:
            raise ValueError(f"{name} takes two batches of one length, not {a[0]} and {b[0]}")
        return "matmul(a, b)"

    return definition


KINDS = ("a scalar", "a vector", "a matrix", "a batch of matrices")


def _wanted(name: str, *given: tuple[Shape, int]) -> None:
    """Refuse tensors of other ranks than those that torch takes."""
    if any(len(shape) != rank for shape, rank in given):
        wanted = " and ".join(KINDS[rank] for _, rank in given)
        raise ValueError(f"{name} takes {wanted}, not {' and '.join(shape_text(shape) for shape, _ in given)}")


def _fits(shape: Shape, wanted: Shape) -> None:
    """Refuse what torch does not expand to the shape of a product."""
    if broadcast(shape, wanted) != wanted:
        raise ValueError(f"cannot expand {shape_text(shape)} to {shape_text(wanted)}")


def _added(name: str, left: int, right: int) -> Callable[..., str]:
    """Return the definition of beta*x + alpha*(a @ b), a and b of these ranks."""

    def definition(x: Shape, a: Shape, b: Shape, beta: Param = 1, alpha: Param = 1) -> str:
        _wanted(name, (a, left), (b, right))
        if a[-1] != b[-min(right, 2)] or a[:-2] != b[: max(right - 2, 0)]:
            raise ValueError(f"cannot multiply {shape_text(a)} by {shape_text(b)}")
        _fits(x, (*a[:-1], b[-1]) if right > 1 else a[:-1])
        return f"({beta})*x + ({alpha})*matmul(a, b)"

    return definition


def _addbmm(x: Shape, a: Shape, b: Shape, beta: Param = 1, alpha: Param = 1) -> str:
    _added("addbmm", 3, 3)((), a, b)
    _fits(x, (a[1], b[2]))
    return f"({beta})*x + ({alpha})*sum(matmul(a, b), dim=0)"


def _addbmm_stored(x: Shape, a: Shape, b: Shape, beta: Param = 1, alpha: Param = 1) -> str:
    """Return addbmm as torch has it, one product after the other: LinearAlgebra.cpp, addbmm_impl_."""
    _addbmm(x, a, b)
    if not a[0]:
        return _addbmm(x, a, b, beta, alpha)
    lines = [f"y_0 = ({beta})*x + ({alpha})*matmul(a[0], b[0])"]
    lines += [f"y_{k} = y_{k - 1} + ({alpha})*matmul(a[{k}], b[{k}])" for k in range(1, a[0])]
    return "\n".join([*lines, f"y_{a[0] - 1}"])


def _addr(x: Shape, a: Shape, b: Shape, beta: Param = 1, alpha: Param = 1) -> str:
    _wanted("addr", (a, 1), (b, 1))
    _fits(x, (*a, *b))
    return f"({beta})*x + ({alpha})*(reshape(a, ({a[0]}, 1))*b)"


def _kron(a: Shape, b: Shape) -> str:
    rank = max(len(a), len(b))
    left, right = ((1,) * (rank - len(one)) + one for one in (a, b))
    shapes = [tuple(size for pair in zip(*pairs, strict=True) for size in pair)
              for pairs in ((left, (1,) * rank), ((1,) * rank, right))]  # fmt: skip
    return f"reshape(reshape(a, {shapes[0]})*reshape(b, {shapes[1]}), {tuple(x * y for x, y in zip(left, right, strict=True))})"


def _cross(a: Shape, b: Shape, dim: Param = -1, names: tuple[str, str] = ("a", "b")) -> str:
    if len(a) != len(b):
        raise ValueError(f"cross takes tensors of one rank, not {shape_text(a)} and {shape_text(b)}")
    at, shape = axis(dim, len(a)), broadcast(a, b)
    if not shape or a[at] != 3 or b[at] != 3:
        raise ValueError("cross takes vectors of 3 elements along dim")
    one, two = (f"[{':, ' * at}{places}]" for places in ([1, 2, 0], [2, 0, 1]))
    left, right = names
    return f"{left}{one}*{right}{two} - {left}{two}*{right}{one}"


def _cross_stored(a: Shape, b: Shape, dim: Param = -1) -> str:
    """Return the cross product of both in full shape, as torch has it: what flows back is rounded, and then added up."""
    made = _cross(a, b, dim, ("y", "z"))
    return "\n".join(
        [f"{new} = expand({old}, {broadcast(a, b)})" for new, old in zip("yz", "ab", strict=True)] + [made]
    )


def _old_cross(stored: bool, a: Shape, b: Shape, dim: Param = None) -> str:
    if dim is None:  # the first that has 3 elements, as torch's documentation has it
        sized = [k for k, size in enumerate(a) if size == 3]
        if not sized:
            raise ValueError("cross takes vectors of 3 elements along dim")
        dim = sized[0]
    return (_cross_stored if stored else _cross)(a, b, dim)


def _vecdot(x: Shape, y: Shape, dim: Param = -1) -> str:
    shape = broadcast(x, y)
    if not x or not y:
        raise ValueError("vecdot takes vectors, not scalars")
    return f"sum(x*y, dim={axis(dim, len(shape))})"


# --- powers and chains -------------------------------------------------------------------------------


def _multi_dot(*x: Shape) -> str:
    """Return the product of all in the order that needs the fewest multiplications: LinearAlgebra.cpp, multi_dot_impl."""
    last = len(x) - 1
    if last < 1:
        raise ValueError("multi_dot takes two tensors or more")
    if any(len(shape) != 2 for shape in x[1:-1]) or not {len(x[0]), len(x[-1])} <= {1, 2}:
        raise ValueError("multi_dot takes matrices; the first and the last may be vectors")
    shapes = [(1, *x[0]) if len(x[0]) == 1 else x[0], *x[1:-1], (*x[-1], 1) if len(x[-1]) == 1 else x[-1]]
    for one, other in pairwise(shapes):
        if one[1] != other[0]:
            raise ValueError(f"cannot multiply {shape_text(one)} by {shape_text(other)}")
    names = [f"reshape(x_{k}, {shape})" for k, shape in enumerate(shapes)]
    result = (*x[0][: len(x[0]) - 1], *x[-1][len(x[-1]) - 1 :][: len(x[-1]) - 1])
    return f"reshape({_chain(names, [*(shape[0] for shape in shapes), shapes[-1][1]])}, {result})"


def _chain(names: Sequence[str], p: Sequence[int]) -> str:
    if len(names) == 3 and p[0] * p[2] * (p[1] + p[3]) <= p[1] * p[3] * (p[0] + p[2]):
        return f"matmul(matmul({names[0]}, {names[1]}), {names[2]})"
    cost: dict[tuple[int, int], tuple[int, str]] = {(i, i): (0, name) for i, name in enumerate(names)}
    for length in range(1, len(names)):
        for i in range(len(names) - length):
            j = i + length
            costs = [cost[i, k][0] + cost[k + 1, j][0] + p[i] * p[k + 1] * p[j + 1] for k in range(i, j)]
            k = i + costs.index(min(costs))
            cost[i, j] = min(costs), f"matmul({cost[i, k][1]}, {cost[k + 1, j][1]})"
    return cost[0, len(names) - 1][1]


def _chain_matmul(*x: Shape) -> str:
    if any(len(shape) != 2 for shape in x):
        raise ValueError("chain_matmul takes matrices")
    return "x_0" if len(x) == 1 else _multi_dot(*x)


MAX_POWER = 1_000
"""Largest power of a matrix."""


def _matrix_power(a: Shape, n: Param) -> str:
    """Return a power by repeated squaring, as torch has it: LinearAlgebra.cpp, linalg_matrix_power_impl."""
    if len(a) < 2 or a[-1] != a[-2]:
        raise ValueError(f"matrix_power takes square matrices, not {shape_text(a)}")
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MAX_POWER:
        raise ValueError(
            f"n is a whole number from 1 to {MAX_POWER:,} (MAX_POWER): the power 0 is the same for all matrices, and "
            "negative powers need the inverse, which is not supported"
        )
    if n == 3:
        return "matmul(matmul(a, a), a)"
    lines, last, result = [], "a", ""
    for k, bit in enumerate(reversed(f"{n:b}")):
        if k:
            lines.append(f"z_{k} = matmul({last}, {last})")
            last = f"z_{k}"
        if bit == "1":
            lines.append(f"r_{k} = matmul({result}, {last})" if result else f"r_{k} = {last}")
            result = f"r_{k}"
    return "\n".join([*lines, result])


def _vander(x: Shape, N: Param = None) -> str:  # noqa: N803 - torch's own name
    if not x:
        raise ValueError("vander takes vectors, not a scalar")
    n = x[-1] if N is None else N
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError("N, the number of powers, is a whole number from 1")
    whole, rank = (*x, 1), len(x)
    if n == 1:
        raise ValueError("the power 0 alone is 1, whatever x is, and has no derivative")
    powers = f"cumprod(expand(reshape(x, {whole}), {(*x, n - 1)}), dim={rank})"
    return f"cat([expand(1, {whole}), {powers}], dim={rank})"


# --- elements ----------------------------------------------------------------------------------------

# aten/src/ATen/native/Lerp.h: from whichever end is nearer; derivatives.yaml has the slopes.

_LERP_STORED = """d = detach(end) - detach(x)
w = detach(weight)
m = detach(where(abs(w) < 1/2, x + w*d, end - d*(1 - w)))
m + (x - detach(x))*(1 - w) + (end - detach(end))*w + (weight - w)*d"""


# aten/src/ATen/native/cpu/PointwiseOpsKernel.cpp, addcmul and addcdiv: the value is rounded once. derivatives.yaml has
# the slopes, each of them a number that is rounded before the cotangent meets it.

_ADDCMUL_STORED = """y = detach(a)
z = detach(b)
v = detach(x) + value*y*z
m = detach(v)
m + (x - detach(x)) + (a - y)*(z*value) + (b - z)*(y*value)"""

_ADDCDIV_STORED = """y = detach(a)
z = detach(b)
v = detach(x) + value*y/z
m = detach(v)
m + (x - detach(x)) + (a - y)*(value/z) - (b - z)*(value*y/(z*z))"""


# derivatives.yaml: the slope by the exponent is that of the stored result.

_LDEXP_STORED = """y = detach(x)
z = detach(other)
v = y*2**z
m = detach(v)
m + (x - y)*2**z + ((other - z)*0.6931471805599453)*m"""


# fmt: off
ROWS: tuple[Composite, ...] = (
    # --- vectors and matrices ---
    Composite("dot", ("a", "b"), (), _dot, ("dot(v, v)",), adds=True, as_torch=_dot_stored, summary="the inner product of two vectors"),
    Composite("vdot", ("a", "b"), (), _dot, ("vdot(v, a[0])",), adds=True, as_torch=_dot_stored, summary="the inner product of two vectors"),
    Composite("outer", ("a", "b"), (), _outer, ("outer(u, v)",), summary="the outer product of two vectors"),
    Composite("mv", ("a", "b"), (), _product("mv", 2, 1), ("mv(a, v)",), adds=True, summary="a matrix times a vector"),
    Composite("mm", ("a", "b"), (), _product("mm", 2, 2), ("mm(a, a.T)",), adds=True, summary="the product of two matrices"),
    Composite("bmm", ("a", "b"), (), _product("bmm", 3, 3), ("bmm(c, c.mT)",), adds=True, summary="the products of two batches of matrices"),
    Composite("addmm", ("x", "a", "b"), ("beta", "alpha"), _added("addmm", 2, 2), ("addmm(v[:2], a, a.T)", "addmm(a[:, :2], a, a.T, beta=0.5, alpha=-2)"), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.addmm(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*(a @ b), of matrices"),
    Composite("addmv", ("x", "a", "b"), ("beta", "alpha"), _added("addmv", 2, 1), ("addmv(u, a, v)", "addmv(u, a, v, beta=0.5, alpha=-2)"), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.addmv(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*(a @ b), of a matrix and a vector"),
    Composite("baddbmm", ("x", "a", "b"), ("beta", "alpha"), _added("baddbmm", 3, 3), ("baddbmm(c[:, :, :2], c, c.mT, beta=0.5, alpha=-2)",), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.baddbmm(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*(a @ b), of batches of matrices"),
    Composite("addbmm", ("x", "a", "b"), ("beta", "alpha"), _addbmm, ("addbmm(a[:, :2], c, c.mT, beta=0.5, alpha=-2)",), adds=True, as_torch=_addbmm_stored, torch=lambda m, x, a, b, beta=1, alpha=1: m.addbmm(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha times the sum of the products of two batches"),
    Composite("addr", ("x", "a", "b"), ("beta", "alpha"), _addr, ("addr(a, u, v, beta=0.5, alpha=-2)",), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.addr(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*outer(a, b)"),
    Composite("kron", ("a", "b"), (), _kron, ("kron(a, u)",), summary="the Kronecker product"),
    Composite("cross", ("a", "b"), ("dim",), partial(_old_cross, False), ("cross(v, a[0])",), adds=True, as_torch=partial(_old_cross, True), summary="the cross product along dim, or the first dim of size 3"),
    Composite("linalg.cross", ("a", "b"), ("dim",), _cross, ("linalg.cross(a, v[None])",), adds=True, as_torch=_cross_stored, torch=lambda m, a, b, dim=-1: m.linalg.cross(a, b, dim=dim), summary="the cross product along dim"),
    Composite("linalg.vecdot", ("x", "y"), ("dim",), _vecdot, ("linalg.vecdot(a, v)", "linalg.vecdot(a, a, dim=0)"), adds=True, torch=lambda m, x, y, dim=-1: m.linalg.vecdot(x, y, dim=dim), summary="the inner products along dim"),

    # --- powers and chains ---
    Composite("linalg.multi_dot", ("x",), (), _multi_dot, ("linalg.multi_dot([u, a, b])",), adds=True, torch=lambda m, *x: m.linalg.multi_dot(x), summary="the product of several matrices, in the cheapest order"),
    Composite("chain_matmul", ("x",), (), _chain_matmul, ("chain_matmul(a.T, a, b)",), many=True, adds=True, summary="the product of several matrices, in the cheapest order"),
    Composite("linalg.matrix_power", ("a",), ("n",), _matrix_power, ("linalg.matrix_power(a[:, :2], 3)", "linalg.matrix_power(a[:, 1:], 5)"), adds=True, torch=lambda m, a, n: m.linalg.matrix_power(a, n), summary="the n-th power of a square matrix"),
    Composite("linalg.vander", ("x",), ("N",), _vander, ("linalg.vander(a, N=4)",), dtypes=("float64", "float32"), torch=lambda m, x, **params: m.linalg.vander(x, **params), summary="the powers of the elements, along a new last dim"),

    # --- elements ---
    Composite("addcmul", ("x", "a", "b"), ("value",), "x + value*a*b", ("addcmul(v, a, a, value=0.3)",), defaults={"value": 1}, adds=True, as_torch=_ADDCMUL_STORED, fused="v", torch=lambda m, x, a, b, value=1: m.addcmul(x, a, b, value=value), summary="x + value*a*b"),
    Composite("addcdiv", ("x", "a", "b"), ("value",), "x + value*a/b", ("addcdiv(v, a, v, value=0.3)",), defaults={"value": 1}, adds=True, as_torch=_ADDCDIV_STORED, fused="v", torch=lambda m, x, a, b, value=1: m.addcdiv(x, a, b, value=value), summary="x + value*a/b"),
    Composite("lerp", ("x", "end", "weight"), (), "x + weight*(end - x)", ("lerp(v, a, s)", "lerp(v, a, 0.75)"), adds=True, as_torch=_LERP_STORED, summary="from x towards end by a weight"),
    Composite("ldexp", ("x", "other"), (), "x*2**other", ("ldexp(v, a)",), stored=True, as_torch=_LDEXP_STORED, summary="x*2**other"),
    Composite("rsub", ("x", "other"), ("alpha",), "other - alpha*x", ("rsub(v, a)", "rsub(v, a, alpha=3)"), defaults={"alpha": 1}, adds=True, torch=lambda m, x, other, alpha=1: m.rsub(x, other, alpha=alpha), summary="other - alpha*x"),
)
# fmt: on
