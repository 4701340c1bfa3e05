"""Losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import prod
from typing import Any

from gradcheck.functions.params import broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.functions.sums import ALONE
from gradcheck.program import Param, Shape

REDUCTION = {"reduction": ("mean", "sum", "none")}
BATCHMEAN = {"reduction": ("mean", "batchmean", "sum", "none")}
EPSILON = Fraction(float.fromhex("0x1.197998p-40"))
"""1e-12 as the float32 that it is in aten/src/ATen/native/Loss.cpp."""
CLAMPED = "exp(-100)"
"""What lies below has a logarithm that torch.nn.BCELoss clamps to -100, as its documentation says."""


def _reduced(text: str, reduction: Param) -> str:
    return text if reduction == "none" else f"{reduction}({text})"


def _sloped(slope: str, reduction: Param, n: int) -> str:
    """Return what a slope adds: torch's kernels multiply by 1/n themselves, and take the cotangent of the mean as it is."""
    if reduction == "none":
        return slope
    return f"sum({slope})" if reduction == "sum" else f"sum(({slope})*({Fraction(1, max(n, 1))}))"


def _number(name: str, value: Param) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise ValueError(f"{name} is a number")
    return Fraction(value)


def _one_shape(name: str, x: Shape, target: Shape) -> None:
    if x != target:
        raise ValueError(
            f"{name} takes an input and a target of one shape, not {shape_text(x)} and {shape_text(target)}"
        )


def _fits(name: str, weight: Shape, x: Shape) -> None:
    """Refuse what does not broadcast to the shape of the input, in which torch computes."""
    if len(weight) > len(x) or broadcast(weight, x) != x:
        raise ValueError(f"the {name} of shape {shape_text(weight)} does not broadcast to the input's, {shape_text(x)}")


def _flattened(target: Param) -> tuple[Shape, list[int]]:
    """Return the shape of nested whole numbers, and the numbers."""
    if isinstance(target, int) and not isinstance(target, bool):
        return (), [target]
    if not isinstance(target, tuple) or not target:
        raise ValueError("the target is made of whole numbers: the index of the right class")
    parts = [_flattened(one) for one in target]
    if len({shape for shape, _ in parts}) > 1:
        raise ValueError("the lists in a target have one length")
    return (len(target), *parts[0][0]), [number for _, part in parts for number in part]


# --- of pairs ------------------------------------------------------------------------------------------


def _weighted(error: str, x: Shape, weight: Shape, reduction: Param, by_weights: bool) -> str:
    """Return the reduction of errors; the mean of weighted ones divides by the sum of the weights, or by n."""
    if weight and weight != x:
        raise ValueError(f"the weight has the shape of the input, {shape_text(x)}, not {shape_text(weight)}")
    if not weight and x:
        return _reduced(error, reduction)
    total = f"sum(({error})*weight)/sum(weight)"
    return total if by_weights and reduction == "mean" else _reduced(f"({error})*weight", reduction)


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
        f"{_reduced('y**2', reduction)} + {moved if reduction == 'none' else f'sum({moved})'}",
    ])  # fmt: skip


