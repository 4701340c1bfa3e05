"""Products of vectors and matrices, and what adds, blends or scales them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from string import ascii_letters

from gradcheck.functions.params import axis, broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- vectors and matrices ---------------------------------------------------------------------------


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


def _inner(a: Shape, b: Shape) -> str:
    if not a or not b:
        return "a*b"
    if a[-1] != b[-1]:
        raise ValueError(f"inner takes rows of one length, not {a[-1]} and {b[-1]}")
    last = len(a) + len(b)
    free = range(len(a) - 1), range(len(a) - 1, last - 2)
    return _contracted((*free[0], last), (*free[1], last), (*free[0], *free[1]), a, b)


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


# --- contractions -----------------------------------------------------------------------------------


Labels = Sequence[int | str]
"""A name for each dim of a tensor; dims of one name are multiplied with each other."""


def _contracted(
    left: Labels, right: Labels, kept: Labels, a: Shape, b: Shape, names: tuple[str, str] = ("a", "b")
) -> str:
    """Return the sum of products over all labels that are not kept, as one product of two batches of matrices.

    Each label stands once in a tensor, and one that is not kept in both.
    """
    sizes = {**dict(zip(left, a, strict=True)), **dict(zip(right, b, strict=True))}
    both = [one for one in left if one in right]
    batch, summed = [one for one in both if one in kept], [one for one in both if one not in kept]
    rows, columns = [one for one in left if one not in both], [one for one in right if one not in both]
    parts = []
    for name, labels, first, last in ((names[0], left, rows, summed), (names[1], right, summed, columns)):
        order = tuple(list(labels).index(one) for one in (*batch, *first, *last))
        moved = f"permute({name}, {order})" if order else name
        size = tuple(prod(sizes[one] for one in group) for group in (batch, first, last))
        parts.append(f"reshape({moved}, {size})")
    made = [*batch, *rows, *columns]
    whole = f"reshape(matmul({parts[0]}, {parts[1]}), {tuple(sizes[one] for one in made)})"
    return f"permute({whole}, {tuple(made.index(one) for one in kept)})" if made else whole


def _einsum(*x: Shape, equation: Param) -> str:
    terms, kept = _labels(str(equation), x)
    lines, operands = [], []
    for k, (labels, shape) in enumerate(zip(terms, x, strict=True)):
        single, size, text = _diagonal(labels, shape, f"x_{k}")
        lines.append(f"y_{k} = {text}")
        operands.append((f"y_{k}", single, size))
    sizes: dict[str, int] = {}
    for _, labels, shape in operands:
        for one, found in zip(labels, shape, strict=True):
            if sizes.setdefault(one, found) != found:
                raise ValueError(f"{one} of the equation is {sizes[one]} in one tensor, and {found} in another")
    name, labels, shape = operands[0]
    for k, second in enumerate(operands[1:], start=1):
        later = {*kept, *(one for _, some, _ in operands[k + 1 :] for one in some)}
        a, left, shape = _summed(name, labels, shape, {*second[1], *later})
        b, right, wide = _summed(*second, {*left, *later})
        labels = "".join(one for one in dict.fromkeys(left + right) if one in later)
        lines.append(f"z_{k} = {_contracted(left, right, labels, shape, wide, (a, b))}")
        name, shape = f"z_{k}", tuple(sizes[one] for one in labels)
    last, labels, _ = _summed(name, labels, shape, set(kept))
    order = tuple(labels.index(one) for one in kept)
    return "\n".join([*lines, f"permute({last}, {order})" if order else last])


def _labels(equation: str, x: Sequence[Shape]) -> tuple[list[str], str]:
    """Return the letters of each tensor and of the result; dots become letters of their own."""
    inputs, arrow, result = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(x):
        there = f"are {len(x)} tensors" if len(x) > 1 else "is 1 tensor"
        raise ValueError(f"the equation has {len(terms)} term{'s' * (len(terms) > 1)}, and there {there}")
    spare = [one for one in reversed(ascii_letters) if one not in equation]
    found, widest = [], ""
    for term, shape in zip(terms, x, strict=True):
        letters = term.replace("...", "")
        if not set(letters) <= set(ascii_letters):
            raise ValueError(f"{term} of the equation is made of letters, and of ... in the place of further dims")
        further = len(shape) - len(letters)
        if further < 0 or (further and "..." not in term):
            raise ValueError(f"{term} of the equation has {len(letters)} letters for a tensor of {len(shape)} dims")
        dots = "".join(spare[:further][::-1])
        widest = max(widest, dots, key=len)
        found.append(term.replace("...", dots, 1))
    if not arrow:  # the letters that stand once, in their order
        every = "".join(found)
        result = "..." * bool(widest) + "".join(
            sorted(one for one in set(every) - set(widest) if every.count(one) == 1)
        )
    result = result.replace("...", widest, 1)
    if len(set(result)) < len(result) or not set(result) <= set("".join(found)):
        raise ValueError("each letter of the result stands there once, and in some tensor")
    return found, result


def _diagonal(labels: str, shape: Shape, name: str) -> tuple[str, Shape, str]:
    """Return the letters without repetitions, their sizes, and the text of the tensor that has its diagonal there."""
    single = "".join(dict.fromkeys(labels))
    if single == labels:
        return labels, shape, name
    sizes = {one: {shape[k] for k in range(len(shape)) if labels[k] == one} for one in single}
    if any(len(found) > 1 for found in sizes.values()):
        raise ValueError(f"a letter that stands twice in {labels} has dims of different sizes")
    size = tuple(sizes[one].copy().pop() for one in single)
    steps = [sum(prod(shape[k + 1 :]) for k in range(len(shape)) if labels[k] == one) for one in single]
    places = [sum(i * step for i, step in zip(index, steps, strict=True)) for index in _indices(size)]
    return single, size, f"reshape(reshape({name}, {(prod(shape),)})[{places}], {size})"


def _indices(shape: Shape) -> Iterator[tuple[int, ...]]:
    if not shape:
        yield ()
        return
    for first in range(shape[0]):
        yield from ((first, *rest) for rest in _indices(shape[1:]))


def _summed(name: str, labels: str, shape: Shape, needed: set[str]) -> tuple[str, str, Shape]:
    """Return a tensor summed over the labels that nothing else needs."""
    over = tuple(k for k, one in enumerate(labels) if one not in needed)
    if not over:
        return name, labels, shape
    rest = [k for k in range(len(labels)) if k not in over]
    return f"sum({name}, dim={over})", "".join(labels[k] for k in rest), tuple(shape[k] for k in rest)


def _tensordot(a: Shape, b: Shape, dims: Param = 2) -> str:
    if isinstance(dims, int) and not isinstance(dims, bool):
        if not 0 <= dims <= min(len(a), len(b)):
            raise ValueError(f"dims is a number up to {min(len(a), len(b))}, or two lists of dims")
        first, second = list(range(len(a) - dims, len(a))), list(range(dims))
    else:
        if not isinstance(dims, tuple) or len(dims) != 2 or not all(isinstance(one, tuple) for one in dims):
            raise ValueError("dims is a number, or two lists of dims; what else torch reads as such is not supported")
        first, second = ([axis(one, len(shape)) for one in some]  # type: ignore[union-attr]
                         for some, shape in zip(dims, (a, b), strict=True))  # fmt: skip
    if len(first) != len(second) or len({*first}) < len(first) or len({*second}) < len(second):
        raise ValueError("dims has as many dims of the one as of the other, and none twice")
    if [a[one] for one in first] != [b[one] for one in second]:
        raise ValueError(
            f"the dims to multiply are {[a[k] for k in first]} in one, and {[b[k] for k in second]} in the other"
        )
    left = list(range(len(a)))
    right: list[int] = [first[second.index(k)] if k in second else len(a) + k for k in range(len(b))]
    kept = [one for one in (*left, *right) if one not in first]
    return _contracted(left, right, kept, a, b)


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


# --- powers and chains ------------------------------------------------------------------------------


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


# --- elements ---------------------------------------------------------------------------------------

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
    Composite("inner", ("a", "b"), (), _inner, ("inner(a, v)", "inner(a, c)"), adds=True, summary="the inner products of the rows of two tensors"),
    Composite("mv", ("a", "b"), (), _product("mv", 2, 1), ("mv(a, v)",), adds=True, summary="a matrix times a vector"),
    Composite("mm", ("a", "b"), (), _product("mm", 2, 2), ("mm(a, a.T)",), adds=True, summary="the product of two matrices"),
    Composite("bmm", ("a", "b"), (), _product("bmm", 3, 3), ("bmm(c, c.mT)",), adds=True, summary="the products of two batches of matrices"),
    Composite("addmm", ("x", "a", "b"), ("beta", "alpha"), _added("addmm", 2, 2), ("addmm(v[:2], a, a.T)", "addmm(a[:, :2], a, a.T, beta=0.5, alpha=-2)"), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.addmm(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*(a @ b), of matrices"),
    Composite("addmv", ("x", "a", "b"), ("beta", "alpha"), _added("addmv", 2, 1), ("addmv(u, a, v)", "addmv(u, a, v, beta=0.5, alpha=-2)"), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.addmv(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*(a @ b), of a matrix and a vector"),
    Composite("baddbmm", ("x", "a", "b"), ("beta", "alpha"), _added("baddbmm", 3, 3), ("baddbmm(c[:, :, :2], c, c.mT, beta=0.5, alpha=-2)",), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.baddbmm(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*(a @ b), of batches of matrices"),
    Composite("addbmm", ("x", "a", "b"), ("beta", "alpha"), _addbmm, ("addbmm(a[:, :2], c, c.mT, beta=0.5, alpha=-2)",), adds=True, as_torch=_addbmm_stored, torch=lambda m, x, a, b, beta=1, alpha=1: m.addbmm(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha times the sum of the products of two batches"),
    Composite("addr", ("x", "a", "b"), ("beta", "alpha"), _addr, ("addr(a, u, v, beta=0.5, alpha=-2)",), adds=True, torch=lambda m, x, a, b, beta=1, alpha=1: m.addr(x, a, b, beta=beta, alpha=alpha), summary="beta*x + alpha*outer(a, b)"),

    # --- contractions ---
    Composite("einsum", ("x",), ("equation",), _einsum, ("einsum('ij,jk->ik', a, b)", "einsum('bij,bj', c, a)", "einsum('ii->i', a[:, :2])"), many=True, order=("equation", "x"), words={"equation": ()}, adds=True, torch=lambda m, *x, equation: m.einsum(equation, *x), summary="sums of products over the letters of an equation"),
    Composite("tensordot", ("a", "b"), ("dims",), _tensordot, ("tensordot(a, c, dims=((0, 1), (1, 2)))", "tensordot(a, b, 1)"), adds=True, torch=lambda m, a, b, dims=(2,): m.tensordot(a, b, dims=dims if not isinstance(dims, tuple) or len(dims) > 1 else dims[0]), summary="sums of products over some dims of both"),
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
