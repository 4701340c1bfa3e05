"""Names that the table has not: what torch calls so, what it is in the language, or what was meant."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gradcheck import functions
from gradcheck.errors import NameProblem, Span
from gradcheck.parse.torch_names import TORCH

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

FORMULAS = {
    "copysign": "abs(x)*sign(y)", "deg2rad": "x*pi/180", "rad2deg": "x*180/pi", "frac": "x - trunc(x)",
    "fmax": "maximum(x, y)", "fmin": "minimum(x, y)", "logaddexp2": "log2(2**x + 2**y)", "float_power": "x**y",
    "xlogy": "x*log(y)", "xlog1py": "x*log1p(y)", "entr": "-x*log(x)", "logit": "log(x/(1 - x))",
    "ndtr": "(1 + erf(x/sqrt(2)))/2", "log_ndtr": "log((1 + erf(x/sqrt(2)))/2)", "erfcx": "exp(x**2)*erfc(x)",
    "dist": "norm(x - y)", "vecdot": "sum(x*y, dim=-1)", "angle": "where(x < 0, pi, 0)",
    "cbrt": "sign(x)*abs(x)**(1/3)",
    "heaviside": "where(x > 0, 1, where(x < 0, 0, y))", "multi_dot": "x @ y @ z", "matrix_power": "x @ x @ x",
    "cdist": "sqrt(sum((x[:, None, :] - y[None, :, :])**2, dim=-1))", "var_mean": "var(x) and mean(x)",
    "std_mean": "std(x) and mean(x)", "det": "x[0, 0]*x[1, 1] - x[0, 1]*x[1, 0] for 2 x 2",
    "cov": "(x - mean(x, dim=1, keepdim=True)) @ (x - mean(x, dim=1, keepdim=True)).T/(x.shape[1] - 1)",
    "linear_cross_entropy": "-mean(sum(t*log_softmax(x @ w.T, 1), dim=1))",
    "positive": "x", "rsub": "y - x",
    "sum_to_size": "sum(x, dim=0, keepdim=True)",
}  # fmt: skip
"""What torch's functions are in the language, of those that the table may not have."""


def unknown_function(reader: Reader, name: str, place: Span, node: ast.Call) -> NameProblem:
    """Return the error about a function that the table has not."""
    if name in FORMULAS:
        return reader.unknown(f"torch's `{name}` is not in the table", place, f"write {FORMULAS[name]}")
    if name in TORCH:
        return reader.unknown(
            f"torch's `{name}` is not in the table",
            place,
            "write its formula; `gradcheck functions` lists what there is",
        )
    closest = functions.nearest(name, functions.known_names())
    hint = f"did you mean `{closest}`?" if closest else None
    if hint is None and len(name) <= 2 and isinstance(node.func, ast.Name):
        hint = f"write {name}*(...) for a product"
    return reader.unknown(f"unknown function `{name}`", place, hint or "`gradcheck functions` lists them all")
