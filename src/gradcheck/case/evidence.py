"""What explains the numbers of one case that are beyond the tolerance: its operations one by one, or the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.autograd import Backward, Mismatch
from gradcheck.blame import Blame, Cause
from gradcheck.case.elements import Elements, Floats, Truths, bits
from gradcheck.compare import Judgement, Rounding
from gradcheck.diagnose import Graph, Site, faults, graph, misadded, ruled, touched
from gradcheck.diagnose.graph import inputs
from gradcheck.diagnose.scene import broken, descendants
from gradcheck.diagnose.touched import Touched
from gradcheck.formats import Ball
from gradcheck.outcome import Fault
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck.case.one import Case

MAX_NUMBERS = 10_000_000
"""Numbers on the way of a program up to which its operations are taken one by one."""
MAX_FAULTS = 16
"""Operations of one program that are reported as wrong."""


class Evidence:
    """The evidence on one case; each kind is gathered once, when it is asked for.

    Where torch shows its operations, each is judged at the numbers that it got: one that is wrong proves the whole
    wrong, and where all are right rounding explains the difference, whatever the bound over the whole program.
    """

    def __init__(self, case: Case, first: Backward, copy: int | None) -> None:
        """``first`` is the run without its operations; ``copy`` counts what vectorised kernels made of the point."""
        self.case = case
        self.first = first
        self.copy = copy

    @cached_property
    def run(self) -> Backward:
        """Return torch's run with every operation on the way."""
        case = self.case
        if self.copy is None:
            return case.with_operations
        found = case.vectorised(traced=True)
        return found[self.copy] if self.copy < len(found) else self.first

    def gave(self, name: str | None, k: int, value: float) -> bool:
        """Return whether torch's number for one element comes from this run."""
        return _gave(self.first, self.case.plan.program.output, name, k, value)

    @cached_property
    def graph(self) -> Graph | None:
        """Return the operations, each with the ruling on it; None where there are too many numbers."""
        case = self.case
        if case.numbers > MAX_NUMBERS or not case.shows_operations:
            return None
        node = case.plan.node
        truth = case.truths.get(node.core, case.arrays)
        values = partial(truth.values, case.bits)
        made = graph(case.plan.program, node, values, case.arrays, self.run, case.format, case.bits)
        return ruled(made, case.tolerance)

    @cached_property
    def faults(self) -> list[Fault]:
        """Return the operations that are proven wrong."""
        if self.graph is None:
            return []
        return [
            Fault(Judgement(Verdict.DISAGREE, None if ulps == inf else ulps, blame.message), blame)
            for ulps, blame in faults(self.graph)[:MAX_FAULTS]
        ]

    def blamed(self, name: str | None, k: int) -> Blame | None:
        """Return the operation that is proven wrong, where an element of a gradient or of the value depends on it."""
        if self.graph is None or (wrong := self.wrong(name)) is None or not self.touched(name)[k]:
            return None
        found = (one.blame for one in self.faults if one.blame.operation == wrong)
        return next((replace(one, element=k) for one in found), None)

    def rounding(self, name: str | None, k: int, truth: Ball, value: float, *, smooth: bool) -> Rounding:
        """Return what the roundings have to do with torch's number for one element of a gradient, or of the value.

        Where the element is not ``smooth``, torch may have taken a branch that leads away from the derivative, with
        every operation right: then only the rounding enclosure of the whole tells.
        """
        if smooth and self.is_seen(name, k, value):
            wrong = self.wrong(name) if self.touched(name)[k] else None
            sensitive = wrong is None and self.case.whole.is_sensitive(name, k, truth)
            return Rounding(wrong is None, wrong, self.overflow, sensitive)
        whole = self.case.whole
        enclosed, overflow = whole.enclosed(name, k)
        # Numbers that Python rounds before torch sees them may lead the whole away from the truth: not so off a corner.
        led_away = not smooth and enclosed is not None and not enclosed.overlaps(truth)
        within = whole.admits(name, k, overflow) if enclosed is None else enclosed.contains(value)
        explains = within and not led_away
        return Rounding(explains, None, overflow, explains and whole.is_sensitive(name, k, truth))

    def explain(self, one: Elements, name: str | None, at: list[int]) -> None:
        """Judge many smooth elements anew by what the roundings have to do with torch's numbers for them."""
        assert one.torch is not None
        whole, fmt = self.case.whole, self.case.format
        seen = self.are_seen(name, at, one.torch[at])
        sensitive = partial(whole.are_sensitive, one, name)
        if shown := [k for k, yes in zip(at, seen.tolist(), strict=True) if yes]:
            wrong = self.wrong(name)
            explains = np.ones(len(shown), np.bool_) if wrong is None else ~self.touched(name)[shown]
            one.explain_all(shown, explains, Rounding(True, wrong, self.overflow), sensitive, fmt)
        if hidden := [k for k, yes in zip(at, seen.tolist(), strict=True) if not yes]:
            explains = whole.explains(name, hidden, one.torch[hidden])
            one.explain_all(hidden, explains, Rounding(True, None, whole.bounds[1]), sensitive, fmt)

    # --- operation by operation ---

    def is_seen(self, name: str | None, k: int, value: float) -> bool:
        """Return whether every operation behind one of torch's numbers could be judged, and gave this very number."""
        graph = self.graph
        if graph is None or not all(one.seen for one in graph.rulings.values()) or name in self.misadded:
            return False
        return bool(graph.sites) and _gave(self.run, self.case.plan.program.output, name, k, value)

    def are_seen(self, name: str | None, at: list[int], values: Floats) -> Truths:
        """Return the same for many numbers."""
        found = self.run.layers[self.case.plan.program.output] if name is None else self.run.gradients[name]
        if found is None or not self.is_seen(name, at[0], found.array.item(at[0])):
            return np.zeros(len(at), np.bool_)
        same: Truths = bits(found.array.ravel()[at]) == bits(values)
        return same

    @cached_property
    def misadded(self) -> frozenset[str]:
        """Return the inputs whose gradient is not the sum of what flowed back to them."""
        return frozenset() if self.graph is None else misadded(self.graph, self.run.gradients)

    def wrong(self, name: str | None) -> str | None:
        """Return the first operation behind the gradient by an input, or behind the value, that is proven wrong."""
        assert self.graph is not None
        for one in self.graph.plain:
            if not self.graph.rulings[one.call].right:
                return one.call.op
        for site in self.graph.sites:
            ruling = self.graph.rulings[site.call]
            backward = any(name in inputs(site.sources[position]) for position in ruling.pulled)
            if (ruling.value is not None and (name is None or _meets(site, name))) or (name is not None and backward):
                return site.call.op
        return None

    @cached_property
    def _touched(self) -> Touched:
        assert self.graph is not None
        return touched(self.graph)

    def touched(self, name: str | None) -> Truths:
        """Return which elements of the gradient by an input, or of the value, depend on what is proven wrong."""
        found = self._touched.output if name is None else self._touched.gradients[name]
        return found.ravel()

    @cached_property
    def overflow(self) -> str | None:
        """Return the first operation whose value the format cannot hold."""
        if self.graph is None:
            return None
        large = (site for site in self.graph.sites if _overflows(site, self.graph))
        return next((site.call.op for site in large), None)


