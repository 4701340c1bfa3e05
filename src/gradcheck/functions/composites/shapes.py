"""Functions of axes and shapes, which move elements and compute nothing."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from gradcheck.functions.composites.indexing import moved
from gradcheck.functions.params import axes, axis, expanded, numbers, reshaped, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- axes --------------------------------------------------------------------------------------------


def _swap(x: Shape, dim0: Param, dim1: Param) -> str:
    a, b = axis(dim0, len(x)), axis(dim1, len(x))
    if not x:
        return "x"
    dims = list(range(len(x)))
    dims[a], dims[b] = b, a
    return f"permute(x, {tuple(dims)})"


def _all_reversed(x: Shape) -> str:
    return f"permute(x, {tuple(reversed(range(len(x))))})" if x else "x"


def _last_two_swapped(x: Shape) -> str:
    if len(x) < 2:
        raise ValueError("mT needs a matrix; a vector has no last two dimensions")
    return _swap(x, -2, -1)


def _transposed(x: Shape) -> str:
    if len(x) > 2:
        raise ValueError(f"t takes at most 2 dimensions, and this tensor has {len(x)}; write transpose(x, dim0, dim1)")
    return _all_reversed(x)


def _last_two_swapped_and_conjugated(x: Shape) -> str:
    if len(x) < 2:
        raise ValueError("mH needs a matrix; a vector has no last two dimensions")
    return _swap(x, -2, -1)


def _adjoint(x: Shape) -> str:
    if len(x) not in (0, 2):
        raise ValueError(f"H needs a matrix, and this tensor has {len(x)} dimensions; write .mH for a batch")
    return _all_reversed(x)


def _movedim(x: Shape, source: Param, destination: Param) -> str:
    first, last = ((one if isinstance(one, tuple) else (one,)) for one in (source, destination))
    if len(first) != len(last) or isinstance(source, tuple) != isinstance(destination, tuple):
        raise ValueError("source and destination name as many dims, in lists or not")
    places = dict(zip(axes(last, len(x)) if last else (), axes(first, len(x)) if first else (), strict=True))
    rest = iter(one for one in range(len(x)) if one not in places.values())
    return f"permute(x, {tuple(places[k] if k in places else next(rest) for k in range(len(x)))})" if x else "x"


def _flipped(dim: int, name: str) -> Callable[[Shape], str]:
    def definition(x: Shape) -> str:
        if len(x) <= dim:
            raise ValueError(f"{name} needs at least {dim + 1} dimensions, and this tensor has {len(x)}")
        return f"flip(x, ({dim},))"

    return definition


def _roll(x: Shape, shifts: Param, dims: Param = None) -> str:
    steps = numbers("shifts", shifts)
    if dims is None or dims == ():
        if len(steps) != 1:
            raise ValueError("shifts needs as many dims")
        return moved(x, lambda np, places: np.roll(places, steps[0]))
    over = tuple(axis(one, len(x)) for one in numbers("dims", dims))
    if len(over) != len(steps):
        raise ValueError("shifts needs as many dims")
    return moved(x, lambda np, places: np.roll(places, steps, over)) if x else "x"


def _rot90(x: Shape, k: Param = 1, dims: Param = (0, 1)) -> str:
    turns, over = numbers("k", (k,))[0], axes(numbers("dims", dims), len(x))
    if len(x) < 2 or len(over) != 2:
        raise ValueError("rot90 turns a plane of two dims")
    swapped = _swap(x, *over)
    turned = {0: "x", 1: f"flip({swapped}, ({over[0]},))", 2: f"flip(x, {over})", 3: f"flip({swapped}, ({over[1]},))"}
    return turned[turns % 4]


# --- the same elements in another shape --------------------------------------------------------------


def _flatten(x: Shape, start_dim: Param = 0, end_dim: Param = -1) -> str:
    first, last = axis(start_dim, len(x)), axis(end_dim, len(x))
    if first > last:
        raise ValueError("start_dim comes after end_dim")
    return f"reshape(x, {(*x[:first], prod(x[first : last + 1]), *x[last + 1 :])})"


def _squeeze(x: Shape, dim: Param = None) -> str:
    over = axes(dim, len(x))
    return f"reshape(x, {tuple(size for one, size in enumerate(x) if size != 1 or one not in over)})"


def _unsqueeze(x: Shape, dim: Param) -> str:
    at = axis(dim, len(x) + 1)
    return f"reshape(x, {(*x[:at], 1, *x[at:])})"


def _as(x: Shape, other: Shape) -> str:
    return f"reshape(x, {reshaped(other, x)})"


def _unflatten(x: Shape, dim: Param, sizes: Param) -> str:
    if not x:
        raise ValueError("a scalar has no dim to unflatten")
    at = axis(dim, len(x))
    return f"reshape(x, {(*x[:at], *reshaped(sizes, (x[at],)), *x[at + 1 :])})"


def _at_least(rank: int) -> Callable[[Shape], str]:
    def definition(x: Shape) -> str:
        return f"reshape(x, {filled(x, rank)})"

    return definition


def filled(x: Shape, rank: int) -> Shape:
    """Return a shape of so many dims, as atleast_1d to atleast_3d fill it up."""
    if len(x) >= rank:
        return x
    return (1,) * rank if not x else (1, *x) if rank == 2 else (*((1, *x) if len(x) == 1 else x), 1)


def _expand_as(x: Shape, other: Shape) -> str:
    return f"expand(x, {expanded(other, x)})"


def _sum_to_size(x: Shape, size: Param) -> str:
    sizes = numbers("size", size)
    lead = len(x) - len(sizes)
    if lead < 0 or any(want not in (1, have) for have, want in zip(x[lead:], sizes, strict=True)):
        raise ValueError(f"cannot sum {shape_text(x)} to {shape_text(sizes)}")
    over = tuple(k for k in range(len(x)) if k < lead or sizes[k - lead] != x[k])
    return f"reshape(sum(x, dim={over}), {sizes})" if over else "x"


# --- the same elements -------------------------------------------------------------------------------


def _fill(x: Shape, value: Shape) -> str:
    if value:
        raise ValueError(f"value is one number, and this has the shape {shape_text(value)}")
    return f"expand(value, {x})"


def _nan_to_num(x: Shape, nan: Param = 0, posinf: Param = None, neginf: Param = None) -> str:  # noqa: ARG001
    """Return x itself but at infinities, which have no slope; where no number is given it is the largest of the dtype.

    Infinity stands for that one here: it is no further from it than the format can tell.
    """
    if any(isinstance(one, tuple | str) for one in (nan, posinf, neginf)):
        raise ValueError("nan_to_num puts numbers in the place of what is none")
    high, low = ("detach(x)" if one is None else f"({one})" for one in (posinf, neginf))
    return f"where(x == inf, {high}, where(x == -inf, {low}, x))"


# fmt: off
ROWS: tuple[Composite, ...] = (
    # --- axes ---
    Composite("transpose", ("x",), ("dim0", "dim1"), _swap, ("transpose(a, 0, 1)", "transpose(c, 0, -1)"), summary="two axes swapped"),
    Composite("T",  ("x",), (), _all_reversed, ("a.T", "a.T @ a"), torch=lambda m, x: x.T, summary="the axes in reverse order"),
    Composite("mT", ("x",), (), _last_two_swapped, ("a.mT", "c.mT"), torch=lambda m, x: x.mT, summary="the last two axes swapped"),
    Composite("t",  ("x",), (), _transposed, ("t(a)", "v.t()"), summary="the transpose of a matrix"),
    Composite("H",  ("x",), (), _adjoint, ("a.H", "a.H @ a"), torch=lambda m, x: x.H, summary="the conjugate transpose of a matrix"),
    Composite("mH", ("x",), (), _last_two_swapped_and_conjugated, ("c.mH",), torch=lambda m, x: x.mH, summary="the last two axes swapped, conjugated"),
    Composite("movedim", ("x",), ("source", "destination"), _movedim, ("movedim(c, 0, -1)", "movedim(c, (0, 1), (2, 0))"), summary="axes in other places"),
    Composite("fliplr", ("x",), (), _flipped(1, "fliplr"), ("fliplr(a)",), summary="columns in reverse order"),
    Composite("flipud", ("x",), (), _flipped(0, "flipud"), ("flipud(a)",), summary="rows in reverse order"),
    Composite("roll", ("x",), ("shifts", "dims"), _roll, ("roll(a, 1)", "roll(a, (1, -2), (0, 1))"), summary="elements moved along dims, and from the end to the front"),
    Composite("rot90", ("x",), ("k", "dims"), _rot90, ("rot90(a)", "rot90(c, -1, (1, 2))"), summary="a plane turned by 90 degrees, k times"),

    # --- shapes ---
    Composite("flatten", ("x",), ("start_dim", "end_dim"), _flatten, ("flatten(a)", "flatten(c, 1)"), summary="dims joined into one"),
    Composite("squeeze", ("x",), ("dim",), _squeeze, ("squeeze(a[:, :1])", "squeeze(a[:1], 0)"), summary="without the axes of size 1"),
    Composite("unsqueeze", ("x",), ("dim",), _unsqueeze, ("unsqueeze(v, 0)", "unsqueeze(a, -1)"), summary="with a new axis of size 1"),
    Composite("ravel", ("x",), (), lambda x: f"reshape(x, ({prod(x)},))", ("ravel(a)",), summary="all elements in a row"),
    Composite("reshape_as", ("x", "other"), (), _as, ("reshape_as(a, a.T)",), fixed=("other",), torch=lambda m, x, other: x.reshape_as(other), summary="the same elements in the shape of another tensor"),
    Composite("view_as", ("x", "other"), (), _as, ("view_as(a, a.T)",), fixed=("other",), torch=lambda m, x, other: x.view_as(other), summary="the same elements in the shape of another tensor, without a copy"),
    Composite("expand_as", ("x", "other"), (), _expand_as, ("expand_as(v, a)",), fixed=("other",), torch=lambda m, x, other: x.expand_as(other), summary="x broadcast to the shape of another tensor"),
    Composite("sum_to_size", ("x",), ("size",), _sum_to_size, ("sum_to_size(c, (2, 1))",), torch=lambda m, x, size: x.sum_to_size(size), adds=True, summary="sums that undo a broadcast"),
    Composite("unflatten", ("x",), ("dim", "sizes"), _unflatten, ("unflatten(b, 1, (2, -1))",), summary="a dim cut into several"),
    Composite("atleast_1d", ("x",), (), _at_least(1), ("atleast_1d(s)",), summary="with one dim at least"),
    Composite("atleast_2d", ("x",), (), _at_least(2), ("atleast_2d(v)",), summary="with two dims at least, the new ones in front"),
    Composite("atleast_3d", ("x",), (), _at_least(3), ("atleast_3d(v)", "atleast_3d(a)"), summary="with three dims at least"),

    # --- the same elements ---
    Composite("clone", ("x",), (), "x", ("clone(v)*v",), summary="a copy of x"),
    Composite("contiguous", ("x",), (), "x", ("a.T.contiguous()*b[:, :2]",), torch=lambda m, x: x.contiguous(), summary="x as it lies in memory in row-major order"),
    Composite("positive", ("x",), (), "x", ("positive(v)*v",), summary="x itself"),
    Composite("real", ("x",), (), "x", ("real(v)*v",), summary="the real part of x, which is x"),
    Composite("conj", ("x",), (), "x", ("conj(v)*v",), summary="the complex conjugate of x, which is x"),
    Composite("conj_physical", ("x",), (), "x", ("conj_physical(v)*v",), summary="the complex conjugate of x, computed at once"),
    Composite("resolve_conj", ("x",), (), "x", ("resolve_conj(v)*v",), summary="x with a pending conjugation carried out"),
    Composite("resolve_neg", ("x",), (), "x", ("resolve_neg(v)*v",), summary="x with a pending change of sign carried out"),
    Composite("fill", ("x", "value"), (), _fill, ("fill(a, s)",), summary="one value in the shape of x"),
    Composite("nan_to_num", ("x",), ("nan", "posinf", "neginf"), _nan_to_num, ("nan_to_num(v)", "nan_to_num(v, 0, 10, -10)"), summary="x with numbers in the place of infinities"),
)
# fmt: on
