"""What a finding says to a person: one sentence on what happened at the operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, isinf, isnan

from gradcheck.blame import Cause
from gradcheck.diagnose.differences import how_wrong
from gradcheck.diagnose.graph import Element, Graph, Site
from gradcheck.diagnose.scene import Finding
from gradcheck.exact import Beside, Side
from gradcheck.formats import FORMATS, Ball, Dyadic, Estimate, Format, exact_text, spoken
from gradcheck.functions import WHERE

DIGITS = 6
"""Digits of a number in a sentence."""
MOST_DIGITS = 40
"""Digits of a number that is told from the one that it is rounded to."""


def message(finding: Finding, graph: Graph) -> str:
    """Return what happened, in one sentence."""
    return _SENTENCES[finding.cause](finding, graph)


def in_words(found: Beside, cause: Cause, fmt: Format) -> str | None:
    """Return what the derivative does on both sides of a point where it has no value; None where that says nothing."""
    if found.limit is not None:
        return f"the limit of the derivative here is {_limit(found.limit, fmt)}"
    if cause in (Cause.JUMP, Cause.OUTSIDE_DOMAIN):
        return None
    if found.valued and found.meets and not found.continuous:
        return "the function jumps here: its value at the point is not its limit beside it"
    if found.sides is not None and not found.meets:
        return "the function jumps here: its values from the left and from the right do not meet"
    sides = [("left", found.left), ("right", found.right)]
    if cause is Cause.POLE and not any(side.infinite for _, side in sides):
        return None  # what is infinite is the derivative at the point alone, and the finite slope beside it no answer
    said = [f"from the {name} the slope {_slope(side, fmt)}" for name, side in sides if side.slope or side.infinite]
    return ", ".join(said) or None


def _slope(side: Side, fmt: Format) -> str:
    if side.slope is None:
        return f"goes to {'-' if side.infinite < 0 else ''}inf"
    return f"is {_limit(side.slope, fmt)}"


def _limit(found: Ball | Estimate, fmt: Format) -> str:
    """Return a limit with the digits that are known; what is not proven is said not to be."""
    if isinstance(found, Estimate):
        return f"{exact_text(found.ball, fmt, DIGITS)}, as far as can be told"
    return exact_text(found, fmt, DIGITS)


def _op(finding: Finding) -> str:
    """Return the function's name."""
    return finding.site.call.op if finding.site is not None else "it"


def _text(graph: Graph, site: Site | str | None, otherwise: str = "a constant") -> str:
    """Return what a person calls a value: the operation as written, or the input's name."""
    return graph.text(site.call) if isinstance(site, Site) else site or otherwise


def _argument(finding: Finding, graph: Graph) -> str:
    site = finding.site
    if site is None or finding.argument is None:
        return "the argument"
    return _text(graph, site.sources[finding.argument])


def _exact(graph: Graph, ball: Element) -> str:
    return spoken(ball, graph.format, DIGITS) if isinstance(ball, Ball) else "not a number"


def _torch(graph: Graph, value: float) -> str:
    """Return a number that torch has, or one that Python has in float64 before torch sees it."""
    held = not isfinite(value) or graph.format.round_dyadic(Dyadic.of(value)) == value
    return (graph.format if held else FORMATS["float64"]).text(value)


def _worst_pair(graph: Graph, exact: Sequence[Element], torch: Sequence[float]) -> tuple[Element, float] | None:
    """Return the pair of numbers that are furthest apart."""
    pairs = [(ball, value) for ball, value in zip(exact, torch, strict=False) if isinstance(ball, Ball)]
    return max(pairs, key=lambda pair: graph.gap(*pair) or 0.0, default=None)


def _value_pair(finding: Finding, graph: Graph) -> tuple[Element, float] | None:
    if finding.backward and finding.torch is not None and finding.element is not None:
        return finding.exact[finding.element], finding.torch.elements[finding.element]
    if finding.backward and finding.torch is not None:
        return _worst_pair(graph, finding.exact, finding.torch.elements)
    if finding.site is None:
        return None
    exact, torch = finding.exact or graph.balls(finding.site.value), finding.site.torch.value.elements
    if finding.element is not None:
        return exact[finding.element], torch[finding.element]
    if finding.at:
        return _worst_pair(graph, [exact[k] for k in finding.at], [torch[k] for k in finding.at])
    return _worst_pair(graph, exact, torch)


