"""Losses of classes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import prod

from gradcheck.functions.composites.losses import WEIGHT, averaged, loss, number, one_shape
from gradcheck.functions.params import shape_text
from gradcheck.functions.rows import Composite
from gradcheck.functions.sums import ALONE
from gradcheck.program import Param, Shape


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
    smoothing = number("label_smoothing", value)
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
    one_shape("cross_entropy of probabilities", x, target)
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
        return averaged("0*x" if len(x) == 1 else "sum(0*x, dim=1)", reduction if len(x) == 2 else "sum")
    power = "h**2" if p == 2 else "h"
    scale = f"*weight[{[label for _, label, _ in rows]}]" if weight else ""
    return "\n".join([
        f"r = reshape(x, {(prod(x),)})",
        f"z = {number('margin', margin)} - r[{[k * classes + label for k, label, _ in rows]}] "
        f"+ r[{[k * classes + one for k, _, one in rows]}]",
        "h = where(z > 0, z, 0)",
        f"e = sum(reshape({power}{scale}, {(len(labels), classes - 1)}), dim=1)/{classes}",
        averaged("e", reduction) if len(x) == 2 else "sum(e)",
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
        [*lines, averaged(f"cat([{', '.join(f'reshape(e{k}, (1,))' for k in range(rows))}], dim=0)", reduction)]
    )


# fmt: off
ROWS: tuple[Composite, ...] = (
    loss("nll_loss", ("x", "weight"), ("target", "ignore_index"), _nll, ("nll_loss(log_softmax(a, 1), [0, 2])", "nll_loss(a, [0, 2], v, reduction='sum')", "nll_loss(c, [[1, 0, -1], [0, 1, 1]], ignore_index=-1, reduction='none')"), order=("x", "target", "weight", "ignore_index", "reduction"), optional=WEIGHT, fixed=("weight",), indices=("target",), fused="s t", accumulation=ALONE, as_torch=_nll, summary="minus the log-probability of the right class"),
    loss("cross_entropy", ("x", "weight"), ("target", "ignore_index", "label_smoothing"), _cross_entropy, ("cross_entropy(a, [0, 2])", "cross_entropy(a, [0, 2], v, label_smoothing=0.1)", "cross_entropy(c, [[1, 0, -1], [0, 1, 1]], ignore_index=-1, reduction='none')"), order=("x", "target", "weight", "ignore_index", "reduction", "label_smoothing"), optional=WEIGHT, fixed=("weight",), indices=("target",), soft="cross_entropy_of_probabilities", fused="s t", accumulation=ALONE, as_torch=_cross_entropy, summary="minus log(softmax(x)) at the right class"),
    loss("cross_entropy_of_probabilities", ("x", "target", "weight"), ("ignore_index", "label_smoothing"), _cross_entropy_of_probabilities, ("cross_entropy_of_probabilities(v, softmax(a[0], 0))", "cross_entropy(a, softmax(c[0], 1), v, reduction='sum', label_smoothing=0.25)"), called="cross_entropy", optional=WEIGHT, summary="cross_entropy of a target that holds the probability of each class"),
    loss("linear_cross_entropy", ("x", "linear_weight", "linear_bias", "weight"), ("target", "ignore_index", "label_smoothing"), _linear_cross_entropy, ("linear_cross_entropy(a, c[0], [0, 1])", "linear_cross_entropy(v, a, 1, linear_bias=u, label_smoothing=0.25)"), order=("x", "linear_weight", "target", "linear_bias", "weight", "reduction", "ignore_index", "label_smoothing"), optional={"linear_bias": 0, "weight": 1}, fixed=("weight",), indices=("target",), fused="s t", accumulation=ALONE, as_torch=_linear_cross_entropy, summary="cross_entropy of x @ linear_weight.T + linear_bias"),
    loss("multi_margin_loss", ("x", "weight"), ("target", "p", "margin"), _multi_margin, ("multi_margin_loss(a, [0, 2])", "multi_margin_loss(a, [0, 2], p=2, margin=3, weight=v, reduction='none')"), order=("x", "target", "p", "margin", "weight", "reduction"), optional=WEIGHT, fixed=("weight",), indices=("target",), dtypes=("float64", "float32"), summary="margin - x[target] + x[i], but at least 0, to the power of p, over every other class i"),
    loss("multilabel_margin_loss", ("x",), ("target",), _multilabel_margin, ("multilabel_margin_loss(a, [[0, -1, 1], [2, 1, -1]])", "multilabel_margin_loss(v, [1, 0, -1])"), indices=("target",), dtypes=("float64", "float32"), summary="1 - x[j] + x[i], but at least 0, over every right class j and wrong class i"),
)
# fmt: on
