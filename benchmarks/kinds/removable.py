"""Removable points and ends of domains: where there is no value there is no derivative, and one side is enough at an end."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from random import Random

from kinds.pair import Drawn, drawn, on_grid

AT = (-1.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0)
FUNCTIONS = (
    "sin({x})/{x}", "({x}**2 - 1)/({x} - 1)", "(exp({x}) - 1)/{x}", "{x}**2/{x}", "{x}/{x}", "tan({x})/{x}", "{x}/sin({x})",
    "log1p({x})/{x}", "(1 - cos({x}))/{x}**2", "{x}*log({x})", "{x}**2*log({x})", "{x}*sqrt({x})", "{x}**1.5", "{x}**2.5",
    "sqrt({x}**3)", "sqrt({x})**3", "{x}**2/({x} + {x}**2)", "acos({x})**2", "acos({x})*sqrt(1 - {x})", "asin({x})*(1 - {x})",
    "sqrt({x}*{x})", "sqrt({x}**4)", "0*sqrt({x})", "0*log({x})", "0/{x}", "{x}**0", "0**{x}", "{x}**{x}", "abs({x})**1.5",
    "abs({x})**0.5", "abs({x})*{x}", "relu({x})**2", "relu({x})*{x}", "sqrt(relu({x}))*{x}", "1/(1/{x})", "exp(log({x}))",
    "exp(-1/{x}**2)", "where({x} == 0, 1, sin({x})/{x})", "where({x} == 0, 0, {x}*{x}/{x})", "sinc({x})", "sqrt(1 - {x}**2)",
    "atan(1/{x})", "{x}*atan(1/{x})", "atan2({x}, {x})", "hypot({x}, 0)", "hypot({x}, {x})", "acosh({x})**2", "acosh({x})*({x} - 1)",
    "atanh({x})*(1 - {x}**2)", "rsqrt({x})*{x}**2", "log(exp({x}))", "logaddexp({x}, {x})", "sign({x})*{x}", "sign({x})*{x}**2",
    "floor({x})*0 + {x}", "{x}**3/abs({x})", "{x}*sin(1/{x})", "sqrt(abs({x}))*sqrt(abs({x}))", "max({x}, 0)**2", "{x}**-1*{x}",
)  # fmt: skip
AROUND = (
    "{f}",
    "{f}",
    "2*({f}) - x",
    "({f})**2",
    "sin({f})",
    "({f})*x",
    "exp({f})",
    "({f}) + y",
    "y*({f})",
    "({f})/2 + x*y",
)
INSIDE = ("x", "x", "x", "(x - 1)", "(x*x)", "(2*x)", "(x + y - y)", "(x*(1 + x))", "(1 - x)", "sin(x)", "(x*y)")


def draw(random: Random) -> Drawn:
    """Return a function of one number, at a point where its value or a slope on the way may be missing."""
    text = random.choice(AROUND).format(f=random.choice(FUNCTIONS).format(x=random.choice(INSIDE)))
    return drawn(text, {"x": on_grid((), AT), "y": on_grid((), AT)})