def _subject(finding: Finding, graph: Graph) -> str:
    """Return what the number is: the value of the operation, or what flows back to its argument."""
    if finding.backward:
        return f"the cotangent of {_argument(finding, graph)}"
    return _text(graph, finding.site)


def _overflow(finding: Finding, graph: Graph) -> str:
    limit = f"the largest number of {graph.format.name} is"
    pair = _value_pair(finding, graph)
    if pair is not None and isinstance(pair[0], Ball) and not isfinite(graph.format.round_dyadic(pair[0].midpoint)):
        over, largest = _beyond(pair[0], graph.format)
        return f"{_subject(finding, graph)} is {over}, and {limit} {largest}: it becomes {_torch(graph, pair[1])}"
    return f"a number inside {_op(finding)} becomes too large: {limit} {graph.format.largest:.6g}"


def _beyond(ball: Ball, fmt: Format) -> tuple[str, str]:
    """Return a number and the largest one of a format that it exceeds, with the digits that tell them apart."""
    pairs = [(exact_text(ball, fmt, digits), f"{fmt.largest:.{digits}g}") for digits in range(DIGITS, MOST_DIGITS)]
    return next((pair for pair in pairs if pair[0].lstrip("-") != pair[1]), pairs[0])


def _underflow(finding: Finding, graph: Graph) -> str:
    pair = _value_pair(finding, graph)
    limit = f"{graph.format.name} has few digits or none below {graph.format.smallest_normal:.6g}"
    if pair is None or not graph.is_small(pair[0]):
        return f"a number inside {_op(finding)} becomes too small: {limit}"
    return f"{_subject(finding, graph)} is {_exact(graph, pair[0])}, and {limit}: it becomes {_torch(graph, pair[1])}"


def _cancellation(finding: Finding, graph: Graph) -> str:
    site = finding.site
    assert site is not None
    if finding.backward:
        return f"{_ways(finding, graph)}: they nearly cancel, and only their rounding errors are left"
    pair = _value_pair(finding, graph)
    numbers = "" if pair is None else f": it is {_exact(graph, pair[0])}, and torch has {_torch(graph, pair[1])}"
    if site.call.op in ("add", "sub"):
        return f"nearly equal numbers cancel here, and only their rounding errors are left{numbers}"
    return f"the terms of {site.call.op} nearly cancel, and only their rounding errors are left{numbers}"


def _ways(finding: Finding, graph: Graph) -> str:
    """Return what comes back through each argument of the operation where the ways meet."""
    site = finding.site
    assert site is not None
    numbers = {way: "none" if one is None else _torch(graph, one) for way, one in sorted(finding.ways)[:3]}
    return ", ".join(f"the slope through `{_text(graph, site.sources[way])}` is {one}" for way, one in numbers.items())


def _ill_conditioned(finding: Finding, graph: Graph) -> str:
    site, op = finding.site, _op(finding)
    assert site is not None
    what = f"the slope of {op}" if finding.backward else op
    if finding.rounded is None:
        return f"{what} changes so fast here that a rounding of its arguments is magnified"
    given = graph.text(site.call.args[finding.rounded])
    pair = _rounded_pair(site, finding.rounded, graph) if finding.edge else None
    if pair is None:
        return f"{what} changes so fast here that the rounding of `{given}` is magnified"
    number = f"{_exact_beside(graph, *pair)}, {_becomes(graph, *pair)}"
    return f"`{given}` is {number}: there {what} {_at_the_edge(finding)}"


def _at_the_edge(finding: Finding) -> str:
    made = finding.torch if finding.backward or finding.site is None else finding.site.torch.value
    return "is infinite" if made is not None and any(map(isinf, made.elements)) else "is not defined"


def _rounded_pair(site: Site, position: int, graph: Graph) -> tuple[Ball, float] | None:
    """Return the exact number and torch's of an argument, where torch has another one."""
    exact, torch = graph.argument(site, position), site.torch.args[position]
    if torch is None or not isinstance(site.sources[position], Site):
        return None
    pairs = zip(graph.balls(exact), torch.elements, strict=False)  # type: ignore[arg-type]  # that of a site
    return next(((ball, one) for ball, one in pairs if isinstance(ball, Ball) and graph.loss(ball, one)), None)


