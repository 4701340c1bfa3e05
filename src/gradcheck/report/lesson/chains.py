"""The chain rule of a lesson: what flows back from layer to layer, in words of derivatives and in formulas."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.explanation.formulas.lines import Line, Numeral, Over, Sign, Times, text
from gradcheck.explanation.model import Arrival, Chain, Explanation, Link
from gradcheck.explanation.shown import Formula, quotient
from gradcheck.program import Call, Name
from gradcheck.report.lesson.blocks import (
    Block,
    Break,
    Code,
    Column,
    Equation,
    Formulas,
    Heading,
    Maths,
    Rows,
    Sentence,
    Strong,
    Words,
)
from gradcheck.report.lesson.forward import called
from gradcheck.report.lesson.values import Values, is_one, product, total
from gradcheck.report.places import ulp_text

COLUMNS = (
    Column(("cotangent",), 2), Column(("exact",), 5), Column(("autograd",), 5), Column(("ULP",), 1, right=True),
)  # fmt: skip
KNOWN = "What is above holds here too."


def chains(explanation: Explanation, values: Values) -> Iterator[Block]:
    """Yield the chain rule from the output back to every input; of what two ways share, the first tells."""
    if len(explanation.forward.stages) == 1 and explanation.derivations:
        return
    told = _Told(explanation, values)
    for k, one in enumerate(explanation.chains):
        if k:
            yield Break()
        yield from told.chain(one)


class _Told:
    """The chain rule as far as it is told; the state is the names whose cotangent is known."""

    def __init__(self, explanation: Explanation, values: Values) -> None:
        self.values = values
        self.output = called(explanation, explanation.forward.stages[-1])
        self.known: set[str] = set()
        arrivals = [one for chain in explanation.chains for one in chain.arrivals]
        self.titles = {one.name: one.title for one in arrivals}
        self.totals = {one.name: one.total for one in arrivals if one.total is not None and not is_one(one.total)}

    def chain(self, one: Chain) -> Iterator[Block]:
        first, new = one.arrivals[0], [each for each in one.arrivals[1:] if each.name not in self.known]
        yield Heading((f"The chain rule, from {self.output} back to {one.input}",))
        if not self.known:
            yield from self.begin(first, one)
        elif len(new) < len(one.arrivals) - 1:
            yield Sentence((KNOWN,), "note")
        self.known.update(each.name for each in one.arrivals)
        for each in new:
            yield Break()
            if len(each.links) > 1:
                said = f" is used {len(each.links)} times: what flows back from each adds up."
                yield Sentence((Code(each.name), said))
            yield Formulas(tuple(self.arrival(each, one)))
        if len(new) > 1:
            yield Break()
            yield Rows(COLUMNS, tuple(map(self.row, new[:-1])))

    def begin(self, first: Arrival, chain: Chain) -> Iterator[Block]:
        """Yield what a cotangent is, and the first one."""
        below = next((each.title for each in chain.arrivals[1:]), first.title)
        yield Sentence((
            Code("backward()"), " goes the other way, from the output to the inputs, layer by layer. What it carries ",
            "is called a ", Strong("cotangent"), ": the derivative of the output by what a layer holds, such as ",
            Maths((below,)), ", which says how much the output moves for each unit that this number moves.",
        ))  # fmt: skip
        yield Formulas((Equation((Numeral("1"),), (first.title,), note=("where backward() begins",)),))

    def row(self, one: Arrival) -> tuple[Words, ...]:
        exact, torch = self.values.exact(one.numbers), self.values.torch(one.numbers)
        return (Maths((one.title,)),), (exact,), (torch,), (ulp_text(one.numbers.worst),)

    # --- one name ---

    def arrival(self, one: Arrival, chain: Chain) -> Iterator[Equation]:
        """Yield what flows into one name: each partial, the product with what flows in, and the sum."""
        left: Line = (one.title,)
        if not one.links:
            yield Equation((Numeral("0"),), left, note=("no path leads here from the output",))
            return
        for link in one.links:
            if link.partial is not None and str(link.title) != str(one.title):
                yield Equation((link.partial,), (link.title,))
        said = next((link.said or link.why_not for link in one.links if link.said or link.why_not), None)
        note = (said,) if said else ()
        lines = self.lines(one, chain)
        yield from self.matrices(one)
        for k, line in enumerate(lines):
            yield Equation(line, () if k else left, note=note if k == len(lines) - 1 else ())
        if not lines:
            yield Equation((), left, note=note)

    def lines(self, one: Arrival, chain: Chain) -> list[Line]:
        """Return the right sides of what flows into a name, each once."""
        closed = chain.closed if one.name == chain.input else None
        found = [self.brought(one, chain), self.put_in(one, chain)]
        found += [(each,) for each in (one.total, closed) if each is not None]
        by_text = {text(line): line for line in found}
        return [line for key, line in by_text.items() if key not in ("", str(one.title))]

    def matrices(self, one: Arrival) -> Iterator[Equation]:
        """Yield what flows in as whole matrices, which stand for all of their elements at once."""
        if len(one.links) == 1 and (whole := one.links[0].whole) is not None:
            assert isinstance(one.title.node, Call)
            yield Equation((whole,), (Formula(quotient(one.title.node.args[0], Name(one.name))),))

    def brought(self, one: Arrival, chain: Chain) -> Line:
        """Return what the links bring in words of derivatives: ``d out/d z * d z/d y``, and so on, added up."""
        line: list[Formula | Sign | Over | Times] = []
        for link in one.links:
            brought = self.link(link, chain)
            if len(one.links) > 1 and link.partial is not None and str(link.title) == str(one.title):
                brought = [link.partial]  # the same words mean another thing: here all other names stand still
            if not brought:
                return ()
            line += [Sign("+")] if line else []
            line += brought
        return tuple(line)

    def link(self, link: Link, chain: Chain) -> list[Formula | Over | Times]:
        if link.partial is None:
            return [] if link.flow is None else [link.flow]
        over: list[Formula | Over | Times] = [Over(link.over)] if link.over else []
        if link.above != chain.output:
            over += [self.titles[link.above], Times()]
        return [*over, link.title]

    def put_in(self, one: Arrival, chain: Chain) -> Line:
        """Return the same with formulas put in; at the input the product of the whole way."""
        if one.name == chain.input and len(chain.product) > 1:
            return product([link.partial for link in chain.product])
        if len(one.links) > 1:
            return total([link.flow for link in one.links])
        [link] = one.links
        above = self.totals.get(link.above)
        if link.over or above is None or link.partial is None:
            return () if link.flow is None else (link.flow,)
        return product([above, link.partial])
