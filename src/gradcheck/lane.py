"""A lane: one way of getting torch's numbers, by way of differentiating, engine, device and dtype."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.ways import PLAIN, Way

EAGER, VMAP, AOT_EAGER, INDUCTOR = "eager", "vmap", "aot_eager", "inductor"
COMPILED = (AOT_EAGER, INDUCTOR)
"""The backends of torch.compile."""
ENGINES = (EAGER, VMAP, *COMPILED)
"""What runs the operations: torch as it is, the batching rules of torch.vmap over all points, or compiled code."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way of getting torch's numbers.

    >>> str(Lane("float32")), str(Lane("float64", Way.parse("fwd-rev"), "inductor", "cuda"))
    ('rev', 'fwd-rev inductor cuda')
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
        engine = "" if self.engine == EAGER else f" {self.engine}"
        return f"{self.way}{engine}{'' if self.device == 'cpu' else f' {self.device}'}"
