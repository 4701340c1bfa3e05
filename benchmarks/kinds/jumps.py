"""Choices over branches that jump, at exact ties: nothing agrees along an element where the function jumps."""

from __future__ import annotations

from random import Random

from kinds.pair import Drawn, drawn, on_grid

GRID = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 3.0)
JUMPING = (
    "floor({v})", "ceil({v})", "round({v})", "trunc({v})", "sign({v})", "{v} % 2", "{v} % 3", "fmod({v}, 2)",
    "remainder({v}, -1.5)", "where({v} < 0, 5, {v})", "where({v} <= 0, 5, {v})", "where({v} > 1, {v}, 2*{v})",
    "where({v} >= 1, {v}**2, {v})", "where({v} == 0, 1, {v})", "where({v} != 0, {v}, -1)", "{v} - floor({v})",
    "where(({v} > 0) & ({v} < 2), 3, {v})", "where(({v} < -1) | ({v} > 1), {v}, 0)", "abs({v}) + sign({v})",
    "atan2({v}, -1)", "floor(2*{v})/2", "where({v} < 0, -{v}, {v})", "clamp({v}, -1, 1)", "relu({v})", "{v}",
)  # fmt: skip
CHOICES = (
    "amax(y)", "amin(y)", "maximum(y[0], y[1])", "maximum(y[1], y[0])", "minimum(y[0], y[2])", "minimum(y[2], y[0])",
    "sort(y)[0]", "sort(y)[1]", "sort(y, descending=True)[0]", "norm(y, p=inf)", "clamp(y[0], y[1], y[2])",
    "clamp(y[0], min=y[1])", "clamp(y[2], max=y[0])", "where(y[0] > y[1], y[0], y[1])", "where(v[0] > 0, y[0], y[1])",
    "where(y[1] <= v[2], y[1], y[2])", "relu(y[0] - y[1])", "abs(y[1] - y[2])", "where(v[1] == 1, y[0], y[2])",
    "y[0]*v[1]", "y[0]*y[1]", "sum(y*v)", "y[1]*0", "0*y[0] + v[1]", "y[0] - y[1]", "sum(y)", "y[2]*(v[0] - 1)",
    "amax(stack([y[0], v[1], 0.5]))", "amax(cat([y, v]))", "maximum(y[0], maximum(y[1], y[2]))", "relu6(3*y[0])",
    "hardtanh(y[1])", "leaky_relu(y[2])", "floor(y[0])", "sign(y[1])", "where(y[0] < y[1], 1, 1)*v[0]",
)  # fmt: skip
AROUND = (
    "{c}", "{c}", "{c} + v[0]*v[1]", "({c})**2", "exp(({c})/4)", "2 - {c}", "({c})*v[2]", "({c}) + relu(v[0])",
    "sin({c})",
)  # fmt: skip


def draw(random: Random) -> Drawn:
    """Return a choice over a vector whose elements jump, at numbers where they may."""
    choice = random.choice(AROUND).format(c=random.choice(CHOICES))
    text = f"y = {random.choice(JUMPING).format(v='v')}; {choice}"
    if random.random() < 0.3:
        a, b = (random.choice(JUMPING).format(v=v) for v in ("v[0]", "v[1]"))
        text = f"y = stack([{a}, {b}, v[2]]); {choice}"
    return drawn(text, {"v": on_grid((3,), GRID)})
