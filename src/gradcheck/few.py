"""The worst of very many outcomes, as they go from one process to another."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import overload

from gradcheck.errors import UsageProblem
from gradcheck.gradients import Gradients
from gradcheck.lane import Lane
from gradcheck.outcome import CHOICE, Outcome, Outcomes, Tally
from gradcheck.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Few(Outcomes):
    """The worst of many outcomes by their places, the worst first, and what is known of all."""

    length: int
    known: Tally
    kept: dict[int, Outcome]

    def __len__(self) -> int:
        return self.length

    @property
    def tally(self) -> Tally:
        """Return how many elements have each verdict."""
        return self.known

    @overload
    def __getitem__(self, k: int) -> Outcome: ...
    @overload
    def __getitem__(self, k: slice) -> tuple[Outcome, ...]: ...
    def __getitem__(self, k: int | slice) -> Outcome | tuple[Outcome, ...]:
        """Return one outcome, or several; raises UsageProblem for one that is not at hand."""
        if isinstance(k, slice):
            return tuple(self[j] for j in range(*k.indices(len(self))))
        if (place := range(len(self))[k]) not in self.kept:
            raise UsageProblem(f"of {len(self):,} outcomes the worst {len(self.kept)} are at hand, not {place}")
        return self.kept[place]

    def worst(self, most: int, failing: Collection[Verdict] = ()) -> tuple[Outcome, ...]:  # noqa: ARG002 - they are in order
        """Return so many outcomes, the worst in their order."""
        return tuple(self.kept[k] for k in sorted([*self.kept][:most]))

    def few(self, most: int, failing: Collection[Verdict]) -> Few:  # noqa: ARG002 - they are in order
        """Return less of them."""
        return Few(self.length, self.known, {k: self.kept[k] for k in [*self.kept][:most]})

    def of(self, wanted: Callable[[Lane], bool]) -> Few:  # noqa: ARG002 - there is none to choose
        """Refuse to choose: the others are not at hand."""
        raise UsageProblem(f"of {len(self):,} outcomes the worst {len(self.kept)} are at hand, in all lanes")

    @property
    def gradients(self) -> Gradients:
        """Refuse what is not at hand."""
        raise UsageProblem(f"of {len(self):,} outcomes the worst {len(self.kept)} are at hand", hint=CHOICE)
