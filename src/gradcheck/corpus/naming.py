"""Names of checks: no two of a file share one, and a check without a name is called by its expression."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from gradcheck.errors import printable

MAX_SHORT = 60
"""Characters of a name that is made from an expression."""


@dataclass(slots=True)
class Namer:
    """Gives out names; the state is those that are taken, and the lines of the checks that bear them."""

    taken: set[str] = field(default_factory=set)
    lines: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def claim(self, names: Iterable[object]) -> None:
        """Keep the names that the file itself gives from being made from an expression."""
        self.taken.update(name for name in names if isinstance(name, str))

    def take(self, name: str, line: int) -> int | None:
        """Give out a name of the file; return the line of the check that has it already."""
        before = self.lines.get(name)
        self.lines.setdefault(name, line)
        return before

    def name(self, expression: str) -> str:
        """Return a name that nothing else has: the expression, shortened, with a number where that is not enough.

        >>> namer = Namer()
        >>> namer.name("y = x**2\\n2*y"), namer.name("y = x**2; 2*y"), namer.name("y = x**2\\n2*y")
        ('y = x**2 2*y', 'y = x**2; 2*y', 'y = x**2 2*y (2)')
        """
        words = printable(" ".join(expression.split()))
        short = words if len(words) <= MAX_SHORT else f"{words[: MAX_SHORT - 3]}..."
        numbered = (short if k == 1 else f"{short} ({k})" for k in count(self.counts.get(short, 1)))
        name = next(name for name in numbered if name not in self.taken)
        self.taken.add(name)
        self.counts[short] = self.counts.get(short, 1) + 1
        return name