def _l1(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    broadcast(x, target)
    return _weighted("abs(x - target)", x, weight, reduction, True)


def _smooth_l1(x: Shape, target: Shape, reduction: Param = "mean", beta: Param = 1) -> str:
    broadcast(x, target)
    if (least := _number("beta", beta)) < 0:
        raise ValueError("beta is at least 0")
    if not least:
        return _reduced("abs(x - target)", reduction)
    error = f"where(abs(d) < {least}, d**2/({2 * least}), abs(d) - ({least / 2}))"
    return f"d = x - target\n{_reduced(error, reduction)}"


def _smooth_l1_stored(x: Shape, target: Shape, reduction: Param = "mean", beta: Param = 1) -> str:
    """Return smooth_l1_loss with torch's slope: ATen/native/cpu/PointwiseOpsKernel.cpp, smooth_l1_backward."""
    if not (least := _number("beta", beta)):
        return _smooth_l1(x, target, reduction, beta)
    return _by_difference(
        f"where(abs(y) < {least}, y*y/2/({least}), abs(y) - ({least / 2}))", f"where(abs(y) < {least}, y/({least}), sign(y))",
        reduction, prod(broadcast(x, target)),
    )  # fmt: skip


def _by_difference(value: str, slope: str, reduction: Param, n: int) -> str:
    lines = ["d = x - target", "y = detach(d)", f"v = {value}", f"g = {slope}"]
    return "\n".join([*lines, f"{_reduced('v', reduction)} + {_sloped('(d - y)*g', reduction, n)}"])


def _huber(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean", delta: Param = 1) -> str:
    broadcast(x, target)
    if (least := _number("delta", delta)) <= 0:
        raise ValueError("delta is above 0")
    error = f"where(abs(d) < {least}, d**2/2, ({least})*(abs(d) - ({least / 2})))"
    return f"d = x - target\n{_weighted(error, x, weight, reduction, False)}"


def _huber_stored(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean", delta: Param = 1) -> str:
    """Return huber_loss with torch's slope: ATen/native/cpu/PointwiseOpsKernel.cpp, huber_backward."""
    least = _number("delta", delta)
    value = f"where(abs(y) < {least}, y*y/2, ({least})*(abs(y) - ({least / 2})))"
    slope = f"where(abs(y) < {least}, y, sign(y)*({least}))"
    if not weight and x:
        return _by_difference(value, slope, reduction, prod(broadcast(x, target)))
    lines = ["d = x - target", "y = detach(d)", f"v = {value}", f"g = {slope}"]
    return "\n".join([*lines, _reduced("(v + (d - y)*g)*weight", reduction)])


def _kl_div(x: Shape, target: Shape, reduction: Param = "mean", log_target: Param = False) -> str:
    broadcast(x, target)
    error = "exp(target)*(target - x)" if log_target else "where(target == 0, 0, target*log(target)) - target*x"
    if reduction == "batchmean":
        return f"sum({error})/{x[0]}" if x else f"sum({error})"
    return _reduced(error, reduction)


def _poisson(
    x: Shape, target: Shape, log_input: Param = True, full: Param = False, eps: Param = Fraction(1, 10**8),
    reduction: Param = "mean",
) -> str:  # fmt: skip
    broadcast(x, target)
    error = "exp(x) - target*x" if log_input else f"x - target*log(x + {_number('eps', eps)})"
    if full:  # Stirling's formula, for targets above 1
        error += " + where(target > 1, target*log(target) - target + log(2*pi*target)/2, 0)"
    return _reduced(error, reduction)


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
    least = _number("eps", eps)
    error = "(log(s) + (x - target)**2/s)/2" + (" + log(2*pi)/2" if full else "")
    return f"r = {held}\ns = where(r < {least}, {least} + (r - detach(r)), r)\n{_reduced(error, reduction)}"


# --- of probabilities and margins ----------------------------------------------------------------------


def _bce(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    _one_shape("binary_cross_entropy", x, target)
    _fits("weight", weight, x)
    error = "-weight*(target*p + (1 - target)*q)"
    return "\n".join([
        f"p = where(x > {CLAMPED}, log(x), -100)", f"q = where(1 - x > {CLAMPED}, log1p(-x), -100)",
        _reduced(error, reduction),
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
        f"{_reduced('v*weight', reduction)} + {moved if reduction == 'none' else f'sum({moved})'}",
    ])  # fmt: skip


def _bce_with_logits(x: Shape, target: Shape, weight: Shape, pos_weight: Shape, reduction: Param = "mean") -> str:
    _one_shape("binary_cross_entropy_with_logits", x, target)
    _fits("weight", weight, x)
    _fits("pos_weight", pos_weight, x)
    return _reduced("weight*((1 - target)*x - (1 + (pos_weight - 1)*target)*logsigmoid(x))", reduction)


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
        f"{_reduced('v*weight', reduction)} + {moved if reduction == 'none' else f'sum({moved})'}",
    ])  # fmt: skip


def _hinge_embedding(x: Shape, target: Shape, margin: Param = 1, reduction: Param = "mean") -> str:
    broadcast(x, target)
    apart = f"where(target != 1, clamp_min({_number('margin', margin)} - x, 0), 0)"
    return _reduced(f"{apart} + where(target != -1, x, 0)", reduction)


def _margin_ranking(a: Shape, b: Shape, target: Shape, margin: Param = 0, reduction: Param = "mean") -> str:
    if not len(a) == len(b) == len(target):
        raise ValueError("margin_ranking_loss takes tensors of as many dimensions")
    broadcast(a, b, target)
    return _reduced(f"clamp_min(-target*(input1 - input2) + {_number('margin', margin)}, 0)", reduction)


def _soft_margin(x: Shape, target: Shape, reduction: Param = "mean") -> str:
    _fits("target", target, x)
    return _reduced("log1p(exp(-target*x))", reduction)


def _soft_margin_stored(x: Shape, target: Shape, reduction: Param = "mean") -> str:
    """Return soft_margin_loss with torch's slope: ATen/native/Loss.cpp, soft_margin_loss_backward."""
    moved = _sloped("(x - y)*(-(target*z)/(z + 1))", reduction, prod(broadcast(x, target)))
    return f"y = detach(x)\nz = exp(-target*y)\n{_reduced('log1p(z)', reduction)} + {moved}"


def _multilabel_soft_margin(x: Shape, target: Shape, weight: Shape, reduction: Param = "mean") -> str:
    if not x:
        raise ValueError("multilabel_soft_margin_loss takes a number for each class")
    if max(len(target), len(weight)) > len(x):  # whose last dim torch sums over, wherever it is behind broadcasting
        raise ValueError("multilabel_soft_margin_loss of a target or a weight with more dims than x is not supported")
    broadcast(x, target, weight)
    error = "-(target*logsigmoid(x) + (1 - target)*logsigmoid(-x))*weight"
    return _reduced(f"sum({error}, dim=-1)/{x[-1]}", reduction)


def _cosine_embedding(a: Shape, b: Shape, target: Shape, margin: Param = 0, reduction: Param = "mean") -> str:
    """Return cosine_embedding_loss; torch adds 1e-12 to the squared lengths."""
    if len(target) > 1 or len(a) != len(target) + 1 or len(b) != len(a):
        raise ValueError("cosine_embedding_loss takes a target for each pair of rows, or one for two vectors")
    broadcast(broadcast(a, b)[:-1], target)
    return "\n".join([
        "p = sum(input1*input2, dim=-1)",
        f"q = sum(input1*input1, dim=-1) + {EPSILON}", f"r = sum(input2*input2, dim=-1) + {EPSILON}",
        "c = p/sqrt(q*r)",
        _reduced(
            f"where(target == 1, 1 - c, 0) + where(target == -1, clamp_min(c - ({_number('margin', margin)}), 0), 0)",
            reduction,
        ),
    ])  # fmt: skip


def _triplet_margin(
    a: Shape, positive: Shape, negative: Shape, margin: Param = 1, p: Param = 2, eps: Param = Fraction(1, 10**6),
    swap: Param = False, reduction: Param = "mean",
) -> str:  # fmt: skip
    if not len(a) == len(positive) == len(negative) or not a:
        raise ValueError("the anchor, the positive and the negative have as many dimensions, one or more")
    if (least := _number("margin", margin)) <= 0:
        raise ValueError("margin is above 0")
    broadcast(a, positive, negative)

    def distance(one: str, other: str) -> str:
        return f"norm({one} - {other} + {_number('eps', eps)}, p={p}, dim=-1)"

    far = distance("anchor", "negative")
    if swap:
        far = f"minimum({far}, {distance('positive', 'negative')})"
    return _reduced(f"clamp_min({least} + {distance('anchor', 'positive')} - {far}, 0)", reduction)


def _triplet_with_distance(
    a: Shape, positive: Shape, negative: Shape, margin: Param = 1, swap: Param = False, reduction: Param = "mean"
) -> str:
    return _triplet_margin(a, positive, negative, margin, swap=swap, reduction=reduction)


# --- of classes ----------------------------------------------------------------------------------------


def _chosen(name: str, x: Shape, target: Param, ignored: int | None) -> tuple[Shape, list[int], list[int]]:
    """Return the shape of the target, its labels, and where each stands among the elements of the input."""
    shape, labels = _flattened(target)
    wanted = x[:1] + x[2:] if len(x) > 1 else ()
    if not x or shape != wanted:
        raise ValueError(
            f"{name} takes for an input of shape {shape_text(x)} a class for each of {shape_text(wanted)}, "
            f"not {shape_text(shape)}"
        )
    classes, rest = (x[1], prod(x[2:])) if len(x) > 1 else (x[0], 1)
    if wrong := [one for one in labels if one != ignored and not 0 <= one < classes]:
        raise ValueError(f"there is no class {wrong[0]}: the classes are 0 to {classes - 1}")
    places = [k // rest * classes * rest + label * rest + k % rest for k, label in enumerate(labels)]
    return shape, labels, places


def _nll(x: Shape, weight: Shape, target: Param, ignore_index: Param = -100, reduction: Param = "mean") -> str:
    return "\n".join(_Labels("nll_loss", x, weight, target, ignore_index).loss("x", reduction))


class _Labels:
    """The right class of each row of an input, for losses that pick what stands at it."""

    def __init__(self, name: str, x: Shape, weight: Shape, target: Param, ignore_index: Param) -> None:
        if not isinstance(ignore_index, int):
            raise ValueError("ignore_index is a whole number")
        self.x, self.weight = x, weight
        self.shape, self.labels, self.places = _chosen(name, x, target, ignore_index)
        self.over = min(len(x) - 1, 1)
        self.classes = x[self.over]
        _one_for_each_class(weight, self.classes)
        self.kept = [k for k, label in enumerate(self.labels) if label != ignore_index]

    def total(self) -> str:
        """Return what a mean divides by."""
        return f"sum(weight[{[self.labels[k] for k in self.kept]}])" if self.weight else f"{len(self.kept)}"

    def spread(self, name: str) -> str:
        """Return a vector of what is not ignored in the shape of the target, with 0 for what is."""
        if len(self.kept) == len(self.labels):
            return f"reshape({name}, {self.shape})"
        at = [self.kept.index(k) if k in self.kept else len(self.kept) for k in range(len(self.labels))]
        return f"reshape(cat([{name}, expand(0, (1,))], dim=0)[{at}], {self.shape})"

    def loss(self, of: str, reduction: Param) -> Iterator[str]:
        """Yield the lines of minus what stands at the right classes; torch adds it up one after the other."""
        if not self.kept and reduction == "mean":
            raise ValueError("every target is ignored: there is no mean")
        if not self.kept:
            yield f"sum(0*{of})" if reduction == "sum" else f"expand(sum(0*{of}), {self.shape})"
            return
        weighted = f"*weight[{[self.labels[k] for k in self.kept]}]" if self.weight else ""
        yield f"z = -reshape({of}, {(prod(self.x),)})[{[self.places[k] for k in self.kept]}]{weighted}"
        if reduction == "none":
            yield self.spread("z")
            return
        yield "s = sum(z)"
        yield f"t = {self.total()}"
        yield "s/t" if reduction == "mean" else "s"

    def smoothed(self, of: str, reduction: Param, smoothing: Fraction) -> Iterator[str]:
        """Yield the lines of the loss of smooth labels: a part of each goes to all the classes alike."""
        *lines, last = self.loss(of, reduction)
        yield from (*lines, f"n = {last}")
        yield f"a = -sum({of}{_by_class(self.weight, self.x, self.over)}, dim={self.over})"
        if len(self.kept) < len(self.labels):
            yield f"k = reshape(a, {(len(self.labels),)})[{self.kept}]"
            yield f"b = {self.spread('k')}"
        else:
            yield "b = a"
        made = {"none": "b", "sum": "sum(b)"}.get(str(reduction), f"sum(b)/{self.total()}")
        yield f"({1 - smoothing})*n + {made}*({smoothing / self.classes})"


def _one_for_each_class(weight: Shape, classes: int) -> None:
    if weight not in ((), (classes,)):
        raise ValueError(f"the weight has a number for each of the {classes} classes, not {shape_text(weight)}")


def _by_class(weight: Shape, x: Shape, over: int) -> str:
    """Return the factor that a weight of each class is; one that is left out is none."""
    return f"*reshape(weight, {tuple(size if k == over else 1 for k, size in enumerate(x))})" if weight else ""


def _smoothing(value: Param) -> Fraction:
    smoothing = _number("label_smoothing", value)
    if not 0 <= smoothing <= 1:
        raise ValueError("a label_smoothing that is not between 0 and 1 is not supported")
    return smoothing


def _cross_entropy(
    x: Shape, weight: Shape, target: Param, ignore_index: Param = -100, reduction: Param = "mean",
    label_smoothing: Param = 0,
) -> str:  # fmt: skip
    shape, _ = _flattened(target)
    if shape == x and x:
        raise ValueError("a target of the input's shape holds probabilities: write 1*target for one of whole numbers")
    labels, smoothing = _Labels("cross_entropy", x, weight, target, ignore_index), _smoothing(label_smoothing)
    lines = labels.smoothed("y", reduction, smoothing) if smoothing else labels.loss("y", reduction)
    return "\n".join([f"y = log_softmax(x, {labels.over})", *lines])


def _cross_entropy_of_probabilities(
    x: Shape, target: Shape, weight: Shape, ignore_index: Param = -100, reduction: Param = "mean",
    label_smoothing: Param = 0,
) -> str:  # fmt: skip
    if not x:
        raise ValueError("cross_entropy takes a number for each class")
    _one_shape("cross_entropy of probabilities", x, target)
    if not isinstance(ignore_index, int) or ignore_index >= 0:
        raise ValueError("a target of probabilities ignores no class")
    over = min(len(x) - 1, 1)
    _one_for_each_class(weight, x[over])
    smoothing = _smoothing(label_smoothing)
    smooth = f"target*({1 - smoothing}) + {smoothing / x[over]}" if smoothing else "target"
    lines = [f"y = log_softmax(x, {over})", f"t = {smooth}", f"z = y*t{_by_class(weight, x, over)}"]
    last = {"none": f"-sum(z, dim={over})", "sum": "-sum(z)"}.get(str(reduction), f"-sum(z)/{prod(x) // x[over]}")
    return "\n".join([*lines, last])


def _linear_cross_entropy(
    x: Shape, linear_weight: Shape, linear_bias: Shape, weight: Shape, target: Param, reduction: Param = "mean",
    ignore_index: Param = -100, label_smoothing: Param = 0,
) -> str:  # fmt: skip
    if len(x) not in (1, 2) or len(linear_weight) != 2 or x[-1] != linear_weight[1]:
        raise ValueError(
            f"the linear weight is a matrix of a row for each class, as long as those of the input; {shape_text(x)} "
            f"and {shape_text(linear_weight)} do not fit"
        )
    _one_for_each_class(linear_bias, linear_weight[0])
    logits = (*x[:-1], linear_weight[0])
    made = _cross_entropy(logits, weight, target, ignore_index, reduction, label_smoothing)
    first, *rest = made.splitlines()
    return "\n".join(["l = x @ linear_weight.T + linear_bias", first.replace("(x, ", "(l, "), *rest])


def _multi_margin(
    x: Shape, weight: Shape, target: Param, p: Param = 1, margin: Param = 1, reduction: Param = "mean"
) -> str:
    if len(x) not in (1, 2):
        raise ValueError("multi_margin_loss takes a vector, or one for each target")
    if p not in (1, 2):
        raise ValueError("p is 1 or 2")
    _, labels, _ = _chosen("multi_margin_loss", x, target, None)
    classes = x[-1]
    _one_for_each_class(weight, classes)
    rows = [(k, label, one) for k, label in enumerate(labels) for one in range(classes) if one != label]
    if not rows:
        return _reduced("0*x" if len(x) == 1 else "sum(0*x, dim=1)", reduction if len(x) == 2 else "sum")
    power = "h**2" if p == 2 else "h"
    scale = f"*weight[{[label for _, label, _ in rows]}]" if weight else ""
    return "\n".join([
        f"r = reshape(x, {(prod(x),)})",
        f"z = {_number('margin', margin)} - r[{[k * classes + label for k, label, _ in rows]}] "
        f"+ r[{[k * classes + one for k, _, one in rows]}]",
        "h = where(z > 0, z, 0)",
        f"e = sum(reshape({power}{scale}, {(len(labels), classes - 1)}), dim=1)/{classes}",
        _reduced("e", reduction) if len(x) == 2 else "sum(e)",
    ])  # fmt: skip


def _multilabel_margin(x: Shape, target: Param, reduction: Param = "mean") -> str:
    shape, labels = _flattened(target)
    if len(x) not in (1, 2) or shape != x:
        raise ValueError(
            f"multilabel_margin_loss takes a vector of classes, or some, and a target of the same shape: the classes, "
            f"then -1; not {shape_text(x)} and {shape_text(shape)}"
        )
    classes, rows = x[-1], prod(x[:-1])
    if wrong := [one for one in labels if not -1 <= one < classes]:
        raise ValueError(f"there is no class {wrong[0]}: the classes are 0 to {classes - 1}, and -1 ends their list")
    errors = []
    for k in range(rows):
        found = labels[k * classes : (k + 1) * classes]
        right = found[: found.index(-1)] if -1 in found else found
        pairs = [
            (k * classes + one, k * classes + other) for one in right for other in range(classes) if other not in right
        ]
        if not pairs:
            errors.append(f"sum(0*r[[{k * classes}]])")
            continue
        one, other = ([pair[side] for pair in pairs] for side in (0, 1))
        errors.append(f"sum(clamp_min(1 - r[{one}] + r[{other}], 0))/{classes}")
    lines = [f"r = reshape(x, {(prod(x),)})", *(f"e{k} = {one}" for k, one in enumerate(errors))]
    if len(x) == 1:
        return "\n".join([*lines, "1*e0"])
    return "\n".join(
        [*lines, _reduced(f"cat([{', '.join(f'reshape(e{k}, (1,))' for k in range(rows))}], dim=0)", reduction)]
    )


# --- the rows ------------------------------------------------------------------------------------------


def _functional(name: str, args: tuple[str, ...], optional: dict[str, int]) -> Callable[..., Any]:
    """Return the call of a function of torch.nn.functional, with tensors that need not be given by their names."""

    def run(m: Any, *tensors: Any, **params: Any) -> Any:
        held = dict(zip(args, tensors, strict=True))
        given = {one: held[one] for one in optional if held[one] is not None}
        return getattr(m.nn.functional, name)(*(held[one] for one in args if one not in optional), **given, **params)

    return run


def _loss(
    name: str, args: tuple[str, ...], params: tuple[str, ...], definition: Callable[..., str], samples: tuple[str, ...],
    **more: Any,
) -> Composite:  # fmt: skip
    called = more.pop("called", name)
    words = {"words": REDUCTION, "adds": True, **more}
    return Composite(
        name, args, (*params, "reduction"), definition, samples,
        torch=_functional(called, args, more.get("optional", {})), **words,
    )  # fmt: skip


WEIGHT = {"weight": 1}

# fmt: off
ROWS: tuple[Composite, ...] = (
    _loss("mse_loss", ("x", "target", "weight"), (), _mse, ("mse_loss(v, a[0])", "mse_loss(v, a[0], reduction='sum', weight=exp(v))", "mse_loss(a, c[0], reduction='none')"), optional=WEIGHT, as_torch=_mse_stored, summary="the mean of the squared differences"),
    _loss("l1_loss", ("x", "target", "weight"), (), _l1, ("l1_loss(v, a[0])", "l1_loss(a, c[0], reduction='none')", "l1_loss(v, a[0], weight=exp(v))"), optional=WEIGHT, summary="the mean of the absolute differences"),
    _loss("smooth_l1_loss", ("x", "target"), ("beta",), _smooth_l1, ("smooth_l1_loss(v, a[0])", "smooth_l1_loss(a, c[0], reduction='none', beta=0.5)"), as_torch=_smooth_l1_stored, order=("x", "target", "reduction", "beta"), summary="squared differences over 2*beta below beta, absolute ones less beta/2 above"),
    _loss("huber_loss", ("x", "target", "weight"), ("delta",), _huber, ("huber_loss(v, a[0])", "huber_loss(a, c[0], delta=1.5, weight=exp(a))"), optional=WEIGHT, as_torch=_huber_stored, order=("x", "target", "reduction", "delta", "weight"), summary="half the squared differences below delta, linear above"),
    _loss("kl_div", ("x", "target"), ("log_target",), _kl_div, ("kl_div(v, softmax(a[0], 0), reduction='batchmean')", "kl_div(v, log_softmax(a[0], 0), reduction='sum', log_target=True)"), words=BATCHMEAN, order=("x", "target", "reduction", "log_target"), summary="the Kullback-Leibler divergence of log-probabilities from the target: target*(log(target) - x)"),
    _loss("poisson_nll_loss", ("x", "target"), ("log_input", "full", "eps"), _poisson, ("poisson_nll_loss(v, exp(a[0]))", "poisson_nll_loss(exp(v), exp(a[0]), log_input=False, full=True, reduction='sum')"), summary="exp(x) - target*x, of the logarithm of a rate, or x - target*log(x + eps) of a rate itself"),
    _loss("gaussian_nll_loss", ("x", "target", "var"), ("full", "eps"), _gaussian, ("gaussian_nll_loss(v, a[0], exp(a[1]))", "gaussian_nll_loss(a, c[0], exp(u), full=True, reduction='none')"), summary="log(var)/2 + (x - target)**2/(2*var), of variances clamped at eps without a slope"),
    _loss("binary_cross_entropy", ("x", "target", "weight"), (), _bce, ("binary_cross_entropy(sigmoid(v), sigmoid(a[0]))", "binary_cross_entropy(sigmoid(a), sigmoid(c[0]), weight=v, reduction='none')"), optional=WEIGHT, scalars=("weight",), fixed=("weight",), as_torch=_bce_stored, wrong=("second",), summary="minus target*log(x) + (1 - target)*log(1 - x), each logarithm at least -100"),
    _loss("binary_cross_entropy_with_logits", ("x", "target", "weight", "pos_weight"), (), _bce_with_logits, ("binary_cross_entropy_with_logits(v, sigmoid(a[0]))", "binary_cross_entropy_with_logits(a, sigmoid(c[0]), weight=v, pos_weight=v, reduction='sum')"), optional={"weight": 1, "pos_weight": 1}, scalars=("weight", "pos_weight"), fixed=("weight", "pos_weight"), as_torch=_bce_with_logits_stored, order=("x", "target", "weight", "reduction", "pos_weight"), summary="binary cross entropy of sigmoid(x), with weights of the positive classes"),
    _loss("hinge_embedding_loss", ("x", "target"), ("margin",), _hinge_embedding, ("hinge_embedding_loss(a[0], v)", "hinge_embedding_loss(a, v, margin=2, reduction='none')"), fixed=("target",), summary="x where the target is 1, margin - x but at least 0 where it is -1"),
    _loss("margin_ranking_loss", ("input1", "input2", "target"), ("margin",), _margin_ranking, ("margin_ranking_loss(v, a[0], a[1])", "margin_ranking_loss(a, c[0], c[1], margin=0.7, reduction='none')"), summary="margin - target*(input1 - input2), but at least 0"),
    _loss("soft_margin_loss", ("x", "target"), (), _soft_margin, ("soft_margin_loss(a[0], v)", "soft_margin_loss(a, v, reduction='none')"), fixed=("target",), as_torch=_soft_margin_stored, summary="log(1 + exp(-target*x))"),
    _loss("multilabel_soft_margin_loss", ("x", "target", "weight"), (), _multilabel_soft_margin, ("multilabel_soft_margin_loss(a, sigmoid(c[0]))", "multilabel_soft_margin_loss(a, sigmoid(c[0]), v, reduction='none')"), optional=WEIGHT, scalars=("weight",), summary="binary cross entropy of sigmoid(x), the mean over the classes"),
    _loss("cosine_embedding_loss", ("input1", "input2", "target"), ("margin",), _cosine_embedding, ("cosine_embedding_loss(a, c[0], u, margin=-0.5)", "cosine_embedding_loss(v, a[0], s, reduction='sum')"), fixed=("target",), summary="1 - cos of two vectors where the target is 1, cos - margin but at least 0 where it is -1"),
    _loss("triplet_margin_loss", ("anchor", "positive", "negative"), ("margin", "p", "eps", "swap"), _triplet_margin, ("triplet_margin_loss(v, a[0], a[1], margin=2)", "triplet_margin_loss(a, c[0], c[1], margin=4, p=4, eps=0.25, swap=True, reduction='none')"), summary="the distance to the positive less that to the negative, plus the margin, but at least 0"),
    _loss("triplet_margin_with_distance_loss", ("anchor", "positive", "negative"), ("margin", "swap"), _triplet_with_distance, ("triplet_margin_with_distance_loss(v, a[0], a[1], margin=2)", "triplet_margin_with_distance_loss(a, c[0], c[1], margin=4, swap=True, reduction='none')"), summary="the triplet margin loss of Euclidean distances"),
    _loss("nll_loss", ("x", "weight"), ("target", "ignore_index"), _nll, ("nll_loss(log_softmax(a, 1), [0, 2])", "nll_loss(a, [0, 2], v, reduction='sum')", "nll_loss(c, [[1, 0, -1], [0, 1, 1]], ignore_index=-1, reduction='none')"), order=("x", "target", "weight", "ignore_index", "reduction"), optional=WEIGHT, fixed=("weight",), indices=("target",), fused="s t", accumulation=ALONE, as_torch=_nll, summary="minus the log-probability of the right class"),
    _loss("cross_entropy", ("x", "weight"), ("target", "ignore_index", "label_smoothing"), _cross_entropy, ("cross_entropy(a, [0, 2])", "cross_entropy(a, [0, 2], v, label_smoothing=0.1)", "cross_entropy(c, [[1, 0, -1], [0, 1, 1]], ignore_index=-1, reduction='none')"), order=("x", "target", "weight", "ignore_index", "reduction", "label_smoothing"), optional=WEIGHT, fixed=("weight",), indices=("target",), soft="cross_entropy_of_probabilities", fused="s t", accumulation=ALONE, as_torch=_cross_entropy, summary="minus log(softmax(x)) at the right class"),
    _loss("cross_entropy_of_probabilities", ("x", "target", "weight"), ("ignore_index", "label_smoothing"), _cross_entropy_of_probabilities, ("cross_entropy_of_probabilities(v, softmax(a[0], 0))", "cross_entropy(a, softmax(c[0], 1), v, reduction='sum', label_smoothing=0.25)"), called="cross_entropy", optional=WEIGHT, summary="cross_entropy of a target that holds the probability of each class"),
    _loss("linear_cross_entropy", ("x", "linear_weight", "linear_bias", "weight"), ("target", "ignore_index", "label_smoothing"), _linear_cross_entropy, ("linear_cross_entropy(a, c[0], [0, 1])", "linear_cross_entropy(v, a, 1, linear_bias=u, label_smoothing=0.25)"), order=("x", "linear_weight", "target", "linear_bias", "weight", "reduction", "ignore_index", "label_smoothing"), optional={"linear_bias": 0, "weight": 1}, fixed=("weight",), indices=("target",), fused="s t", accumulation=ALONE, as_torch=_linear_cross_entropy, summary="cross_entropy of x @ linear_weight.T + linear_bias"),
    _loss("multi_margin_loss", ("x", "weight"), ("target", "p", "margin"), _multi_margin, ("multi_margin_loss(a, [0, 2])", "multi_margin_loss(a, [0, 2], p=2, margin=3, weight=v, reduction='none')"), order=("x", "target", "p", "margin", "weight", "reduction"), optional=WEIGHT, fixed=("weight",), indices=("target",), dtypes=("float64", "float32"), lacks=("fwd",), summary="margin - x[target] + x[i], but at least 0, to the power of p, over every other class i"),
    _loss("multilabel_margin_loss", ("x",), ("target",), _multilabel_margin, ("multilabel_margin_loss(a, [[0, -1, 1], [2, 1, -1]])", "multilabel_margin_loss(v, [1, 0, -1])"), indices=("target",), dtypes=("float64", "float32"), lacks=("fwd",), summary="1 - x[j] + x[i], but at least 0, over every right class j and wrong class i"),
)
# fmt: on
