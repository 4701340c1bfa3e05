"""A lane: one way of getting torch's numbers, by way of differentiating, engine, device and dtype."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.ways import PLAIN, Way

EAGER = "eager"
ENGINES = (EAGER, "aot_eager", "inductor")
"""What runs the operations: torch as it is, or one of torch.compile's backends."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way of getting torch's numbers.

    >>> str(Lane("float32")), str(Lane("float64", Way.parse("fwd-rev"), "inductor"))
    ('rev', 'fwd-rev inductor')
    """

    dtype: str
    way: Way = PLAIN
    engine: str = EAGER
    device: str = "cpu"

    @property
    def is_plain(self) -> bool:
        """Return whether this is the plain backward pass of torch as it is."""
        return self.way.is_plain and self.engine == EAGER

    @property
    def names(self) -> tuple[str, ...]:
        """Return its dtype, its way and its engine, which no other of the three is called."""
        return self.dtype, str(self.way), self.engine

    def __str__(self) -> str:
        return str(self.way) if self.engine == EAGER else f"{self.way} {self.engine}"
