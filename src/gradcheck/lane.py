"""A lane: one way of getting torch's numbers, by way of differentiating, engine, device and dtype."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.ways import PLAIN, Way

EAGER, VMAP, AOT_EAGER, INDUCTOR = "eager", "vmap", "aot_eager", "inductor"
COMPILED = (AOT_EAGER, INDUCTOR)
"""The backends of torch.compile."""
ENGINES = (EAGER, VMAP, *COMPILED)
"""What runs the operations: torch as it is, the batching rules of torch.vmap over all points, or compiled code."""

CPU = "cpu"
"""The device where nobody names another."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way of getting torch's numbers.

    >>> str(Lane("float32")), str(Lane("float64", Way.parse("fwd-rev"), "inductor", "cuda"))
    ('rev', 'fwd-rev inductor cuda')
    """

    dtype: str
    way: Way = PLAIN
    engine: str = EAGER
    device: str = CPU

    @property
    def is_plain(self) -> bool:
        """Return whether this is the plain backward pass of torch as it is."""
        return self.way.is_plain and self.engine == EAGER

    @property
    def names(self) -> tuple[str, ...]:
        """Return its dtype, its way, its engine and its device, which no other of the four is called."""
        return self.dtype, str(self.way), self.engine, self.device

    @property
    def title(self) -> str:
        """Return what tells it from all other lanes.

        >>> Lane("float32").title, Lane("float32", device="cuda").title
        ('float32 rev eager', 'float32 rev eager cuda')
        """
        return " ".join(self.names[:3] if self.device == CPU else self.names)

    @property
    def told(self) -> str:
        """Return how torch gets there, in the words behind a dtype; nothing for the plain backward pass on the cpu.

        >>> Lane("float32").told, Lane("float32", device="cuda").told, Lane("float32", Way.parse("fwd")).told
        ('', ' on cuda', ' by fwd')
        """
        if not self.is_plain:
            return f" by {self}"
        return "" if self.device == CPU else f" on {self.device}"

    def __str__(self) -> str:
        engine = "" if self.engine == EAGER else f" {self.engine}"
        return f"{self.way}{engine}{'' if self.device == CPU else f' {self.device}'}"