def _gave(run: Backward, output: str, name: str | None, k: int, value: float) -> bool:
    found = run.layers[output] if name is None else run.gradients[name]
    return found is not None and found.array.item(k).hex() == value.hex()


def once(found: Iterable[Fault]) -> list[Fault]:
    """Return the faults, one of those that are one operation's in one way."""
    return list({(one.blame.cause, one.blame.span): one for one in found}.values())


def mismatched(one: Mismatch) -> Fault:
    """Return the fault of a callable under test that returns another kind of tensor than torch's own function."""
    whose = f"the backward of {one.op}" if one.backward else one.op
    message = f"{whose} returned a tensor of {one.what} {one.got}, and torch's own has {one.wanted}"
    cause = Cause.WRONG_GRADIENT if one.backward else Cause.WRONG_VALUE
    return Fault(Judgement(Verdict.DISAGREE, note=message), Blame(0, cause, one.op, one.span, message))


def _meets(site: Site, name: str) -> bool:
    """Return whether a value flows into something that an input flows into, too: its gradient depends on the value."""
    return any(name in one.inputs for one, _ in descendants(site))


def _overflows(site: Site, traced: Graph) -> bool:
    """Return whether an operation made infinity of finite numbers, in its value or on the way back."""
    if traced.rulings[site.call].overflow is None or any(map(broken, site.torch.args)):
        return False
    back = not broken(site.torch.cotangent) and any(map(broken, site.torch.pulled))
    return back or broken(site.torch.value)
