"""Windows over an image: sizes, and the places of the elements that each window reads, for definitions as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

from gradcheck.errors import LimitProblem
from gradcheck.functions.params import shape_text
from gradcheck.program import Param, Shape

MAX_READ = 100_000
"""Elements of an image, and elements that all its windows read together; their places are written out."""

Place = int | None
"""A place in an image whose axes are joined into one; None is outside of it."""


def each(value: Param, count: int, name: str, least: int = 1, *, single: bool = True) -> tuple[int, ...]:
    """Return a number for each of the axes of an image: one for all of them, or a tuple.

    A tuple of a ``single`` number is one for all of them, where torch takes it so.

    >>> each(2, 3, "stride"), each((1, 2), 2, "stride"), each((2,), 3, "stride")
    ((2, 2, 2), (1, 2), (2, 2, 2))
    """
    given = value if isinstance(value, tuple) else (value,)
    items = given * count if not isinstance(value, tuple) or (single and len(given) == 1) else given
    whole = tuple(one for one in items if isinstance(one, int) and not isinstance(one, bool) and one >= least)
    if len(whole) != len(items):
        raise ValueError(f"{name} is made of whole numbers from {least}")
    if len(whole) != count:
        raise ValueError(f"{name} is one number, or {count} of them")
    return whole


def image(x: Shape, axes: int, name: str) -> tuple[int, int, Shape]:
    """Return the samples, the channels and the sizes of a batch of images, or of one image.

    >>> image((2, 5, 5), 2, "conv2d"), image((1, 2, 5, 5), 2, "conv2d")
    ((1, 2, (5, 5)), (1, 2, (5, 5)))
    """
    if len(x) not in (axes + 1, axes + 2):
        raise ValueError(
            f"{name} takes a tensor of {axes + 2} dimensions (batch, channels, {axes} of the image), or of {axes + 1} "
            f"without a batch; this one is {shape_text(x)}"
        )
    return (1 if len(x) == axes + 1 else x[0]), x[-axes - 1], x[-axes:]


def check_amount(amount: int, what: str) -> None:
    """Raise LimitProblem where the places of too many elements would be written out."""
    if amount > MAX_READ:
        raise LimitProblem(f"{amount:,} {what}; the limit (MAX_READ) is {MAX_READ:,}")


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one size over an image: how far they step, what is added before and after, and the gaps in them.

    >>> windows = Windows((3,), (2,), padding=((1, 0),))
    >>> windows.counts, [list(one) for one in windows.taps()]
    ((3,), [[None, 0, 1], [0, 1, 2]])
    """

    image: Shape
    kernel: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    padding: tuple[tuple[int, int], ...] = ((0, 0),)
    dilation: tuple[int, ...] = (1,)
    ceil: bool = False

    @property
    def axes(self) -> Iterator[tuple[int, int, int, tuple[int, int], int]]:
        """Yield the size of the image along each axis with the size, step, padding and gap of windows."""
        count = len(self.image)
        stride, padding, dilation = (
            one * count if len(one) == 1 else one for one in (self.stride, self.padding, self.dilation)
        )
        yield from zip(self.image, self.kernel, stride, padding, dilation, strict=True)

    @property
    def counts(self) -> tuple[int, ...]:
        """Return how many windows there are along each axis."""
        found = []
        for size, kernel, stride, (before, after), dilation in self.axes:
            free = size + before + after - dilation * (kernel - 1) - 1
            count = (free + (stride - 1) * self.ceil) // stride + 1
            # aten/src/ATen/native/Pool.h: no window begins behind the image and the padding before it
            count -= self.ceil and (count - 1) * stride >= size + before
            if count < 1:
                raise ValueError(
                    f"a window of {dilation * (kernel - 1) + 1} does not fit into {size + before + after} elements with the padding"
                )
            found.append(count)
        return tuple(found)

    def taps(self, counts: Shape | None = None) -> Iterator[list[Place]]:
        """Yield for each place in a window what all windows read there, or as many of them as are asked for."""
        rules = list(self.axes)
        check_amount(prod(self.kernel) * prod(counts or self.counts), "elements in all windows")
        for tap in product(*map(range, self.kernel)):
            yield [
                flat(
                    [at * rule[2] + t * rule[4] - rule[3][0] for at, t, rule in zip(window, tap, rules, strict=True)],
                    self.image,
                )
                for window in product(*map(range, counts or self.counts))
            ]

    def readers(self, counts: Shape | None = None) -> list[list[int]]:
        """Return for each element of the image all that read it: the places among windows after windows, tap by tap.

        >>> Windows((3,), (2,)).readers()
        [[0], [1, 2], [3]]
        """
        check_amount(prod(self.image), "elements of the image")
        found: list[list[int]] = [[] for _ in range(prod(self.image))]
        for k, place in enumerate(place for tap in self.taps(counts) for place in tap):
            if place is not None:
                found[place].append(k)
        return found


