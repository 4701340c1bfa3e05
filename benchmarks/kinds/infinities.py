"""Infinite inputs and constants: what has a limit however infinity is approached has that value."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from random import Random

from kinds.pair import Drawn, Floats, drawn, on_grid

INF = float("inf")
GRID = (-2.0, -0.5, 0.0, 0.1, 1.0, 3.0)
ELEMENTWISE = (
    "{a}*{b}", "{a} + {b}", "{a} - {b}", "{a}/{b}", "exp({a})*{b}", "exp(-{a})*{b}", "tanh({a})*{b}", "sigmoid({a}) + {b}",
    "relu({a})*{b}", "maximum({a}, {b})", "minimum({a}, {b})", "logaddexp({a}, {b})", "atan({a}) + {b}**2", "{b}**{a}",
    "clamp({a}, -1, {b})", "where({a} > 0, {b}, {a})", "where({a} == {b}, {b}, 2*{b})", "erf({a})*{b}", "1/{a} + {b}",
    "softplus({a})", "silu({a})", "gelu({a})*{b}", "{a}*{b}**2", "hypot({a}, {b})", "log1p(exp({a}))", "exp(-{a}**2)*{b}",
    "sqrt({a}*{a} + {b})", "{b}/(1 + exp({a}))", "elu({a})", "leaky_relu({a})*{b}", "abs({a})", "sin({a})", "log(abs({a}))",
)  # fmt: skip
WHOLE = (
    "amax(s)", "amin(s)", "logsumexp(s, 0)", "softmax(s, 0)[0]", "sum(softmax(s, 0)*w)", "log_softmax(s, 0)[0]", "s[0]*w[0]",
    "(s*w)[0]", "sum(s*w)", "logsumexp(s/t, 0)", "sum(where(w > 0, s, -inf))", "logsumexp(where(w > 0, s, -inf), 0)",
    "sum(softmax(where(w > 0, s, -inf), 0)*w)", "amax(where(w > 0, s, -inf))", "sum(where(s > -inf, s, 0))", "mean(s)",
    "sum(relu(s)*w)", "sort(s)[0]", "sort(s)[1]", "sum(exp(s))", "sum(exp(s)*w)", "norm(s)", "sum(where(s == -inf, 0, s*w))",
    "sum(where(s < inf, w, s))", "maximum(s[0], w[0])", "log(sum(exp(s)))", "softmax(s*t, 0)[1]", "sum(sigmoid(s)*w)",
    "minimum(amax(s), inf)", "clamp(t, -inf, inf)*w[0]", "exp(-inf)*t", "sum(s[:1]*w[:1])", "stack([s[0], t])[1]*w[1]",
)  # fmt: skip


def draw(random: Random) -> Drawn:
    """Return a program at a point with one infinite number or more, most of them negative, or with one of its own."""
    text = random.choice(WHOLE)
    if random.random() < 0.4:
        text = random.choice(ELEMENTWISE).format(
            a=random.choice(("s[0]", "s[0]", "inf", "(-inf)")), b=random.choice(("t", "w[1]"))
        )
        text = random.choice(
            ("({e}) + 0*t", "({e}) - t", "({e})*t", "({e}) + s[1]", "exp(-({e})) + t", "tanh({e})*t")
        ).format(e=text)
    return drawn(text, {"s": infinite, "w": on_grid((3,), GRID), "t": on_grid((), (0.1, 1.0, 2.0))})


def infinite(random: Random) -> Floats:
    """Return three numbers, most often with an infinite one."""
    numbers = on_grid((3,), (*GRID, -INF, -INF, INF))(random)
    if random.random() < 0.7:
        numbers[random.randrange(3)] = random.choice((-INF, -INF, INF))
    return numbers
