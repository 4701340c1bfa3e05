"""Tensors joined, repeated and combined."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, combinations_with_replacement
from math import comb, prod

from gradcheck.functions.composites.indexing import MAX_PICKED, countable, picked, whole
from gradcheck.functions.composites.shapes import filled
from gradcheck.functions.params import axis, broadcast, chosen, count_of, numbers
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- joined ------------------------------------------------------------------------------------------


def _stack(*x: Shape, dim: Param = 0) -> str:
    if any(shape != x[0] for shape in x):
        raise ValueError("stack needs tensors of one shape")
    at = axis(dim, len(x[0]) + 1)
    shape = (*x[0][:at], 1, *x[0][at:])
    return f"cat([{', '.join(f'reshape(x_{k}, {shape})' for k in range(len(x)))}], dim={at})"


def _joined(dim: int, rank: int, name: str) -> Callable[..., str]:
    """Return hstack and its like: tensors of so many dims at least, joined along a dim."""

    def definition(*x: Shape) -> str:
        wide = [_column(one) if name == "column_stack" else filled(one, rank) for one in x]
        at = 0 if name == "hstack" and len(wide[0]) == 1 else dim
        parts = ", ".join(f"reshape(x_{k}, {shape})" for k, shape in enumerate(wide))
        return f"cat([{parts}], dim={at})"

    return definition


def _column(x: Shape) -> Shape:
    return (prod(x), 1) if len(x) < 2 else x


def _block_diag(*x: Shape) -> str:
    if any(len(one) > 2 for one in x):
        raise ValueError("block_diag takes matrices, vectors and scalars")
    wide = [filled(one, 2) for one in x]
    columns = sum(one[1] for one in wide)
    rows, start = [], 0
    for k, (height, width) in enumerate(wide):
        zeros = (f"expand(0, {(height, size)})" if size else "" for size in (start, columns - start - width))
        before, after = zeros
        rows.append(f"cat([{', '.join(filter(None, (before, f'reshape(x_{k}, {(height, width)})', after)))}], dim=1)")
        start += width
    return f"cat([{', '.join(rows)}])"


# --- repeated ----------------------------------------------------------------------------------------


def _repeat(x: Shape, repeats: Param) -> str:
    times = numbers("repeats", repeats)
    if len(times) < len(x):
        raise ValueError(f"repeats has {len(times)} numbers, and the tensor {len(x)} dimensions")
    if any(one < 0 for one in times):
        raise ValueError("repeats are whole numbers from 0")
    wide = (1,) * (len(times) - len(x)) + x
    apart = tuple(size for one in wide for size in (1, one))
    full = tuple(size for pair in zip(times, wide, strict=True) for size in pair)
    shape = tuple(some * size for some, size in zip(times, wide, strict=True))
    return f"reshape(expand(reshape(x, {apart}), {full}), {shape})"


def _tile(x: Shape, dims: Param) -> str:
    times = numbers("dims", dims)
    return _repeat(x, (1,) * (len(x) - len(times)) + times)


def _repeat_interleave(x: Shape, repeats: Param, dim: Param = None) -> str:
    flat, at = (f"reshape(x, ({prod(x)},))", 0) if dim is None or not x else ("x", axis(dim, len(x)))
    size = prod(x) if dim is None or not x else x[at]
    times = numbers("repeats", repeats)
    if len(times) not in (1, size) or any(one < 0 for one in times):
        raise ValueError(f"repeats is one whole number, or one for each of the {size} elements along this dim")
    times = times * (size if len(times) == 1 else 1)
    countable((sum(times),))
    return f"{flat}[{':, ' * at}{[k for k, some in enumerate(times) for _ in range(some)]}]"


# --- combined ----------------------------------------------------------------------------------------


def _broadcast_tensors(*x: Shape, result: Param = 0) -> str:
    return f"expand(x_{chosen(len(x), result)}, {broadcast(*x)})"


def _vectors(name: str, x: tuple[Shape, ...]) -> tuple[int, ...]:
    if any(len(one) > 1 for one in x):
        raise ValueError(f"{name} takes vectors")
    return tuple(map(prod, x))


def _meshgrid(*x: Shape, indexing: Param = "ij", result: Param = 0) -> str:
    sizes, at = _vectors("meshgrid", x), chosen(len(x), result)
    made = f"expand(reshape(x_{at}, {tuple(size if k == at else 1 for k, size in enumerate(sizes))}), {sizes})"
    return f"permute({made}, {(1, 0, *range(2, len(x)))})" if indexing == "xy" and len(x) > 1 else made


def _cartesian_prod(*x: Shape) -> str:
    sizes = _vectors("cartesian_prod", x)
    if any(len(one) != 1 for one in x):
        raise ValueError("cartesian_prod takes vectors")
    if len(x) == 1:
        return "x_0"
    parts = [f"reshape({_meshgrid(*x, result=k)}, {(prod(sizes), 1)})" for k in range(len(x))]
    return f"cat([{', '.join(parts)}], dim=1)"


def _combinations(x: Shape, r: Param = 2, with_replacement: Param = False) -> str:
    if len(x) != 1:
        raise ValueError(f"combinations takes a vector, and this tensor has {len(x)} dimensions")
    choose = combinations_with_replacement if with_replacement else combinations
    count = count_of("r", r, 1)
    countable((comb(x[0] + count - 1 if with_replacement else x[0], count), count) if count < MAX_PICKED else (count,))
    found = whole("places", tuple(choose(range(x[0]), count)))
    if not found.size:
        raise ValueError(f"the choice of {r} among {x[0]} elements is empty")
    return picked("x", x, found)


# fmt: off
ROWS: tuple[Composite, ...] = (
    # --- joined ---
    Composite("stack", ("x",), ("dim",), _stack, ("stack([v, v])", "stack([a, a], dim=1)"), torch=lambda m, *x, dim=0: m.stack(x, dim=dim), summary="tensors joined along a new dim"),
    Composite("hstack", ("x",), (), _joined(1, 1, "hstack"), ("hstack([v, u])", "hstack([a, a])"), torch=lambda m, *x: m.hstack(x), summary="tensors joined along their columns"),
    Composite("vstack", ("x",), (), _joined(0, 2, "vstack"), ("vstack([v, a])",), torch=lambda m, *x: m.vstack(x), summary="tensors joined along their rows"),
    Composite("dstack", ("x",), (), _joined(2, 3, "dstack"), ("dstack([a, a])",), torch=lambda m, *x: m.dstack(x), summary="tensors joined along a third dim"),
    Composite("column_stack", ("x",), (), _joined(1, 1, "column_stack"), ("column_stack([u, a])",), torch=lambda m, *x: m.column_stack(x), summary="vectors as columns, and matrices, joined along the columns"),
    Composite("block_diag", ("x",), (), _block_diag, ("block_diag(a, v, s)",), many=True, torch=lambda m, *x: m.block_diag(*x), summary="matrices along the diagonal of one, and 0 elsewhere"),

    # --- repeated ---
    Composite("repeat", ("x",), ("repeats",), _repeat, ("v.repeat(2, 2)",), torch=lambda m, x, repeats: x.repeat(repeats), summary="copies side by side along every dim"),
    Composite("tile", ("x",), ("dims",), _tile, ("tile(a, (2,))", "tile(v, (2, 1))"), summary="copies side by side along the last dims"),
    Composite("repeat_interleave", ("x",), ("repeats", "dim"), _repeat_interleave, ("repeat_interleave(a, 2)", "repeat_interleave(a, [1, 0, 2], 1)"), indices=("repeats",), summary="every element several times in a row"),

    # --- combined ---
    Composite("broadcast_tensors", ("x",), (), _broadcast_tensors, ("broadcast_tensors(v, reshape(v, (3, 1)))[0]",), many=True, results=("tensors*",), torch=lambda m, *x: m.broadcast_tensors(*x), summary="tensors broadcast to one shape"),
    Composite("meshgrid", ("x",), ("indexing",), _meshgrid, ("meshgrid(v, v[:2], indexing='ij')[1]", "meshgrid(v, v[:2], indexing='xy')[0]"), many=True, words={"indexing": ("ij", "xy")}, results=("grids*",), torch=lambda m, *x, indexing="ij": m.meshgrid(*x, indexing=indexing), summary="the coordinates of a grid"),
    Composite("cartesian_prod", ("x",), (), _cartesian_prod, ("cartesian_prod(v, u)",), many=True, torch=lambda m, *x: m.cartesian_prod(*x), summary="every choice of one element from each vector"),
    Composite("combinations", ("x",), ("r", "with_replacement"), _combinations, ("combinations(v)", "combinations(u, 3, with_replacement=True)"), summary="every choice of r elements of a vector"),
)
# fmt: on
