"""What the inquiries of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from gradcheck.case.misstated import broken_rule
from gradcheck.plan import Plan
from gradcheck.program import Program, Shape
from gradcheck.rewrites import Rewrite, rewrites
from gradcheck.work import SECONDS, Budget

MAX_FOUND = 200
"""Rewrites that are looked for in one program."""


@dataclass(slots=True)
class Search:
    """What the inquiries of one run share: how much work is left, rewrites and their plans, each made once."""

    blames: Budget = field(default_factory=Budget)
    fixes: Budget = field(default_factory=Budget)
    rewritten: dict[tuple[str, str, bool], list[Rewrite]] = field(default_factory=dict)
    plans: dict[tuple[str, str, tuple[str, ...]], Plan] = field(default_factory=dict)
    rules: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def rewrites(self, program: Program, shapes: dict[str, Shape], *, floors: bool) -> list[Rewrite]:
        """Return the rewrites of a program at these shapes; floors are of use where there is no derivative."""
        key = program.source, repr(shapes), floors
        if key not in self.rewritten:
            with self.fixes.spending():
                found = rewrites(program, shapes, self.fixes.enough, floors=floors)
                self.rewritten[key] = list(islice(found, MAX_FOUND))
        return self.rewritten[key]

    def plan(self, program: Program, shapes: dict[str, Shape], wrt: tuple[str, ...]) -> Plan:
        """Return the plan of a rewritten program."""
        key = program.source, repr(shapes), wrt
        if key not in self.plans:
            self.plans[key] = Plan.make(program, shapes, wrt)
        return self.plans[key]

    def rule(self, plan: Plan, name: str) -> str | None:
        """Return what makes the stated derivative by an input wrong everywhere, None where that is not known."""
        key = name, repr(plan.inputs())
        if key not in self.rules:
            self.rules[key] = broken_rule(plan, name)
        return self.rules[key]

    def notes(self) -> list[str]:
        """Return what was not looked for, because there was no more time for it."""
        left = {"what is at fault": self.blames.refused, "what to write instead": self.fixes.refused}
        what = " and ".join(words for words, refused in left.items() if refused)
        return [f"the search for {what} stopped after {SECONDS:g} s; the verdicts are whole"] if what else []
