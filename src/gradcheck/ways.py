"""The ways of differentiating: nestings of reverse and forward mode, written outermost first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from gradcheck.errors import UsageProblem

REVERSE, FORWARD = "rev", "fwd"
STEPS = (REVERSE, FORWARD)
MAX_ORDER = 4
"""Order up to which ways are nested; a gradient program grows by a factor with each."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of getting derivatives from torch: its steps, the outermost first.

    ``fwd-rev`` is forward over reverse. A ``graph`` of several reverse passes is made by ``create_graph=True`` and
    ``backward()``; without it each step is a transform of torch.func. The plain ``rev`` is ``out.sum().backward()``.

    >>> Way.parse("fwd-rev").steps, Way.parse("double-backward").order
    (('fwd', 'rev'), 2)
    """

    steps: tuple[str, ...]
    graph: bool = False

    @staticmethod
    def parse(text: str) -> Way:
        """Return a way by its name; raises UsageProblem for what is none."""
        if text in _GRAPHS:
            return Way((REVERSE,) * _GRAPHS[text], graph=True)
        steps = tuple(text.split("-"))
        unknown = next((one for one in steps if one not in STEPS), None)
        if unknown is not None:
            raise UsageProblem(
                f"unknown way {text!r}",
                hint=f"a way is made of rev and fwd, such as rev, fwd or fwd-rev; or it is {' or '.join(_GRAPHS)}",
            )
        if len(steps) > MAX_ORDER:
            raise UsageProblem(f"{text} has the order {len(steps)}; the limit (MAX_ORDER) is {MAX_ORDER}")
        return Way(steps)

    @property
    def name(self) -> str:
        """Return the name, which parses back to this way."""
        return next(name for name, order in _GRAPHS.items() if order == self.order) if self.graph else self.nesting

    @property
    def nesting(self) -> str:
        """Return the steps, joined."""
        return "-".join(self.steps)

    @property
    def order(self) -> int:
        """Return the order of the derivative."""
        return len(self.steps)

    @property
    def outermost(self) -> str:
        """Return the step that makes the numbers that are compared."""
        return self.steps[0]

    @property
    def inner(self) -> tuple[str, ...]:
        """Return the steps along directions, in the order in which they are taken."""
        return self.steps[:0:-1]

    @property
    def is_plain(self) -> bool:
        """Return whether this is the plain backward pass."""
        return self.steps == (REVERSE,)

    def __str__(self) -> str:
        return self.name


PLAIN = Way((REVERSE,))
_GRAPHS = {"double-backward": 2, "triple-backward": 3}


def nestings(order: int) -> Iterator[Way]:
    """Yield all ways of one order; that of several backward passes by graphs is among them.

    >>> [str(one) for one in nestings(2)]
    ['rev-rev', 'rev-fwd', 'fwd-rev', 'fwd-fwd', 'double-backward']
    """
    yield from map(Way, product(STEPS, repeat=order))
    if order in _GRAPHS.values():
        yield Way((REVERSE,) * order, graph=True)


def ways(texts: Iterable[str]) -> tuple[Way, ...]:
    """Return ways by their names, each once; a text may hold several, joined by commas, and ``all`` is those of order 1
    and 2.

    >>> [str(one) for one in ways(["rev,fwd", "rev"])]
    ['rev', 'fwd']
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    found = [
        one for name in names for one in (
            [*nestings(1), *nestings(2)] if name == "all" else [Way.parse(name)]
        )
    ]  # fmt: skip
    return tuple(dict.fromkeys(found))
