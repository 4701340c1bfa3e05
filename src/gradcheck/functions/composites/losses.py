"""Losses of pairs, probabilities and margins."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

from gradcheck.functions.params import broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

REDUCTION = {"reduction": ("mean", "sum", "none")}

BATCHMEAN = {"reduction": ("mean", "batchmean", "sum", "none")}

WEIGHT = {"weight": 1}

EPSILON = Fraction(float.fromhex("0x1.197998p-40"))
"""1e-12 as the float32 that it is in aten/src/ATen/native/Loss.cpp."""

CLAMPED = "exp(-100)"
"""What lies below has a logarithm that torch.nn.BCELoss clamps to -100, as its documentation says."""


def averaged(text: str, reduction: Param) -> str:
    """Return the text of what a loss makes of the errors of all elements."""
    return text if reduction == "none" else f"{reduction}({text})"


def _sloped(slope: str, reduction: Param, n: int) -> str:
    """Return what a slope adds: torch's kernels multiply by 1/n themselves, and take the cotangent of the mean as it is."""
    if reduction == "none":
        return slope
    return f"sum({slope})" if reduction == "sum" else f"sum(({slope})*({Fraction(1, max(n, 1))}))"


def number(name: str, value: Param) -> Fraction:
    """Return a param that is any number."""
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise ValueError(f"{name} is a number")
    return Fraction(value)


def one_shape(name: str, x: Shape, target: Shape) -> None:
    """Refuse a target of another shape than the input's."""
    if x != target:
        raise ValueError(
            f"{name} takes an input and a target of one shape, not {shape_text(x)} and {shape_text(target)}"
        )


def _fits(name: str, weight: Shape, x: Shape) -> None:
    """Refuse what does not broadcast to the shape of the input, in which torch computes."""
    if len(weight) > len(x) or broadcast(weight, x) != x:
        raise ValueError(f"the {name} of shape {shape_text(weight)} does not broadcast to the input's, {shape_text(x)}")


def _functional(name: str, args: tuple[str, ...], optional: dict[str, int]) -> Callable[..., Any]:
    """Return the call of a function of torch.nn.functional, with tensors that need not be given by their names."""

    def run(m: Any, *tensors: Any, **params: Any) -> Any:
        held = dict(zip(args, tensors, strict=True))
        given = {one: held[one] for one in optional if held[one] is not None}
        return getattr(m.nn.functional, name)(*(held[one] for one in args if one not in optional), **given, **params)

    return run


def loss(
    name: str, args: tuple[str, ...], params: tuple[str, ...], definition: Callable[..., str], samples: tuple[str, ...],
    **more: Any,
) -> Composite:  # fmt: skip
    """Return the row of a loss, whose last param is its reduction."""
    called = more.pop("called", name)
    words = {"words": REDUCTION, "adds": True, **more}
    return Composite(
        name, args, (*params, "reduction"), definition, samples,
        torch=_functional(called, args, more.get("optional", {})), **words,
    )  # fmt: skip


# --- of pairs ----------------------------------------------------------------------------------------


def _weighted(error: str, x: Shape, weight: Shape, reduction: Param, by_weights: bool) -> str:
    """Return the reduction of errors; the mean of weighted ones divides by the sum of the weights, or by n."""
    if weight and weight != x:
        raise ValueError(f"the weight has the shape of the input, {shape_text(x)}, not {shape_text(weight)}")
    if not weight and x:
        return averaged(error, reduction)
    total = f"sum(({error})*weight)/sum(weight)"
    return total if by_weights and reduction == "mean" else averaged(f"({error})*weight", reduction)


