"""An explanation for people at a terminal: the forward pass, the derivation, the chain rule, the graph, the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gradcheck.errors import printable
from gradcheck.explanation.forward import rational
from gradcheck.explanation.model import (
    Accumulation,
    Arrival,
    Chain,
    Derivation,
    Evaluation,
    Explanation,
    Formula,
    Forward,
    Link,
    Numbers,
    Stage,
    Step,
    Tracking,
)
from gradcheck.formats import EXACT_DIGITS, FORMATS, Ball, Format, exact_text
from gradcheck.program import Shape
from gradcheck.report import View
from gradcheck.report.explain_parts import (
    SHOWN_VALUES,
    added,
    columns,
    equations,
    factor,
    facts,
    letters,
    result,
    section,
    tensor,
)
from gradcheck.report.graph_tree import tree
from gradcheck.report.places import element, ulp_text
from gradcheck.report.words import number
from gradcheck.verdict import Verdict

FILE_WIDTH = 120
"""Columns where the output is no terminal."""
NARROW = 80
"""Columns below which tables go without what matters least."""
SHOWN_ROWS = 12
"""Elements of a gradient in its table."""
SHOWN_USES = 3
"""Uses of a rule in one step for which it is said what its letters stand for."""

Pause = Callable[[], object]


def write(
    explanation: Explanation, file: IO[str], view: View, *, pause: Pause | None = None, hint: bool = False
) -> None:
    """Write an explanation; ``pause`` is called after every step, ``hint`` names the next rule before its result.

    With a hint and without pauses the results stay out: the sheet is an exercise.
    """
    to_terminal = file.isatty()
    text = file if to_terminal or pause is not None else StringIO()
    console = Console(
        file=text, force_terminal=view.color, no_color=True if view.color is False else None, highlight=False,
        width=view.width or (None if to_terminal else FILE_WIDTH),
    )  # fmt: skip
    page = _Page(explanation, FORMATS[explanation.dtype], console.width, hint, pause is not None)
    for k, part in enumerate(page.parts()):
        if k and pause is not None:
            pause()
        console.print(part)
    if isinstance(text, StringIO) and text is not file:
        file.writelines(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


@dataclass
class _Page:
    """An explanation on its way to the terminal; the state is which rules and cotangents were told."""

    explanation: Explanation
    format: Format
    width: int
    hint: bool
    paused: bool
    told: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)

    @property
    def exercise(self) -> bool:
        """Return whether the results are for the reader to find."""
        return self.hint and not self.paused

    def parts(self) -> Iterator[RenderableType]:
        """Yield what is shown in one go."""
        one = self.explanation
        yield self.head()
        yield section("The forward pass", self.forward(one.forward))
        for derivation in one.derivations:
            yield from self.derivation(derivation)
        if not self.exercise:
            for chain in one.chains:
                yield from self.chain(chain)
            if one.graph is not None:
                yield section("The graph that autograd built", tree(one.graph, self.width))
        for tracking in one.trackings:
            yield section(f"Tracking switched off: {tracking.place}", self.tracking(tracking))
        for accumulation in one.accumulations:
            yield section(f"{accumulation.input}.grad without zeroing", self.accumulation(accumulation))
        yield self.foot()

    def head(self) -> RenderableType:
        grid = facts()
        one = self.explanation
        grid.add_row("program", Text("\n".join(map(printable, one.program.source.splitlines()))))
        at = [f"{leaf.name} = {self.inline(leaf.numbers)}" for leaf in one.forward.leaves]
        grid.add_row("at", Text(f"{', '.join(at)} in {one.dtype}"))
        return grid

    def foot(self) -> RenderableType:
        one = self.explanation
        steps = sum(len(derivation.steps) for derivation in one.derivations)
        facts = [
            *([f"{number(steps, 'line')} proved at the point"] if steps else []), one.dtype, one.device,
            *(f"{name} {one.environment[name]}" for name in ("torch", "sympy") if name in one.environment),
        ]  # fmt: skip
        notes = [Text(f"note: {printable(note)}", "dim") for note in one.notes]
        return Group(Text(), *notes, Text(" · ".join(facts)))

    # --- forward ---

    def forward(self, forward: Forward) -> RenderableType:
        table = columns("layer", *(["shape", "dtype"] if self.width >= NARROW else []), "value", "grad_fn")
        for leaf in forward.leaves:
            grad = "leaf, requires_grad" if leaf.requires_grad else "leaf, no gradient"
            cells = [Text(leaf.name, "bold"), *self.shape(leaf.numbers.shape)]
            table.add_row(*cells, Text(self.tensor(leaf.numbers.torch, leaf.numbers.shape)), Text(grad, "dim"))
        for stage in forward.stages:
            name = self.called(stage)
            cells = [Text.assemble((name, "bold"), f" = {printable(stage.text)}"), *self.shape(stage.numbers.shape)]
            grad = stage.grad_fn or "none: not tracked"
            table.add_row(*cells, Text(self.tensor(stage.numbers.torch, stage.numbers.shape)), Text(grad, "dim"))
        worked = [self.evaluation(one.evaluation, self.called(one)) for one in forward.stages if one.evaluation]
        return Group(table, *(Padding(one, (1, 0, 0, 0)) for one in worked))

    def called(self, stage: Stage) -> str:
        return "f" if len(self.explanation.forward.stages) == 1 else stage.name

    def shape(self, shape: Shape) -> list[Text]:
        if self.width < NARROW:
            return []
        return [Text(" x ".join(map(str, shape)) or "scalar"), Text(self.explanation.dtype)]

    def evaluation(self, one: Evaluation, title: str) -> RenderableType:
        """Return a formula of numbers, line by line: put in, term by term, added up."""
        ball = self.ball(one.value)
        lines: list[tuple[str, str]] = [("=", str(one.substituted))]
        if len(one.terms) > 1:
            values = [self.ball(term.value) for term in one.terms]
            signed = [(term.sign, self.number(value)) for term, value in zip(one.terms, values, strict=True)]
            exact = all(map(self.is_exact, values, [term.substituted for term in one.terms]))
            lines.append(("=" if exact else "≈", added(signed)))
        lines.append(("=" if self.is_exact(ball, one.substituted) else "≈", self.number(ball)))
        return equations(title, lines)

    # --- derivation ---

    def derivation(self, one: Derivation) -> Iterator[RenderableType]:
        first = [Text(f"D[...] is the derivative by {one.by}", "dim")]
        yield section(f"{one.title}, step by step", Group(*first, equations(one.title, [("=", str(one.start))])))
        for step in one.steps:
            rule, made = self.rule(step), result(str(step.result))
            if self.exercise:
                yield Group(rule, result("?"))
            elif self.hint:
                yield rule
                yield made
            else:
                yield Group(rule, made)
        if not self.exercise:
            yield self.proved(one)

    def rule(self, step: Step) -> RenderableType:
        """Return the name of the rule, the rule itself, what its letters stand for, and a sentence at its first use."""
        rule = step.rule
        law = f": {rule.left} = {rule.right}" if rule.left is not None and rule.right is not None else ""
        places = [text for use in step.uses for text in [letters(use.lets)] if text]
        where = f", {'; '.join(places)}" if places and len(step.uses) <= SHOWN_USES else ""
        lines = [Text.assemble((rule.title, "italic"), printable(law + where))]
        if rule.name not in self.told:
            self.told.add(rule.name)
            lines.append(Text(rule.sentence, "dim"))
        return Padding(Group(*lines), (0, 0, 0, 8))

    def proved(self, one: Derivation) -> RenderableType:
        parts: list[RenderableType] = []
        if one.evaluation is not None:
            parts.append(Padding(self.evaluation(one.evaluation, one.title), (1, 0, 0, 0)))
        known = [ball for ball in one.numbers.exact or () if ball is not None]
        if known and len(one.numbers.exact or ()) == 1:
            parts.append(Text(f"each line is {self.number(known[0])} at this point: proved by enclosure", "dim"))
        elif known:
            many = number(len(known), "element")
            parts.append(Text(f"at {many} each line has the same value: proved by enclosure", "dim"))
        return Padding(Group(*parts), (0, 0, 0, 2))

    # --- the chain rule ---

    def chain(self, one: Chain) -> Iterator[RenderableType]:
        single = len(self.explanation.forward.stages) == 1 and bool(self.explanation.derivations)
        if not single:
            title = f"The chain rule, from {one.output} back to {one.input}"
            begin = equations(one.arrivals[0].title, [("=", "1, where backward() begins")])
            new = [arrival for arrival in one.arrivals[1:] if arrival.name not in self.shown]
            known = Text("what is above holds here too", "dim")
            yield section(title, begin if len(new) == len(one.arrivals) - 1 else known)
            self.shown.update(arrival.name for arrival in new)
            for arrival in new:
                yield self.arrival(arrival, one)
            if len(new) > 1:
                yield Padding(self.cotangents(new[:-1]), (1, 0, 0, 2))
        yield section(f"What autograd accumulated in {one.input}.grad", self.gradient(one))

    def arrival(self, one: Arrival, chain: Chain) -> RenderableType:
        """Return what flows into one name: the partial of each link, the product with what flows in, and the sum."""
        several = len(one.links) > 1
        if not one.links:
            return Padding(equations(one.title, [("=", "0: no path leads here from the output")]), (1, 0, 0, 2))
        note = f"{one.name} is used {len(one.links)} times: what flows back from each adds up"
        parts: list[RenderableType] = [Text(note, "dim")] if several else []
        parts += [
            equations(link.title, [("=", self.partial(link))]) for link in one.links if self.stands_alone(link, one)
        ]
        lines = [("=" if k == 0 else "+", self.product(link)) for k, link in enumerate(one.links)]
        if several and all(link.flow is not None for link in one.links):
            lines.append(("=", added([(1, str(link.flow)) for link in one.links])))
        elif len(one.links) == 1 and one.links[0].elementwise:
            lines += [("=", text) for text in self.put_in(one, chain)]
        lines += [("=", str(formula)) for formula in (one.total, self.closed(one, chain)) if formula is not None]
        different = [line for k, line in enumerate(lines) if line[1] not in [text for _, text in lines[:k]]]
        return Padding(Group(*parts, equations(one.title, different)), (1, 0, 0, 2))

    def stands_alone(self, link: Link, one: Arrival) -> bool:
        """Return whether a link's derivative is worth a line: not where it is the cotangent itself, or no formula."""
        return link.elementwise and link.title != one.title

    def closed(self, one: Arrival, chain: Chain) -> Formula | None:
        return chain.closed if one.name == chain.input else None

    def partial(self, link: Link) -> str:
        if link.partial is None:
            return f"({link.why_not})"
        return str(link.partial) if link.elementwise else f"{link.partial}, where ct = {self.title(link.above)}"

    def product(self, link: Link) -> str:
        """Return what one link brings in words of derivatives: ``d out/d z * d z/d y``."""
        above = self.title(link.above)
        if link.above == self.explanation.chains[0].output or not link.elementwise:
            return self.partial(link)
        over = f"the sum over {', '.join(link.over)} of " if link.over else ""
        return f"{over}{above} * {link.title}"

    def put_in(self, one: Arrival, chain: Chain) -> Iterator[str]:
        """Yield the product with formulas put in; at the input that of the whole way."""
        link = one.links[0]
        whole = one.name == chain.input and len(chain.product) > 1
        if whole:
            yield " * ".join(factor(str(each.partial)) for each in chain.product)
        elif link.flow is not None and link.over:
            yield str(link.flow)
        elif link.partial is not None and (above := self.totals.get(link.above)) is not None and above != "1":
            yield f"{factor(above)} * {factor(str(link.partial))}"

    def title(self, name: str) -> str:
        return next((one.title for one in self.arrivals if one.name == name), f"the cotangent of {name}")

    @property
    def arrivals(self) -> list[Arrival]:
        return [one for chain in self.explanation.chains for one in chain.arrivals]

    @property
    def totals(self) -> dict[str, str]:
        return {one.name: str(one.total) for one in self.arrivals if one.total is not None}

    def cotangents(self, arrivals: Sequence[Arrival]) -> RenderableType:
        table = columns("cotangent", "exact", "autograd", "ULP")
        for arrival in arrivals:
            exact, torch = self.exact(arrival.numbers), self.tensor(arrival.numbers.torch, arrival.numbers.shape)
            table.add_row(Text(arrival.name, "bold"), Text(exact), Text(torch), Text(ulp_text(arrival.numbers.worst)))
        return table

    def gradient(self, one: Chain) -> RenderableType:
        closed = [equations(one.title, [("=", str(one.closed))])] if one.closed is not None else []
        table = columns("element", one.input, "exact", f"{one.input}.grad", "ULP", "verdict", right=range(1, 5))
        size = len(one.gradient.exact or ())
        for k in range(min(size, SHOWN_ROWS)):
            point = self.format.text((one.point.torch or ())[k])
            exact = self.number((one.gradient.exact or ())[k])
            torch = "none" if one.gradient.torch is None else self.format.text(one.gradient.torch[k])
            verdict = one.verdicts[k]
            table.add_row(
                element(one.input, one.gradient.shape, k), point, exact, torch, ulp_text(one.gradient.ulps[k]),
                Verdict(verdict).signed,
            )  # fmt: skip
        more = [Text(f"{size - SHOWN_ROWS:,} more elements are not shown", "dim")] if size > SHOWN_ROWS else []
        meaning = self.explanation.meaning
        last = one is self.explanation.chains[-1]
        said = [Text(), Text(printable(meaning))] if meaning is not None and last else []
        return Group(*closed, table, *more, *said)

    # --- the rest of the lab ---

    def tracking(self, one: Tracking) -> RenderableType:
        rows = [
            ("as if it were tracked", one.whole, self.exact(one.whole_numbers)),
            ("what backward() finds", one.kept, self.exact(one.kept_numbers) if one.kind != "freeze" else "none"),
        ]
        table = columns(f"d/d {one.input}", "formula", "value")
        for what, formula, value in rows:
            table.add_row(what, "" if formula is None else str(formula), value)
        if one.lost is not None and one.kind != "freeze":
            table.add_row("what is lost", str(one.lost), "")
        said = [Text(printable(one.sentence)), *([Text(printable(one.backward))] if one.backward else [])]
        return Group(*said, Text(), table)

    def accumulation(self, one: Accumulation) -> RenderableType:
        names = list(one.passes[0].point)
        table = columns("pass", *names, "gradient here", f"{one.input}.grad after it", "sum of the exact", "ULP")
        for k, each in enumerate(one.passes, 1):
            table.add_row(
                str(k), *(self.tensor(each.point[name].torch, each.point[name].shape) for name in names),
                self.exact(each.gradient), self.tensor(each.accumulated.torch, each.accumulated.shape),
                self.exact(each.accumulated), ulp_text(each.accumulated.worst),
            )  # fmt: skip
        grad = f"{one.input}.grad"
        said = f"backward() adds to {grad}; without {grad}.zero_() each pass finds what the passes before have left"
        return Group(Text(said), Text(), table)

    # --- numbers ---

    def ball(self, numbers: Numbers) -> Ball | None:
        return (numbers.exact or (None,))[0]

    def number(self, ball: Ball | None) -> str:
        return exact_text(ball, self.format)

    def is_exact(self, ball: Ball | None, formula: Formula) -> bool:
        """Return whether the text of a formula's value is that value, and no rounding of it."""
        if ball is None or not ball.is_sharp(EXACT_DIGITS[self.format.name]):
            return False
        shown, value = Fraction(Decimal(self.number(ball))), rational(formula.node)
        return shown == value if value is not None else ball.exact and ball.contains(shown)

    def exact(self, numbers: Numbers) -> str:
        if numbers.exact is None:
            return "-"
        return tensor([self.number(ball) for ball in numbers.exact[: SHOWN_VALUES + 1]], numbers.shape)

    def tensor(self, values: Sequence[float] | None, shape: Shape) -> str:
        if values is None:
            return "none"
        return tensor([self.format.text(value) for value in values[: SHOWN_VALUES + 1]], shape)

    def inline(self, numbers: Numbers) -> str:
        """Return torch's numbers in one line."""
        return " ".join(self.tensor(numbers.torch, numbers.shape).split())
