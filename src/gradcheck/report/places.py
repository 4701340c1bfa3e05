"""Where an element is, and how its numbers are said: the small words of every report for people."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck import notation
from gradcheck.blame import Blame
from gradcheck.errors import printable
from gradcheck.formats import FORMATS, Format
from gradcheck.gradients import GradientOutcome
from gradcheck.lane import Lane
from gradcheck.outcome import Outcome
from gradcheck.program import Shape, unravel


def element(name: str, shape: Shape, k: int) -> str:
    """Return the name of an element."""
    return f"{name}[{', '.join(map(str, unravel(shape, k)))}]" if shape else name


def written(value: float | None, fmt: Format) -> str:
    """Return a number as its dtype writes it."""
    return "none" if value is None else fmt.text(value)


def ulp_text(ulps: float | None) -> str:
    """Return an error in ULP: exactly 0, tiny, or with two decimals while those can matter.

    >>> [ulp_text(x) for x in (None, 0.0, 1e-30, 0.4837, 12.0, 2.1e9)]
    ['-', '0', '<0.01', '0.48', '12', '2.1e+09']
    """
    if ulps is None:
        return "-"
    if 0 < ulps < 0.005:
        return "<0.01"
    return f"{ulps:.2f}".rstrip("0").rstrip(".") if ulps < 1e6 else f"{ulps:.2g}"


def place(outcome: Outcome, gradient: GradientOutcome, k: int) -> str:
    """Return where one element of a gradient is, in words."""
    if gradient.along:
        return f"{named(outcome, gradient, k)}, {point_text(outcome)}"
    if gradient.shape:
        value = FORMATS[outcome.dtype].text(number_at(outcome, gradient, k))
        return f"{notation.element(gradient, k)} = {value}{_why(outcome)}{_suffix(outcome)}"
    return point_text(outcome) + (f", by {gradient.input}" if len(outcome.gradients) > 1 else "")


def number_at(outcome: Outcome, gradient: GradientOutcome, k: int) -> float:
    """Return the number of the input that an element of a gradient is by; of a nested one the last axes are its own."""
    return float(outcome.rounded[gradient.input].item(notation.own_place(gradient, k)))


def named(outcome: Outcome, gradient: GradientOutcome, k: int) -> str:
    """Return the name of an element of a derivative of any order, with the output's where that has a name."""
    return notation.element(gradient, k, output_name(outcome))


def output_name(outcome: Outcome) -> str:
    """Return what the output is called: f where the user did not name it."""
    layers = outcome.program.layers
    return layers[-1].name if len(layers) > 1 else "f"


def point_text(outcome: Outcome, *, lane: bool = True) -> str:
    """Return a point in words: its numbers, the names of its tensors, and the way where it is not the plain one."""
    fmt = FORMATS[outcome.dtype]
    scalars = [f"{name} = {fmt.text(one.item())}" for name, one in outcome.rounded.items() if not one.shape]
    tensors = [name for name, one in outcome.rounded.items() if one.shape]
    where = ", ".join([*scalars, *tensors]) + _why(outcome)
    return f"{where}{_suffix(outcome)}" if lane else f"{where} in {outcome.dtype}"


def why_of(outcome: Outcome) -> str:
    """Return what is special about a point that was looked for, nothing for one that was given."""
    return next((value.why for value in outcome.point.values() if value.why), "")


def _why(outcome: Outcome) -> str:
    return f" ({why})" if (why := why_of(outcome)) else ""


def _suffix(outcome: Outcome) -> str:
    """Return the dtype, and the way and the device where they are not the usual ones."""
    return f" in {outcome.dtype}{outcome.in_lane.told}"


def lane_word(lanes: Iterable[Lane]) -> str:
    """Return what lanes of a dtype are called: ways, where they are told from each other by these alone.

    >>> lane_word([Lane("float32"), Lane("float32", engine="vmap")]), lane_word([Lane("float32")])
    ('lane', 'way')
    """
    return "way" if len({(one.engine, one.device) for one in lanes}) == 1 else "lane"


def headline(outcome: Outcome, blame: Blame) -> str:
    """Return the cause and the place in a few words.

    >>> from gradcheck import check
    >>> run = check("log(1+exp(x))", x=100)
    >>> headline(run[0], run[0].gradients[0].blames[0])
    'overflow at exp(x)'
    """
    if blame.span is None:
        return blame.cause.value
    text = outcome.program.source[blame.span.start : blame.span.end]
    return f"{blame.cause} at {printable(' '.join(text.split()))}"