def _exact_beside(graph: Graph, exact: Ball, torch: float) -> str:
    """Return an exact number with the digits that tell it from torch's."""
    texts = (exact_text(exact, graph.format, digits) for digits in range(DIGITS, MOST_DIGITS))
    other = _torch(graph, torch)
    return next((text for text in texts if text != other), _exact(graph, exact))


def _stored_output(finding: Finding, graph: Graph) -> str:
    site = finding.site
    assert site is not None
    stored, sent = site.torch.value, finding.torch
    # Of a reduction with several results the element that is sent back does not tell which of them it came from.
    alike = len(stored.elements) == 1 or (sent is not None and sent.shape == stored.shape)
    k = (finding.element or 0) % len(stored.elements) if alike else None
    shown = "" if k is None else f" {_torch(graph, stored.elements[k])}"
    return (
        f"torch computes the gradient of {site.call.op} from its stored result{shown}, which no longer has the digits "
        "for it"
    )


def _inaccurate(finding: Finding, graph: Graph) -> str:
    site = finding.site
    assert site is not None
    if finding.backward:
        return f"torch's own formula for the gradient of {site.call.op} loses digits at this argument"
    pair = _value_pair(finding, graph)
    off = graph.gap(*pair) if pair is not None else None
    return f"torch's {site.call.op} is off by {off or 0:.3g} ULP here, more than an operation should be"


def _masked(finding: Finding, graph: Graph) -> str:
    op = _op(finding)
    value = next((one for one in finding.site.torch.value.elements if not isfinite(one)), 0.0) if finding.site else 0.0
    broken = f"its value is {value}" if not finding.backward else f"the slope of {op} is infinite here"
    return (
        f"`{_text(graph, finding.mask)}` does not take this branch, but torch differentiates it all the same: "
        f"{broken}, and 0 times that is nan"
    )


def _zero_times_inf(finding: Finding, graph: Graph) -> str:
    op = _op(finding)
    return (
        f"the slope of {op} is infinite at {_argument_value(finding, graph)}; "
        "where it meets a zero further back, inf*0 is nan"
    )


def _argument_value(finding: Finding, graph: Graph) -> str:
    """Return the arguments of an operation: the number where there is one, each with its name where there are more."""
    site = finding.site
    if site is None:
        return "this point"
    given = [(source, arg) for source, arg in zip(site.sources, site.torch.args, strict=True) if arg is not None]
    if not given:
        return ", ".join(map(graph.text, site.call.args))
    if any(len(set(arg.elements)) > 1 for _, arg in given):
        return "these elements"
    numbers = [_torch(graph, arg.elements[0] + 0.0) for _, arg in given]  # 0 has no sign where a function jumps
    if len(given) == 1:
        return numbers[0]
    return ", ".join(f"{_text(graph, source)} = {number}" for (source, _), number in zip(given, numbers, strict=True))


def _division(finding: Finding, graph: Graph) -> str:
    site = finding.site
    assert site is not None
    if finding.backward:
        return f"torch's formula for the slope of {site.call.op} is 0/0 at {_argument_value(finding, graph)}"
    divisor = site.sources[-1]
    return f"the divisor {_text(graph, divisor, '')} is exactly 0 here".replace("  ", " ")


def _outside(finding: Finding, graph: Graph) -> str:
    what = _op(finding) if finding.argument is None else f"the slope of {_op(finding)} by {_argument(finding, graph)}"
    rounded = _rounded_inside(finding, graph)
    return f"{what} is not defined at {rounded or _argument_value(finding, graph)}"


def _rounded_inside(finding: Finding, graph: Graph) -> str | None:
    """Return the exact argument outside of a domain that torch's lies in, as it is rounded; None where both are out."""
    site = finding.site
    if site is None or len(site.torch.args) > 1 or any(map(isnan, site.torch.value.elements)):
        return None
    pair = _rounded_pair(site, 0, graph)
    return pair and f"{_exact_beside(graph, *pair)}, {_becomes(graph, *pair)}"


