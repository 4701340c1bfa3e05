"""Static parameters (dim, keepdim, shape, ...): how torch reads them, in one canonical form."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from gradcheck.program import Param, Shape


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: ``2 x 3``, or ``scalar``.

    >>> shape_text((2, 3)), shape_text(())
    ('2 x 3', 'scalar')
    """
    return " x ".join(map(str, shape)) if shape else "scalar"


def broadcast(*shapes: Shape) -> Shape:
    """Return the common shape of tensors that meet elementwise; it may be larger than any memory.

    >>> broadcast((2, 1), (3,), ())
    (2, 3)
    """
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*padded, strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError("the shapes do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def axis(dim: Param, rank: int) -> int:
    """Return one dim as a non-negative int; a scalar has the dims 0 and -1, as in torch.

    >>> axis(-1, 3), axis(0, 0)
    (2, 0)
    """
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise ValueError("dim must be an integer")
    size = max(rank, 1)
    if not -size <= dim < size:
        raise ValueError(f"dim {dim} does not exist: the tensor has {rank} dimension{'s' * (rank != 1)}")
    return dim % size


def axes(dim: Param, rank: int) -> tuple[int, ...]:
    """Return dims as a tuple of distinct non-negative ints; None and the empty tuple mean all of them, as in torch.

    >>> axes(None, 2), axes((-1,), 2)
    ((0, 1), (1,))
    """
    if dim is None or dim == ():
        return tuple(range(rank))
    found = tuple(axis(one, rank) for one in (dim if isinstance(dim, tuple) else (dim,)))
    if len(set(found)) < len(found):
        raise ValueError(f"a dim appears twice in {dim}")
    return tuple(one for one in found if one < rank)


def reduced(shape: Shape, dim: Sequence[int], keepdim: bool) -> Shape:
    """Return the shape after a reduction over ``dim``.

    >>> reduced((2, 3), (1,), True), reduced((2, 3), (1,), False)
    ((2, 1), (2,))
    """
    if keepdim:
        return tuple(1 if axis in dim else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in dim)


def order(dims: Param, rank: int) -> tuple[int, ...]:
    """Return a permutation of all the dims.

    >>> order((-1, 0), 2)
    (1, 0)
    """
    found = tuple(axis(one, rank) for one in (dims if isinstance(dims, tuple) else (dims,)))
    if sorted(found) != list(range(rank)):
        raise ValueError(f"permute needs each of the {rank} dims once, not {dims}")
    return found


def reshaped(new: Param, old: Shape) -> Shape:
    """Return a target shape with its ``-1`` worked out.

    >>> reshaped((-1, 2), (4, 3))
    (6, 2)
    """
    sizes = _sizes(new)
    if sizes.count(-1) > 1 or any(size < -1 for size in sizes):
        raise ValueError(f"{sizes} is no shape: only one size may be -1, and none smaller")
    known = prod(size for size in sizes if size != -1)
    if -1 in sizes and known and prod(old) % known == 0:
        sizes = tuple(prod(old) // known if size == -1 else size for size in sizes)
    if prod(sizes) != prod(old) or -1 in sizes:
        raise ValueError(f"cannot reshape {shape_text(old)} ({prod(old)} elements) to {shape_text(_sizes(new))}")
    return sizes


def expanded(new: Param, old: Shape) -> Shape:
    """Return the target of an expand; ``-1`` keeps a size.

    >>> expanded((2, -1), (1, 3))
    (2, 3)
    """
    sizes = _sizes(new)
    lead = len(sizes) - len(old)
    if lead < 0:
        raise ValueError(f"cannot expand {shape_text(old)} to the shorter shape {shape_text(sizes)}")
    wanted = tuple(old[k - lead] if size == -1 and k >= lead else size for k, size in enumerate(sizes))
    if any(have not in (1, want) for have, want in zip(old, wanted[lead:], strict=True)) or any(s < 0 for s in wanted):
        raise ValueError(f"cannot expand {shape_text(old)} to {shape_text(sizes)}")
    return wanted


def _sizes(new: Param) -> tuple[int, ...]:
    items: Sequence[Param] = new if isinstance(new, tuple) else (new,)
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in items):
        raise ValueError("a shape is made of integers")
    return tuple(item for item in items if isinstance(item, int))


def key(given: Param, rank: int) -> Param:
    """Return an index that NumPy and torch read alike; torch takes no negative step.

    >>> key(0, 2), key((slice(None), -1), 2)
    ((0,), (slice(None, None, None), -1))
    """
    items = given if isinstance(given, tuple) else (given,)
    if any(isinstance(item, slice) and item.step is not None and item.step <= 0 for item in items):
        raise ValueError("torch takes no negative or zero step in a slice; flip(x, dims) turns a tensor around")
    if sum(isinstance(item, tuple) for item in items) > 1:
        raise ValueError("only one list of indices is supported in an index")
    if any(isinstance(item, tuple) for item in items) and any(isinstance(item, int) for item in items):
        raise ValueError("a list of indices and an integer in one index are not supported; index twice")
    if any(isinstance(item, int) and abs(item) >= 2**31 for item in items):
        raise ValueError("an index is out of range")
    used = sum(item is not None and item != "..." for item in items)
    if used > rank:
        raise ValueError(f"too many indices: {used} for a tensor of {rank} dimension{'s' * (rank != 1)}")
    return items


def arguments(**params: Param) -> str:
    """Return params as the tail of a call's text, ``, dim=(0,), keepdim=True``.

    >>> arguments(dim=(0,), keepdim=True)
    ', dim=(0,), keepdim=True'
    """
    return "".join(f", {name}={value!r}" for name, value in params.items())


def over_dims(shape: Shape, dim: Param, keepdim: Param = False) -> str:
    """Return the dims of a reduction as the tail of a call's text; a scalar has none.

    >>> over_dims((2, 3), -1), over_dims((), None)
    (', dim=(1,), keepdim=False', '')
    """
    return arguments(dim=axes(dim, len(shape)), keepdim=bool(keepdim)) if shape else ""


def numbers(name: str, value: Param) -> tuple[int, ...]:
    """Return a whole number, or a list of them, as a tuple.

    >>> numbers("dims", (1, 2)), numbers("shifts", 3)
    ((1, 2), (3,))
    """
    items = value if isinstance(value, tuple) else (value,)
    found = tuple(one for one in items if isinstance(one, int) and not isinstance(one, bool))
    if len(found) < len(items):
        raise ValueError(f"{name} is a whole number" if len(items) == 1 else f"{name} are whole numbers")
    if any(abs(one) >= 2**31 for one in found):
        raise ValueError(f"{name} is out of range")
    return found


def count_of(name: str, value: Param, low: int = 0) -> int:
    """Return a whole number from ``low`` on.

    >>> count_of("chunks", 2, 1)
    2
    """
    [found] = numbers(name, (value,))
    if found < low:
        raise ValueError(f"{name} is a whole number from {low}")
    return found


def chosen(count: int, result: Param) -> int:
    """Return which of so many results is wanted, counted from 0.

    >>> chosen(3, -1)
    2
    """
    if not isinstance(result, int) or not -count <= result < count:
        raise ValueError(f"there are {count} results, and no number {result}")
    return result % count