def _mse(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    broadcast(x, target)
    return _weighted("(x - target)**2", x, weight, reduction, True)


def _mse_stored(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    """Return mse_loss with torch's slope: 2/n, times the difference, times the cotangent."""
    if weight or not x:
        return _mse(x, target, weight, reduction)
    slope = {"none": "2*y", "sum": "2*y"}.get(str(reduction), f"({Fraction(2, max(prod(broadcast(x, target)), 1))})*y")
    moved = f"(d - y)*({slope})"
    return "\n".join([
        "d = x - target", "y = detach(d)",
        f"{averaged('y**2', reduction)} + {moved if reduction == 'none' else f'sum({moved})'}",
    ])  # fmt: skip


def _l1(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    broadcast(x, target)
    return _weighted("abs(x - target)", x, weight, reduction, True)


def _smooth_l1(x: Shape, target: Shape, reduction: Param = "mean", beta: Param = 1) -> str:
    broadcast(x, target)
    if (least := number("beta", beta)) < 0:
        raise ValueError("beta is at least 0")
    if not least:
        return averaged("abs(x - target)", reduction)
    error = f"where(abs(d) < {least}, d**2/({2 * least}), abs(d) - ({least / 2}))"
    return f"d = x - target\n{averaged(error, reduction)}"


def _smooth_l1_stored(x: Shape, target: Shape, reduction: Param = "mean", beta: Param = 1) -> str:
    """Return smooth_l1_loss with torch's slope: ATen/native/cpu/PointwiseOpsKernel.cpp, smooth_l1_backward."""
    if not (least := number("beta", beta)):
        return _smooth_l1(x, target, reduction, beta)
    return _by_difference(
        f"where(abs(y) < {least}, y*y/2/({least}), abs(y) - ({least / 2}))", f"where(abs(y) < {least}, y/({least}), sign(y))",
        reduction, prod(broadcast(x, target)),
    )  # fmt: skip


def _by_difference(value: str, slope: str, reduction: Param, n: int) -> str:
    lines = ["d = x - target", "y = detach(d)", f"v = {value}", f"g = {slope}"]
    return "\n".join([*lines, f"{averaged('v', reduction)} + {_sloped('(d - y)*g', reduction, n)}"])


def _huber(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean", delta: Param = 1) -> str:
    broadcast(x, target)
    if (least := number("delta", delta)) <= 0:
        raise ValueError("delta is above 0")
    error = f"where(abs(d) < {least}, d**2/2, ({least})*(abs(d) - ({least / 2})))"
    return f"d = x - target\n{_weighted(error, x, weight, reduction, False)}"


def _huber_stored(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean", delta: Param = 1) -> str:
    """Return huber_loss with torch's slope: ATen/native/cpu/PointwiseOpsKernel.cpp, huber_backward."""
    least = number("delta", delta)
    value = f"where(abs(y) < {least}, y*y/2, ({least})*(abs(y) - ({least / 2})))"
    slope = f"where(abs(y) < {least}, y, sign(y)*({least}))"
    if not weight and x:
        return _by_difference(value, slope, reduction, prod(broadcast(x, target)))
    lines = ["d = x - target", "y = detach(d)", f"v = {value}", f"g = {slope}"]
    return "\n".join([*lines, averaged("(v + (d - y)*g)*weight", reduction)])


def _kl_div(x: Shape, target: Shape, reduction: Param = "mean", log_target: Param = False) -> str:
    broadcast(x, target)
    error = "exp(target)*(target - x)" if log_target else "where(target == 0, 0, target*log(target)) - target*x"
    if reduction == "batchmean":
        return f"sum({error})/{x[0]}" if x else f"sum({error})"
    return averaged(error, reduction)


def _poisson(
    x: Shape, target: Shape, log_input: Param = True, full: Param = False, eps: Param = Fraction(1, 10**8),
    reduction: Param = "mean",
) -> str:  # fmt: skip
    broadcast(x, target)
    error = "exp(x) - target*x" if log_input else f"x - target*log(x + {number('eps', eps)})"
    if full:  # Stirling's formula, for targets above 1
        error += " + where(target > 1, target*log(target) - target + log(2*pi*target)/2, 0)"
    return averaged(error, reduction)


def _gaussian(
    x: Shape, target: Shape, var: Shape, full: Param = False, eps: Param = Fraction(1, 10**6), reduction: Param = "mean"
) -> str:
    """Return gaussian_nll_loss, whose clamp at eps is ignored with respect to autograd, as its documentation says."""
    broadcast(x, target)
    ones = sum(one for wide, one in zip(x, var, strict=False) if wide != one)
    if var != x and x[:-1] != var and not (len(x) == len(var) and ones == 1):
        raise ValueError(
            f"the variances have the shape of the input, {shape_text(x)}, or one for each row, not {shape_text(var)}"
        )
    held = f"reshape(var, {(*var, 1)})" if var != x and x[:-1] == var else "var"
    least = number("eps", eps)
    error = "(log(s) + (x - target)**2/s)/2" + (" + log(2*pi)/2" if full else "")
    return f"r = {held}\ns = where(r < {least}, {least} + (r - detach(r)), r)\n{averaged(error, reduction)}"


# --- of probabilities and margins --------------------------------------------------------------------


def _bce(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    one_shape("binary_cross_entropy", x, target)
    _fits("weight", weight, x)
    error = "-weight*(target*p + (1 - target)*q)"
    return "\n".join([
        f"p = where(x > {CLAMPED}, log(x), -100)", f"q = where(1 - x > {CLAMPED}, log1p(-x), -100)",
        averaged(error, reduction),
    ])  # fmt: skip


def _bce_stored(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    """Return binary_cross_entropy with torch's slopes, without the least denominator that torch takes.

    ATen/native/Loss.cpp, and binary_cross_entropy_target_backward in torch/csrc/autograd/FunctionsManual.cpp.
    There binary_cross_entropy_double_backward adds 1e-12 to x and to 1 - x: torch's second derivative is off by as much.
    """
    _bce(x, target, weight, reduction)
    inside = f"(y > {CLAMPED}) & (1 - y > {CLAMPED})"
    by = "" if reduction != "mean" else f"/{max(prod(x), 1)}"
    moved = f"(x - y){by}*weight/b*c + (target - t){by}*weight*h"
    return "\n".join([
        "y = detach(x)", "t = detach(target)",
        f"p = where(y > {CLAMPED}, log(y), -100)", f"q = where(1 - y > {CLAMPED}, log1p(-y), -100)",
        "v = (t - 1)*q - t*p",
        f"b = where({inside}, (1 - y)*y, 1)",
        f"c = where({inside}, y - t, where(y > {CLAMPED}, -t/y, (1 - t)/(1 - y)))",
        f"h = where({inside}, -log(y/(1 - y)), q - p)",
        f"{averaged('v*weight', reduction)} + {moved if reduction == 'none' else f'sum({moved})'}",
    ])  # fmt: skip


def _bce_with_logits(x: Shape, target: Shape, weight: Shape, pos_weight: Shape, reduction: Param = "mean") -> str:
    one_shape("binary_cross_entropy_with_logits", x, target)
    _fits("weight", weight, x)
    _fits("pos_weight", pos_weight, x)
    return averaged("weight*((1 - target)*x - (1 + (pos_weight - 1)*target)*logsigmoid(x))", reduction)


def _bce_with_logits_stored(
    x: Shape, target: Shape, weight: Shape, pos_weight: Shape, reduction: Param = "mean"
) -> str:
    """Return binary_cross_entropy_with_logits with torch's slopes: torch/csrc/autograd/FunctionsManual.cpp."""
    _bce_with_logits(x, target, weight, pos_weight, reduction)
    by = "" if reduction != "mean" else f"/{max(prod(x), 1)}"
    moved = f"(x - y){by}*weight*g + (target - t){by}*weight*h"
    return "\n".join([
        "y = detach(x)", "t = detach(target)", "l = logsigmoid(y)", "k = pos_weight*t",
        "v = (1 - t)*y - l*((pos_weight - 1)*t + 1)", "g = (k + 1 - t)*sigmoid(y) - k",
        f"h = {'logsigmoid(-y) - pos_weight*l' if pos_weight else '-y - (pos_weight - 1)*l'}",
        f"{averaged('v*weight', reduction)} + {moved if reduction == 'none' else f'sum({moved})'}",
    ])  # fmt: skip


def _hinge_embedding(x: Shape, target: Shape, margin: Param = 1, reduction: Param = "mean") -> str:
    broadcast(x, target)
    apart = f"where(target != 1, clamp_min({number('margin', margin)} - x, 0), 0)"
    return averaged(f"{apart} + where(target != -1, x, 0)", reduction)


def _margin_ranking(a: Shape, b: Shape, target: Shape, margin: Param = 0, reduction: Param = "mean") -> str:
    if not len(a) == len(b) == len(target):
        raise ValueError("margin_ranking_loss takes tensors of as many dimensions")
    broadcast(a, b, target)
    return averaged(f"clamp_min(-target*(input1 - input2) + {number('margin', margin)}, 0)", reduction)


def _soft_margin(x: Shape, target: Shape, reduction: Param = "mean") -> str:
    _fits("target", target, x)
    return averaged("log1p(exp(-target*x))", reduction)


def _soft_margin_stored(x: Shape, target: Shape, reduction: Param = "mean") -> str:
    """Return soft_margin_loss with torch's slope: ATen/native/Loss.cpp, soft_margin_loss_backward."""
    moved = _sloped("(x - y)*(-(target*z)/(z + 1))", reduction, prod(broadcast(x, target)))
    return f"y = detach(x)\nz = exp(-target*y)\n{averaged('log1p(z)', reduction)} + {moved}"


def _multilabel_soft_margin(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    if not x:
        raise ValueError("multilabel_soft_margin_loss takes a number for each class")
    if max(len(target), len(weight)) > len(x):  # whose last dim torch sums over, wherever it is behind broadcasting
        raise ValueError("multilabel_soft_margin_loss of a target or a weight with more dims than x is not supported")
    broadcast(x, target, weight)
    error = "-(target*logsigmoid(x) + (1 - target)*logsigmoid(-x))*weight"
    return averaged(f"sum({error}, dim=-1)/{x[-1]}", reduction)


def _cosine_embedding(a: Shape, b: Shape, target: Shape, margin: Param = 0, reduction: Param = "mean") -> str:
    """Return cosine_embedding_loss; torch adds 1e-12 to the squared lengths."""
    if len(target) > 1 or len(a) != len(target) + 1 or len(b) != len(a):
        raise ValueError("cosine_embedding_loss takes a target for each pair of rows, or one for two vectors")
    broadcast(broadcast(a, b)[:-1], target)
    return "\n".join([
        "p = sum(input1*input2, dim=-1)",
        f"q = sum(input1*input1, dim=-1) + {EPSILON}", f"r = sum(input2*input2, dim=-1) + {EPSILON}",
        "c = p/sqrt(q*r)",
        averaged(
            f"where(target == 1, 1 - c, 0) + where(target == -1, clamp_min(c - ({number('margin', margin)}), 0), 0)",
            reduction,
        ),
    ])  # fmt: skip


def _triplet_margin(
    a: Shape, positive: Shape, negative: Shape, margin: Param = 1, p: Param = 2, eps: Param = Fraction(1, 10**6),
    swap: Param = False, reduction: Param = "mean",
) -> str:  # fmt: skip
    if not len(a) == len(positive) == len(negative) or not a:
        raise ValueError("the anchor, the positive and the negative have as many dimensions, one or more")
    if (least := number("margin", margin)) <= 0:
        raise ValueError("margin is above 0")
    broadcast(a, positive, negative)

    def distance(one: str, other: str) -> str:
        return f"norm({one} - {other} + {number('eps', eps)}, p={p}, dim=-1)"

    far = distance("anchor", "negative")
    if swap:
        far = f"minimum({far}, {distance('positive', 'negative')})"
    return averaged(f"clamp_min({least} + {distance('anchor', 'positive')} - {far}, 0)", reduction)


def _triplet_with_distance(
    a: Shape, positive: Shape, negative: Shape, margin: Param = 1, swap: Param = False, reduction: Param = "mean"
) -> str:
    return _triplet_margin(a, positive, negative, margin, swap=swap, reduction=reduction)


# fmt: off
ROWS: tuple[Composite, ...] = (
    loss("mse_loss", ("x", "target", "weight"), (), _mse, ("mse_loss(v, a[0])", "mse_loss(v, a[0], reduction='sum', weight=exp(v))", "mse_loss(a, c[0], reduction='none')"), optional=WEIGHT, as_torch=_mse_stored, summary="the mean of the squared differences"),
    loss("l1_loss", ("x", "target", "weight"), (), _l1, ("l1_loss(v, a[0])", "l1_loss(a, c[0], reduction='none')", "l1_loss(v, a[0], weight=exp(v))"), optional=WEIGHT, summary="the mean of the absolute differences"),
    loss("smooth_l1_loss", ("x", "target"), ("beta",), _smooth_l1, ("smooth_l1_loss(v, a[0])", "smooth_l1_loss(a, c[0], reduction='none', beta=0.5)"), as_torch=_smooth_l1_stored, order=("x", "target", "reduction", "beta"), summary="squared differences over 2*beta below beta, absolute ones less beta/2 above"),
    loss("huber_loss", ("x", "target", "weight"), ("delta",), _huber, ("huber_loss(v, a[0])", "huber_loss(a, c[0], delta=1.5, weight=exp(a))"), optional=WEIGHT, as_torch=_huber_stored, order=("x", "target", "reduction", "delta", "weight"), summary="half the squared differences below delta, linear above"),
    loss("kl_div", ("x", "target"), ("log_target",), _kl_div, ("kl_div(v, softmax(a[0], 0), reduction='batchmean')", "kl_div(v, log_softmax(a[0], 0), reduction='sum', log_target=True)"), words=BATCHMEAN, order=("x", "target", "reduction", "log_target"), summary="the Kullback-Leibler divergence of log-probabilities from the target: target*(log(target) - x)"),
    loss("poisson_nll_loss", ("x", "target"), ("log_input", "full", "eps"), _poisson, ("poisson_nll_loss(v, exp(a[0]))", "poisson_nll_loss(exp(v), exp(a[0]), log_input=False, full=True, reduction='sum')"), summary="exp(x) - target*x, of the logarithm of a rate, or x - target*log(x + eps) of a rate itself"),
    loss("gaussian_nll_loss", ("x", "target", "var"), ("full", "eps"), _gaussian, ("gaussian_nll_loss(v, a[0], exp(a[1]))", "gaussian_nll_loss(a, c[0], exp(u), full=True, reduction='none')"), summary="log(var)/2 + (x - target)**2/(2*var), of variances clamped at eps without a slope"),
    loss("binary_cross_entropy", ("x", "target", "weight"), (), _bce, ("binary_cross_entropy(sigmoid(v), sigmoid(a[0]))", "binary_cross_entropy(sigmoid(a), sigmoid(c[0]), weight=v, reduction='none')"), optional=WEIGHT, scalars=("weight",), fixed=("weight",), as_torch=_bce_stored, wrong=("second",), summary="minus target*log(x) + (1 - target)*log(1 - x), each logarithm at least -100"),
    loss("binary_cross_entropy_with_logits", ("x", "target", "weight", "pos_weight"), (), _bce_with_logits, ("binary_cross_entropy_with_logits(v, sigmoid(a[0]))", "binary_cross_entropy_with_logits(a, sigmoid(c[0]), weight=v, pos_weight=v, reduction='sum')"), optional={"weight": 1, "pos_weight": 1}, scalars=("weight", "pos_weight"), fixed=("weight", "pos_weight"), as_torch=_bce_with_logits_stored, order=("x", "target", "weight", "reduction", "pos_weight"), summary="binary cross entropy of sigmoid(x), with weights of the positive classes"),
    loss("hinge_embedding_loss", ("x", "target"), ("margin",), _hinge_embedding, ("hinge_embedding_loss(a[0], v)", "hinge_embedding_loss(a, v, margin=2, reduction='none')"), fixed=("target",), summary="x where the target is 1, margin - x but at least 0 where it is -1"),
    loss("margin_ranking_loss", ("input1", "input2", "target"), ("margin",), _margin_ranking, ("margin_ranking_loss(v, a[0], a[1])", "margin_ranking_loss(a, c[0], c[1], margin=0.7, reduction='none')"), summary="margin - target*(input1 - input2), but at least 0"),
    loss("soft_margin_loss", ("x", "target"), (), _soft_margin, ("soft_margin_loss(a[0], v)", "soft_margin_loss(a, v, reduction='none')"), fixed=("target",), as_torch=_soft_margin_stored, summary="log(1 + exp(-target*x))"),
    loss("multilabel_soft_margin_loss", ("x", "target", "weight"), (), _multilabel_soft_margin, ("multilabel_soft_margin_loss(a, sigmoid(c[0]))", "multilabel_soft_margin_loss(a, sigmoid(c[0]), v, reduction='none')"), optional=WEIGHT, scalars=("weight",), summary="binary cross entropy of sigmoid(x), the mean over the classes"),
    loss("cosine_embedding_loss", ("input1", "input2", "target"), ("margin",), _cosine_embedding, ("cosine_embedding_loss(a, c[0], u, margin=-0.5)", "cosine_embedding_loss(v, a[0], s, reduction='sum')"), fixed=("target",), summary="1 - cos of two vectors where the target is 1, cos - margin but at least 0 where it is -1"),
    loss("triplet_margin_loss", ("anchor", "positive", "negative"), ("margin", "p", "eps", "swap"), _triplet_margin, ("triplet_margin_loss(v, a[0], a[1], margin=2)", "triplet_margin_loss(a, c[0], c[1], margin=4, p=4, eps=0.25, swap=True, reduction='none')"), summary="the distance to the positive less that to the negative, plus the margin, but at least 0"),
    loss("triplet_margin_with_distance_loss", ("anchor", "positive", "negative"), ("margin", "swap"), _triplet_with_distance, ("triplet_margin_with_distance_loss(v, a[0], a[1], margin=2)", "triplet_margin_with_distance_loss(a, c[0], c[1], margin=4, swap=True, reduction='none')"), summary="the triplet margin loss of Euclidean distances"),
)
# fmt: on