def _becomes(graph: Graph, exact: Ball, torch: float) -> str:
    """Return what became of an exact number: its rounding, or what torch has for other reasons."""
    rounds = graph.format.round_dyadic(exact.midpoint) == torch
    return (
        f"which {graph.format.name} rounds to {_torch(graph, torch)}"
        if rounds
        else f"and torch has {_torch(graph, torch)}"
    )


def _pole(finding: Finding, graph: Graph) -> str:
    site = finding.site
    assert site is not None
    what = "value" if finding.argument is None else "slope"
    by = f" by {_argument(finding, graph)}" if what == "slope" and len(site.torch.args) > 1 else ""
    return f"the {what} of {site.call.op}{by} is infinite at {_argument_value(finding, graph)}"


def _kink(finding: Finding, _graph: Graph) -> str:
    op = _op(finding)
    if finding.smooth:
        return f"{op} has a corner here, but the whole is smooth: the slope that torch takes is not its derivative"
    return f"{op} has a corner here: its slopes from the left and from the right differ"


def _jump(finding: Finding, graph: Graph) -> str:
    if finding.site is not None and finding.site.call.op == WHERE:
        return f"where jumps here, on the border of `{_text(graph, finding.site.sources[0])}`"
    return f"{_op(finding)} jumps at {_argument_value(finding, graph)}"


def _lower_precision(finding: Finding, graph: Graph) -> str:
    op = _op(finding)
    what = f"the gradient of {op}" if finding.backward else f"the value of {op}"
    return f"{what} has only the digits of a smaller dtype: something inside is not computed in {graph.format.name}"


def _wrong_value(finding: Finding, graph: Graph) -> str:
    op = _op(finding)
    pair = _value_pair(finding, graph)
    numbers = "" if pair is None else f": it is {_torch(graph, pair[1])}, and must be {_exact(graph, pair[0])}"
    return f"the value of {op} is wrong, whatever the rounding{numbers}"


def _wrong_gradient(finding: Finding, graph: Graph) -> str:
    op = _op(finding)
    if finding.site is not None and finding.site.torch.altered and finding.torch is None:
        return (
            f"the backward pass of {op} changes the gradient that it is given in place, and others read the same tensor"
        )
    if finding.torch is None:
        return f"torch's slope of {op} at this corner does not lie between those from the left and from the right"
    how = how_wrong(finding.torch.elements, finding.exact, finding.torch.shape)
    return f"the gradient of {op} by {_argument(finding, graph)} {how}"


def _detached(finding: Finding, graph: Graph) -> str:
    op = _op(finding)
    if finding.backward:
        return f"{op} sends nothing back to {_argument(finding, graph)}, although its value depends on it"
    return f"{op} returns its result without a graph: autograd sees a constant"


def _rounding(_finding: Finding, _graph: Graph) -> str:
    return "no single operation stands out: the rounding errors of all of them add up"


def _nondeterministic(finding: Finding, _graph: Graph) -> str:
    op, what = _op(finding), "gradient" if finding.backward else "value"
    return f"{op} gave another {what} for the very same numbers when it ran again"


_SENTENCES: dict[Cause, Callable[[Finding, Graph], str]] = {
    Cause.OVERFLOW: _overflow, Cause.UNDERFLOW: _underflow, Cause.CANCELLATION: _cancellation,
    Cause.ILL_CONDITIONED: _ill_conditioned, Cause.STORED_OUTPUT: _stored_output, Cause.ROUNDING: _rounding,
    Cause.NAN_FROM_MASKED_BRANCH: _masked, Cause.ZERO_TIMES_INF: _zero_times_inf, Cause.DIVISION_BY_ZERO: _division,
    Cause.OUTSIDE_DOMAIN: _outside, Cause.POLE: _pole, Cause.KINK: _kink, Cause.JUMP: _jump,
    Cause.INACCURATE_OPERATION: _inaccurate, Cause.LOWER_PRECISION: _lower_precision, Cause.WRONG_VALUE: _wrong_value,
    Cause.WRONG_GRADIENT: _wrong_gradient, Cause.DETACHED: _detached, Cause.NONDETERMINISTIC: _nondeterministic,
}  # fmt: skip
