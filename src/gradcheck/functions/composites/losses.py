"""Losses."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from gradcheck.functions.params import broadcast
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape


def _mse_stored(a: Shape, b: Shape) -> str:
    """Return mse_loss with torch's slope: 2/n, times the difference, times the cotangent."""
    return f"d = a - b\ny = detach(d)\nmean(y**2) + sum((d - y)*({Fraction(2, prod(broadcast(a, b)))}*y))"


def _nll(x: Shape, weight: Shape, target: Param) -> str:
    if len(x) != 2 or not isinstance(target, tuple) or len(target) != x[0]:
        raise ValueError("nll_loss takes a row of log-probabilities for each class index of target")
    labels = [one for one in target if isinstance(one, int)]
    flat = tuple(row * x[1] + label for row, label in enumerate(labels))
    picked = f"-reshape(x, {(x[0] * x[1],)})[{list(flat)}]"
    scale = f"weight[{labels}]" if weight else "1"
    return f"w = {scale}\ny = {picked}*w\nsum(y)/" + ("sum(w)" if weight else str(len(labels)))


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("mse_loss", ("a", "b"), (), "mean((a - b)**2)", ("mse_loss(v, a[0])",), adds=True, as_torch=_mse_stored, torch=lambda m, a, b: m.nn.functional.mse_loss(a, b), summary="the mean of the squared differences"),
    Composite("nll_loss", ("x", "weight"), ("target",), _nll, ("nll_loss(log_softmax(a, 1), [0, 2])", "nll_loss(a, [0, 2], v)"), order=("x", "target", "weight"), optional={"weight": 1}, fixed=("weight",), indices=("target",),
              torch=lambda m, x, weight, target: m.nn.functional.nll_loss(x, target, weight), summary="minus the log-probability of the right class"),
)
# fmt: on
