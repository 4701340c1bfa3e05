"""What an explanation says in sentences: titles, and what a gradient means."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.display import letters
from gradcheck.explanation.lanes import Lanes
from gradcheck.explanation.model import Chain, Formula
from gradcheck.formats import Ball, exact_text
from gradcheck.program import Name, unravel


def output_name(lanes: Lanes) -> str:
    """Return what the output is called: f where the program is a single expression."""
    return "f" if len(lanes.told.program.layers) == 1 else lanes.told.output


def derivation_title(lanes: Lanes, layer: str, by: str) -> str:
    """Return ``d z[i, j]/d y[i, j]``, or ``d f/d x`` where the program is one formula."""
    shapes = lanes.told.shapes
    rank = len(shapes[layer])
    above = "f" if len(lanes.told.program.layers) == 1 else layer
    names = [Formula(Name(shown), {shown: letters(shapes[one], rank)}) for shown, one in ((above, layer), (by, by))]
    return f"d {names[0]}/d {names[1]}"


def meaning(lanes: Lanes, chains: Sequence[Chain]) -> str | None:
    """Return what the gradient means here, in one sentence; None where there is no number to speak of."""
    output = output_name(lanes)
    value = lanes.value(lanes.told.output)
    known = [
        (chain, k, ball)
        for chain in chains
        for k, ball in enumerate(chain.gradient.exact or ())
        if isinstance(ball, Ball)
    ]
    if not known:
        return None
    chain, k, slope = max(known, key=lambda item: abs(item[2].nearest))
    text = exact_text(slope, lanes.format)
    if len(lanes.told.program.inputs) == 1 and not chain.point.shape and not value.shape:
        return _slope(lanes, chain, text)
    place = f"{chain.input}[{', '.join(map(str, unravel(chain.point.shape, k)))}]" if chain.point.shape else chain.input
    whole = f"sum({output})" if value.shape else output
    most = "; no other input moves it more" if len(known) > 1 else ""
    return f"moving {place} by a small h moves {whole} by about {text}*h{most}"


def _slope(lanes: Lanes, chain: Chain, slope: str) -> str | None:
    value = (lanes.value(lanes.told.output).exact or (None,))[0]
    if value is None:
        return None
    x = lanes.format.text((chain.point.torch or (0.0,))[0])
    y = exact_text(value, lanes.format)
    name = output_name(lanes)
    sign = "-" if slope.startswith("-") else "+"
    step = f"({chain.input} + {x[1:]})" if x.startswith("-") else f"({chain.input} - {x})"
    near = f"near {chain.input} = {x}, {name} is about {y} {sign} {slope.lstrip('-')}*{step}"
    return f"{slope} is the slope at ({x}, {y}): {near}"