def flat(place: Sequence[int], sizes: Sequence[int]) -> Place:
    """Return the place of an element among all of them in row-major order, None where it is outside.

    >>> flat((1, 2), (2, 3)), flat((2, 0), (2, 3))
    (5, None)
    """
    found = 0
    for at, size in zip(place, sizes, strict=True):
        if not 0 <= at < size:
            return None
        found = found * size + at
    return found


def pick(name: str, shape: Shape, places: Sequence[Place], outside: str = "0") -> str:
    """Return the elements at places along the last axis of what is called ``name``; outside of it stands a number.

    Every number from outside has a place of its own, so that it makes nothing repeat that does not.

    >>> pick("x", (2, 3), [2, 0]), pick("x", (2, 3), [None, 0])
    ('x[:, [2, 0]]', 'cat([x, expand(0, (2, 1))], dim=1)[:, [3, 0]]')
    """
    size, missing, key = shape[-1], 0, []
    for place in places:
        key.append(size + missing if place is None else place)
        missing += place is None
    lead = ":, " * (len(shape) - 1)
    if missing:
        name = f"cat([{name}, expand({outside}, {(*shape[:-1], missing)})], dim={len(shape) - 1})"
    return f"{name}[{lead}{key}]"


def joined(shape: Shape, axes: int) -> Shape:
    """Return a shape with its last axes joined into one.

    >>> joined((2, 3, 4), 2)
    (2, 12)
    """
    return (*shape[: len(shape) - axes], prod(shape[len(shape) - axes :]))


def added(name: str, shape: Shape, terms: Sequence[Sequence[int]], stored: bool) -> str:
    """Return the sum for each element of a result of its terms along the last axis of what is called ``name``.

    ``stored`` has one addition after the other, each rounded to the format; the lines before it are named ``t``.

    >>> print(added("p", (2, 3), [[0, 1], [2]], False))
    t = reshape(cat([p, expand(0, (2, 1))], dim=1)[:, [0, 2, 1, 3]], (2, 2, 2))
    sum(t, dim=1)
    """
    most = max(1, *map(len, terms))
    places = [one[k] if k < len(one) else None for k in range(most) for one in terms]
    lead, axis = ":, " * (len(shape) - 1), len(shape) - 1
    lines = [f"t = reshape({pick(name, shape, places)}, {(*shape[:-1], most, len(terms))})"]
    if most > 1 and not stored:
        return "\n".join([*lines, f"sum(t, dim={axis})"])
    total = f"t[{lead}0]"
    for k in range(1, most):
        lines.append(f"t_{k} = {total} + t[{lead}{k}]")
        total = f"t_{k}"
    return "\n".join([*lines, total])


def in_turn(numbers: Sequence[Fraction | int]) -> str:
    """Return a vector of plain numbers: of few that differ, or of parts of a whole.

    >>> in_turn([4, 2, 2]), in_turn([1, 1])
    ('cat([expand(4, (1,)), expand(2, (1,))], dim=0)[[0, 1, 1]]', 'expand(1, (2,))')
    """
    distinct = list(dict.fromkeys(numbers))
    if len(distinct) == 1:
        return f"expand({distinct[0]}, ({len(numbers)},))"
    parts = ", ".join(f"expand({one}, (1,))" for one in distinct)
    places = {one: k for k, one in enumerate(distinct)}
    key = [places[one] for one in numbers]
    return f"cat([{parts}], dim=0)" + ("" if key == [*range(len(key))] else f"[{key}]")
