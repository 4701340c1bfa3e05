"""An explanation as a lesson: headings, sentences, equations and tables in order, the same for every document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gradcheck.explanation.formulas.lines import Line, Numeral, Over, Sign, text
from gradcheck.explanation.formulas.titles import titled
from gradcheck.explanation.model import (
    Accumulation,
    Arrival,
    Chain,
    Derivation,
    Evaluation,
    Explanation,
    Formula,
    Link,
    Numbers,
    Stage,
    Step,
    Tracking,
)
from gradcheck.formats import FORMATS, Ball, Format, exact_text
from gradcheck.program import call, names, unravel
from gradcheck.report.explain_blocks import (
    Block,
    Code,
    Drawing,
    Equation,
    Equations,
    Heading,
    Inline,
    Mark,
    Maths,
    Paragraph,
    Source,
    Strong,
    Table,
    Words,
)
from gradcheck.report.explain_formulas import (
    SHOWN_VALUES,
    header,
    is_one,
    opposite,
    product,
    rounded,
    shape_text,
    shown,
    signed,
    tensor,
    total,
)
from gradcheck.report.places import ulp_text
from gradcheck.report.words import number

SHOWN_ROWS = 24
"""Elements of a gradient in its table."""
EQUALS = Sign("=")
INDICES = re.compile(r"\[[^\[\]]*\]")


def lesson(explanation: Explanation) -> list[Block]:
    """Return the blocks of a document in the order of the lesson."""
    return list(_Lesson(explanation, FORMATS[explanation.dtype]).blocks())


@dataclass(frozen=True, slots=True)
class _Lesson:
    """An explanation with the format of its numbers."""

    explanation: Explanation
    format: Format

    def blocks(self) -> Iterator[Block]:
        one = self.explanation
        yield from self.head()
        yield from self.forward()
        for derivation in one.derivations:
            yield from self.derivation(derivation)
        for chain in one.chains:
            yield from self.chain(chain)
        yield from self.gradients()
        if one.graph is not None:
            yield Heading(("The graph that autograd built",))
            yield Drawing(one.graph)
        for tracking in one.trackings:
            yield from self.tracking(tracking)
        for accumulation in one.accumulations:
            yield from self.accumulation(accumulation)
        yield from self.foot()

    # --- the program, and the way forward ---

    def head(self) -> Iterator[Block]:
        one = self.explanation
        yield Heading((f"Where the gradient of {self.called(one.forward.stages[-1])} comes from",), 1)
        yield Source(one.program.source)
        leaves = one.forward.leaves
        at = [part for leaf in leaves for part in (", ", Code(leaf.name), " = ", self.torch(leaf.numbers))]
        yield Paragraph(("at ", *at[1:], f", in {one.dtype}"))

    def forward(self) -> Iterator[Block]:
        one = self.explanation.forward
        yield Heading(("The forward pass",))
        rows: list[tuple[Words, ...]] = [
            ((Code(leaf.name),), (), (self.torch(leaf.numbers),), (shape_text(leaf.numbers.shape),), (leaf.dtype,),
             ("leaf, requires_grad" if leaf.requires_grad else "leaf, no gradient",))
            for leaf in one.leaves
        ]  # fmt: skip
        rows += [
            ((Code(self.called(stage)),), (Maths((stage.formula,)),), (self.torch(stage.numbers),),
             (shape_text(stage.numbers.shape),), (stage.dtype,), (stage.grad_fn or "none: not tracked",))
            for stage in one.stages
        ]  # fmt: skip
        heads = header("layer", "formula", "value", "shape", "dtype", "grad_fn")
        yield Table(heads, tuple(rows), (2, 4, 6, 2, 2, 4))
        for stage in one.stages:
            if stage.evaluation is not None:
                terms = "The terms of " if len(stage.evaluation.terms) > 1 else ""
                yield Heading((f"{terms}{self.called(stage)} at the point",), 3)
                yield from self.evaluation(stage.evaluation, (titled(self.called(stage)),))

    def called(self, stage: Stage) -> str:
        return "f" if len(self.explanation.forward.stages) == 1 else stage.name

    def evaluation(self, one: Evaluation, left: Line) -> Iterator[Block]:
        """Yield a formula of numbers line by line, and the table of its terms."""
        rows = [Equation((one.formula,), left), Equation((one.substituted,))]
        if len(one.terms) > 1:
            sign = "=" if all(self.is_exact(term.value) for term in one.terms) else "≈"
            rows.append(Equation(self.added(one), sign=sign))
        rows.append(Equation((Numeral(self.first(one.value)),), sign="=" if self.is_exact(one.value) else "≈"))
        yield Equations(tuple(rows))
        if len(one.terms) > 1:
            terms = [
                ((Maths((signed(term.sign, term.formula),)),), (Maths((signed(term.sign, term.substituted),)),),
                 (self.first(term.value) if term.sign > 0 else opposite(self.first(term.value)),))
                for term in one.terms
            ]  # fmt: skip
            yield Table(header("term", "at the point", "value"), tuple(terms), (3, 3, 2), frozenset({2}))

    def added(self, one: Evaluation) -> Line:
        """Return the sum of the terms' values."""
        line: list[Sign | Numeral] = []
        for k, term in enumerate(one.terms):
            value = self.first(term.value)
            if k == 0:
                line.append(Numeral(value if term.sign > 0 else opposite(value)))
            else:
                line += [Sign("+" if term.sign > 0 else "-"), Numeral(value, inner=True)]
        return tuple(line)

    # --- derivations ---

    def derivation(self, one: Derivation) -> Iterator[Block]:
        partial = len(names(one.start.node)) > 1
        title = titled(one.title, partial=partial)
        yield Heading((Maths((title,)), ", step by step"))
        rows = [Equation((rounded(one.start, partial),), (title,))]
        told: set[str] = set()
        for step in one.steps:
            rows.append(Equation((rounded(step.result, partial),), why=tuple(self.rule(step, told, partial))))
            told.add(step.rule.name)
        yield Equations(tuple(rows))
        if one.evaluation is not None:
            yield Paragraph(("At the point:",))
            yield from self.evaluation(one.evaluation, (title,))
        count = sum(ball is not None for ball in one.numbers.exact or ())
        if count:
            place = "at the point" if len(one.numbers.exact or ()) == 1 else f"at {number(count, 'element')}"
            yield Paragraph((f"Each line has the same value {place}: proved by enclosure.",), "note")

    def rule(self, step: Step, told: set[str], partial: bool) -> Iterator[Inline]:
        """Yield the name of a rule, the rule itself, and at its first use a sentence."""
        rule = step.rule
        yield Strong(rule.title)
        if rule.left is not None and rule.right is not None:
            yield ": "
            yield Maths((rounded(rule.left, partial), EQUALS, rounded(rule.right, partial)))
        if rule.name not in told:
            yield f". {rule.sentence}"

    # --- the chain rule ---

    def chain(self, one: Chain) -> Iterator[Block]:
        if len(self.explanation.forward.stages) == 1 and self.explanation.derivations:
            return
        yield Heading((f"The chain rule, from {one.output} back to {one.input}",))
        yield Equations(
            (Equation((Numeral("1"),), (titled(one.arrivals[0].title),), note=("where backward() begins",)),)
        )
        for arrival in one.arrivals[1:]:
            if len(arrival.links) > 1:
                said = f" is used {len(arrival.links)} times: what flows back from each adds up."
                yield Paragraph((Code(arrival.name), said))
            yield Equations(tuple(self.arrival(arrival, one)))
        if len(one.arrivals) > 2:
            yield self.cotangents(one)

    def arrival(self, one: Arrival, chain: Chain) -> Iterator[Equation]:
        """Yield what flows into one name: each partial, the product with what flows in, and the sum."""
        for link in one.links:
            if link.title != one.title:
                yield from self.partial(link)
        lines = [self.brought(one, chain), self.put_in(one, chain)]
        lines += [
            (each,) for each in (one.total, chain.closed if one.name == chain.input else None) if each is not None
        ]
        left: Line = (titled(one.title),)
        seen = {text(left), ""}
        for line in lines:
            if text(line) not in seen:
                seen.add(text(line))
                yield Equation(line, left)
                left = ()
        if left and all(link.title == one.title for link in one.links):
            yield from self.partial(one.links[0])

    def partial(self, link: Link) -> Iterator[Equation]:
        """Yield the partial of one link, as an equation."""
        left = titled(link.title, partial=self.is_partial(link))
        if link.partial is None:
            yield Equation((), (left,), note=(link.why_not or "",))
        elif link.elementwise:
            yield Equation((link.partial,), (left,))
        else:
            # Matrices stand for all of their elements at once.
            above, below = (titled(INDICES.sub("", self.title(name))) for name in (link.above, link.below))
            where = Maths((titled("ct"), EQUALS, above))
            yield Equation((link.partial,), (below,), note=("where ", where))

    def is_partial(self, link: Link) -> bool:
        return any(stage.name == link.above and len(stage.reads) > 1 for stage in self.explanation.forward.stages)

    def brought(self, one: Arrival, chain: Chain) -> Line:
        """Return what the links bring in words of derivatives: ``d out/d z * d z/d y``, and so on, added up."""
        line: list[Formula | Sign | Over] = []
        for link in one.links:
            if not link.elementwise:
                return ()
            line += [Sign("+")] if line else []
            line += [Over(link.over)] if link.over else []
            slope = titled(link.title, partial=self.is_partial(link))
            above = titled(self.title(link.above))
            line.append(slope if link.above == chain.output else Formula(call("mul", above.node, slope.node)))
        return tuple(line)

    def put_in(self, one: Arrival, chain: Chain) -> Line:
        """Return the same with formulas put in; at the input the product of the whole way."""
        if one.name == chain.input and len(chain.product) > 1:
            return product([link.partial for link in chain.product])
        if len(one.links) > 1:
            return total([link.flow for link in one.links])
        [link] = one.links
        above = self.totals.get(link.above)
        if link.over or above is None or not link.elementwise:
            return () if link.flow is None else (link.flow,)
        return product([above, link.partial])

    @property
    def totals(self) -> dict[str, Formula]:
        return {
            one.name: one.total
            for chain in self.explanation.chains
            for one in chain.arrivals
            if one.total is not None and not is_one(one.total.node)
        }

    def title(self, name: str) -> str:
        """Return the title of a name's cotangent."""
        return next(
            (one.title for chain in self.explanation.chains for one in chain.arrivals if one.name == name), name
        )

    def cotangents(self, one: Chain) -> Table:
        """Return what flows through each layer, in both lanes."""
        rows = [
            ((Maths((titled(each.title),)),), (self.exact(each.numbers),), (self.torch(each.numbers),),
             (ulp_text(each.numbers.worst),))
            for each in one.arrivals
        ]  # fmt: skip
        return Table(header("cotangent", "exact", "autograd", "ULP"), tuple(rows), (2, 5, 5, 1), frozenset({3}))

    # --- the gradient, beside autograd's ---

    def gradients(self) -> Iterator[Block]:
        for chain in self.explanation.chains:
            yield Heading(("What autograd accumulated in ", Code(f"{chain.input}.grad")))
            if chain.closed is not None:
                yield Equations((Equation((chain.closed,), (titled(chain.title),)),))
            yield from self.gradient(chain)
        if self.explanation.meaning is not None:
            yield Paragraph((self.explanation.meaning,), "meaning")

    def gradient(self, one: Chain) -> Iterator[Block]:
        size = len(one.gradient.exact or ())
        rows = tuple(self.element(one, k) for k in range(min(size, SHOWN_ROWS)))
        heads = header("element", "point", "exact", "autograd", "ULP", "verdict")
        yield Table(heads, rows, (3, 3, 3, 3, 2, 2), frozenset({1, 2, 3, 4}))
        if size > SHOWN_ROWS:
            yield Paragraph((f"{number(size - SHOWN_ROWS, 'more element')} not shown.",), "note")

    def element(self, one: Chain, k: int) -> tuple[Words, ...]:
        place = ", ".join(map(str, unravel(one.gradient.shape, k)))
        found = one.gradient.torch
        return (
            (Code(f"{one.input}[{place}]" if place else one.input),),
            (self.format.text((one.point.torch or ())[k]),), (exact_text((one.gradient.exact or ())[k], self.format),),
            ("none" if found is None else self.format.text(found[k]),),
            (ulp_text(one.gradient.ulps[k] if k < len(one.gradient.ulps) else None),),
            (Mark(one.verdicts[k]) if k < len(one.verdicts) else "",),
        )  # fmt: skip

    # --- the rest of the lab ---

    def tracking(self, one: Tracking) -> Iterator[Block]:
        yield Heading(("Tracking switched off: ", Code(one.place)))
        yield Paragraph((one.sentence,))
        if one.backward is not None:
            yield Paragraph((one.backward,))
        found: Inline = "none" if one.kind == "freeze" else self.exact(one.kept_numbers)
        rows: list[tuple[Words, ...]] = [
            (("as if it were tracked",), shown(one.whole), (self.exact(one.whole_numbers),)),
            (("what backward() finds",), shown(one.kept), (found,)),
        ]
        if one.lost is not None and one.kind != "freeze":
            rows.append((("what is lost",), shown(one.lost), ()))
        heads = (("the gradient by ", Code(one.input)), ("formula",), ("value",))
        yield Table(heads, tuple(rows), (3, 4, 4))

    def accumulation(self, one: Accumulation) -> Iterator[Block]:
        grad = f"{one.input}.grad"
        yield Heading((Code(grad), " without zeroing"))
        yield Paragraph((
            Code("backward()"), " adds to ", Code(grad), "; without ", Code(f"{grad}.zero_()"),
            " each pass finds what the passes before have left.",
        ))  # fmt: skip
        inputs = list(one.passes[0].point)
        rows = [
            ((str(k),), *((self.torch(each.point[name]),) for name in inputs), (self.exact(each.gradient),),
             (self.torch(each.accumulated),), (self.exact(each.accumulated),), (ulp_text(each.accumulated.worst),))
            for k, each in enumerate(one.passes, 1)
        ]  # fmt: skip
        heads = header("pass", *inputs, "gradient here", f"{grad} after it", "sum of the exact", "ULP")
        wide = (1, *(2 for _ in inputs), 3, 3, 3, 1)
        yield Table(heads, tuple(rows), wide, frozenset({len(heads) - 1}))

    def foot(self) -> Iterator[Block]:
        one = self.explanation
        for note in one.notes:
            yield Paragraph((f"Note: {note}",), "note")
        steps = sum(len(derivation.steps) for derivation in one.derivations)
        facts = [
            *([f"{number(steps, 'line')} proved at the point"] if steps else []), one.dtype, one.device,
            *(f"{name} {one.environment[name]}" for name in ("gradcheck", "torch", "sympy") if name in one.environment),
        ]  # fmt: skip
        yield Paragraph((" · ".join(facts),), "note")

    # --- numbers ---

    def torch(self, numbers: Numbers) -> Inline:
        """Return torch's numbers."""
        if numbers.torch is None:
            return "none"
        return tensor([self.format.text(value) for value in numbers.torch[: SHOWN_VALUES + 1]], numbers.shape)

    def exact(self, numbers: Numbers) -> Inline:
        """Return the exact numbers."""
        if numbers.exact is None:
            return "-"
        return tensor([exact_text(ball, self.format) for ball in numbers.exact[: SHOWN_VALUES + 1]], numbers.shape)

    def first(self, numbers: Numbers) -> str:
        return exact_text(self.ball(numbers), self.format)

    def ball(self, numbers: Numbers) -> Ball | None:
        return (numbers.exact or (None,))[0]

    def is_exact(self, numbers: Numbers) -> bool:
        """Return whether the text of a number is the number, and no rounding of it."""
        ball = self.ball(numbers)
        return ball is not None and ball.exact and ball.contains(Fraction(Decimal(self.first(numbers))))
