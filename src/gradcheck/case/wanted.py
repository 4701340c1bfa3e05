"""What is to be mended: one number that torch got wrong, of a gradient or of the output."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.compare import Judgement
from gradcheck.errors import Span
from gradcheck.formats import Ball
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """One element ``k`` of the gradient by an input, or of the output where ``name`` is None, and its fault's place.

    With ``floors`` it may be mended by other functions, which have a derivative where this one has none.
    """

    name: str | None
    k: int
    judgement: Judgement
    truth: Ball | None
    number: float | None
    place: Span | None
    floors: bool = False

    @classmethod
    def of(cls, gradient: GradientOutcome, k: int, place: Span | None) -> Wanted:
        """Return an element of a gradient."""
        return cls(gradient.input, k, gradient.judgements[k], gradient.ball(k), gradient.number(k), place)

    def found(self, outcome: Outcome | None, k: int) -> Judgement | None:
        """Return the judgement of another outcome on this, at the place ``k`` there; None where there is none."""
        if outcome is None or outcome.value is None:
            return None
        if self.name is None:
            return outcome.value.judgements[k]
        return next((one.judgements[k] for one in outcome.gradients if one.input == self.name), None)
