"""Normalisation, by the statistics of a tensor's own elements or by given ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

from gradcheck.functions.params import axis, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

EPS, MOMENTUM = Fraction(1, 100_000), Fraction(1, 10)

# --- by an own mean and variance ------------------------------------------------------------------------------------
# Each of these sees x in a shape in which the statistics are over some dims (``view``), and gives back the shape of x.


def _plain(view: Shape, over: Sequence[int], eps: Param, scale: str, x: Shape) -> str:
    """Return x less its mean, over the root of its variance plus eps, with a scale and a shift."""
    along, count = f", dim={tuple(over)}, keepdim=True", prod(view[one] for one in over)
    return f"""z = reshape(x, {view})
d = z - sum(z{along})/{count}
n = reshape(d/sqrt(sum(d**2{along})/{count} + {eps}), {x})
n{scale}"""


def _moments(view: Shape, along: str, count: int, eps: Param) -> str:
    """Return the lines of the mean ``u`` and of the inverse deviation ``r``, which are stored for the way back."""
    return f"""z = reshape(x, {view})
y = detach(z)
u = sum(y{along})/{count}
r = 1/sqrt(sum((y - u)**2{along})/{count} + {eps})
mu = detach(u)
rho = detach(r)
d = z - y"""


def _scaled(weight: str, bias: str) -> tuple[str, str]:
    """Return the scale and the shift of a definition's last line."""
    return f"*{weight}" if weight else "", f" + {bias}" if bias else ""


def _rows_stored(view: Shape, over: Sequence[int], eps: Param, weight: str, bias: str, x: Shape) -> str:
    """Return the lines of a norm with torch's value and slopes, which cancel where the mean is large.

    aten/src/ATen/native/cpu/layer_norm_kernel.cpp: the value is (x*r - r*u)*weight + bias; on the way back the slope is
    r*g + b*x + c with b = (u*sum(g) - sum(g*x))*r**3/n and c = -b*u - sum(g)*r/n, for g times the weight. So has
    group_norm_kernel.cpp. Of the half types all is float32, but the mean and the inverse deviation are stored.
    """
    along, count = f", dim={tuple(over)}, keepdim=True", prod(view[one] for one in over)
    lines = [
        _moments(view, along, count, eps),
        f"v = reshape(y*r + -(r*u), {x}){f'*{weight}' * bool(weight)}{f' + {bias}' * bool(bias)}",
        "m = detach(v)",
        f"t = sum(d{along})",
        f"q = sum(y*d{along}) - mu*t",
        f"w = q*(rho*rho*rho/{count})",
        "p = mu*w",
        f"s = rho*d - y*w + p - t*(rho/{count})",
        f"j = reshape(s, {x}){f'*detach({weight})' * bool(weight)}",
    ]
    last = ["m", "j"]
    if weight:
        lines.append(f"k = reshape(y*rho + -(rho*mu), {x})")
        lines.append(f"l = ({weight} - detach({weight}))*detach(k)")
        last.append("l")
    if bias:
        last.append(f"({bias} - detach({bias}))")
    return "\n".join([*lines, " + ".join(last)])


ROWS_FUSED, ROWS_PULLED = "u r v k", "d t q w p s j"


def _channels_stored(view: Shape, over: Sequence[int], eps: Param, weight: str, bias: str, x: Shape) -> str:
    """Return the lines of batch_norm in training with torch's value and slopes.

    aten/src/ATen/native/cpu/batch_norm_kernel.cpp: the value is x*a + (bias - u*a) with a = r*weight, of the stored u and r; on the way back
    (g - sum(g)/n - c*k)*r*weight with c = x - u and k = sum(c*g)*r*r/n, and sum(c*g)*r for the weight. ``weight`` and
    ``bias`` have the shape of what is over the ``view``.
    """
    along, count = f", dim={tuple(over)}, keepdim=True", prod(view[one] for one in over)
    lines = [
        _moments(view, along, count, eps),
        f"a = rho{f'*{weight}' * bool(weight)}",
        f"h = {f'{bias} ' * bool(bias)}- mu*a",
        "v = y*a + h",
        "m = detach(v)",
        "c = y - mu",
        f"e = d{f'*detach({weight})' * bool(weight)}*rho",
        f"j = e - sum(e{along})/{count} - c*(sum(c*e{along})*rho*rho/{count})",
    ]
    last = ["m", "j"]
    if weight:
        lines.append(f"l = ({weight} - detach({weight}))*rho*c")
        last.append("l")
    if bias:
        last.append(f"({bias} - detach({bias}))")
    return "\n".join([*lines, f"reshape({' + '.join(last)}, {x})"])


CHANNELS_FUSED, CHANNELS_PULLED = "u r a h v c", "d e j l"


def _truth(**flags: Param) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is True or False")


def _not_negative(eps: Param) -> None:
    if isinstance(eps, int | Fraction) and eps < 0:
        raise ValueError("eps is not negative here")


def _eps(eps: Param) -> str:
    if isinstance(eps, bool) or not isinstance(eps, int | Fraction):
        raise ValueError("eps is a number")
    return f"({eps})"


# --- layer_norm -----------------------------------------------------------------------------------------------------


def _over_last(x: Shape, normalized_shape: Param, *tensors: tuple[str, Shape]) -> tuple[int, ...]:
    """Return the dims that ``normalized_shape`` names, which the weight and bias have as well."""
    shape = normalized_shape if isinstance(normalized_shape, tuple) else (normalized_shape,)
    if not shape or x[len(x) - len(shape) :] != shape or len(shape) > len(x):
        raise ValueError(f"normalized_shape is that of the last dims of x, which is {shape_text(x)}")
    for name, one in tensors:
        if one not in ((), shape):
            raise ValueError(f"{name} has the shape {shape}, and this one is {shape_text(one)}")
    return tuple(range(len(x) - len(shape), len(x)))


def _layer_norm(x: Shape, weight: Shape, bias: Shape, normalized_shape: Param, eps: Param = EPS) -> str:
    over = _over_last(x, normalized_shape, ("weight", weight), ("bias", bias))
    return _plain(x, over, _eps(eps), "*weight + bias", x)


def _layer_norm_stored(x: Shape, weight: Shape, bias: Shape, normalized_shape: Param, eps: Param = EPS) -> str:
    over = _over_last(x, normalized_shape, ("weight", weight), ("bias", bias))
    return _rows_stored(x, over, _eps(eps), "weight" * bool(weight), "bias" * bool(bias), x)


def _rms_norm(x: Shape, weight: Shape, normalized_shape: Param, eps: Param = None) -> str:
    """Return x over its root mean square.

    torch's own eps is that of the format in which it computes (aten/src/ATen/native/layer_norm.cpp): float32's in the
    half types, though the documentation says x.dtype. A formula knows no format.
    """
    if eps is None:
        raise ValueError(
            "rms_norm with the eps of the dtype is not supported: the formula would be another in each; "
            "write eps=torch.finfo(torch.float32).eps, which is torch's own in float32 and in the half types"
        )
    over = _over_last(x, normalized_shape, ("weight", weight))
    along, count = f", dim={over}, keepdim=True", prod(x[one] for one in over)
    return f"q = x**2\nv = sum(q{along})/{count}\nr = rsqrt(v + {_eps(eps)})\nn = x*r\nn*weight"


# --- over channels --------------------------------------------------------------------------------------------------


def _channels(name: str, x: Shape, **tensors: Shape) -> str:
    """Return the shape in which a tensor with an element for each channel meets x."""
    if len(x) < 2:
        raise ValueError(f"{name} takes x with channels along dim 1, and this one is {shape_text(x)}")
    for what, shape in tensors.items():
        if shape not in ((), x[1:2]):
            raise ValueError(
                f"{what} has an element for each of the {x[1]} channels, and this one is {shape_text(shape)}"
            )
    return f"({x[1]}{', 1' * (len(x) - 2)},)"


def _per_channel(name: str, shape: Shape, to: str) -> str:
    return f"reshape({name}, {to})" if shape else ""


def _grouped(x: Shape, num_groups: Param) -> Shape:
    if not isinstance(num_groups, int) or isinstance(num_groups, bool) or num_groups < 1 or x[1] % num_groups:
        raise ValueError(f"num_groups divides the number of channels, {x[1]}")
    return (x[0], num_groups, prod(x[1:]) // num_groups)


def _group_norm(x: Shape, weight: Shape, bias: Shape, num_groups: Param, eps: Param = EPS) -> str:
    to = _channels("group_norm", x, weight=weight, bias=bias)
    scale = _scaled(_per_channel("weight", weight, to), _per_channel("bias", bias, to))
    return _plain(_grouped(x, num_groups), (2,), _eps(eps), "".join(scale), x)


def _group_norm_stored(x: Shape, weight: Shape, bias: Shape, num_groups: Param, eps: Param = EPS) -> str:
    to = _channels("group_norm", x, weight=weight, bias=bias)
    weights = _per_channel("weight", weight, to), _per_channel("bias", bias, to)
    return _rows_stored(_grouped(x, num_groups), (2,), _eps(eps), *weights, x)


def _given_stats(eps: Param, stats: Sequence[Shape], to: str, weight: str, bias: str) -> str:
    if not all(stats):
        raise ValueError("running_mean and running_var are needed where the statistics are not x's own")
    scale, shift = _scaled(weight, bias)
    return f"(x - reshape(running_mean, {to}))/sqrt(reshape(running_var, {to}) + {eps}){scale}{shift}"


def _given_stats_stored(eps: str, to: str, weight: str, bias: str) -> str:
    """Return the lines of batch_norm with given statistics: batch_norm_kernel.cpp, and (x - u)*r for the weight."""
    lines = [
        f"u = reshape(running_mean, {to})", f"r = 1/sqrt(reshape(running_var, {to}) + {eps})",
        f"a = r{f'*{weight}' * bool(weight)}", f"h = {f'{bias} ' * bool(bias)}- u*a", "y = detach(x)", "v = y*a + h",
        "m = detach(v)", "c = y - u", "d = x - y", f"e = d*r{f'*detach({weight})' * bool(weight)}",
    ]  # fmt: skip
    last = ["m", "e"]
    if weight:
        lines.append(f"l = ({weight} - detach({weight}))*r*c")
        last.append("l")
    if bias:
        last.append(f"({bias} - detach({bias}))")
    return "\n".join([*lines, " + ".join(last)])


def _batch_norm(*shapes: Shape, training: Param = False, momentum: Param = MOMENTUM, eps: Param = EPS) -> str:
    """Return x by the mean and variance of each channel: its own in training, else the running ones."""
    del momentum  # it is of the running statistics alone
    _truth(training=training)
    _not_negative(eps)
    x, to, weights = _by_channel("batch_norm", *shapes)
    if not training:
        return _given_stats(_eps(eps), shapes[1:3], to, *weights)
    _enough(prod(x) // x[1])
    return _plain(x, _but_one(x), _eps(eps), "".join(_scaled(*weights)), x)


def _by_channel(
    name: str, x: Shape, running_mean: Shape, running_var: Shape, weight: Shape, bias: Shape
) -> tuple[Shape, str, tuple[str, str]]:
    """Return x, the shape of a number of each channel beside x, and the weight and bias in that shape."""
    to = _channels(name, x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    return x, to, (_per_channel("weight", weight, to), _per_channel("bias", bias, to))


def _but_one(x: Shape) -> tuple[int, ...]:
    return (0, *range(2, len(x)))


def _enough(count: int) -> None:
    if count < 2:
        raise ValueError("one value alone has no variance: give x more than one for each channel")


def _batch_norm_stored(*shapes: Shape, training: Param = False, momentum: Param = MOMENTUM, eps: Param = EPS) -> str:
    del momentum  # it is of the running statistics alone
    _truth(training=training)
    _not_negative(eps)
    x, to, weights = _by_channel("batch_norm", *shapes)
    if not training:
        return _given_stats_stored(_eps(eps), to, *weights)
    return _channels_stored(x, _but_one(x), _eps(eps), *weights, x)


def _instance_norm(*shapes: Shape, use_input_stats: Param = True, momentum: Param = MOMENTUM, eps: Param = EPS) -> str:
    """Return x by the mean and variance of each channel of each instance, or by the running ones."""
    del momentum  # it is of the running statistics alone
    _truth(use_input_stats=use_input_stats)
    x, to, weights = _by_channel("instance_norm", *shapes)
    if len(x) < 3:
        raise ValueError("instance_norm takes x with dims behind the channels")
    if not use_input_stats:
        return _given_stats(_eps(eps), shapes[1:3], to, *weights)
    _enough(prod(x[2:]))
    return _plain(x, range(2, len(x)), _eps(eps), "".join(_scaled(*weights)), x)


def _instance_norm_stored(
    *shapes: Shape, use_input_stats: Param = True, momentum: Param = MOMENTUM, eps: Param = EPS
) -> str:
    """Return instance_norm as torch has it: a batch_norm of all channels of all instances (Normalization.cpp).

    The weight is repeated for each instance, and so are its stored gradients, which are added up.
    """
    del momentum  # it is of the running statistics alone
    _truth(use_input_stats=use_input_stats)
    x, running_mean, running_var, weight, bias = shapes
    to = _channels("instance_norm", x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    view = (x[0] * x[1], prod(x[2:])) if use_input_stats else x
    each = (view[0], 1) if use_input_stats else (*x[:2], *(1 for _ in x[2:]))
    lines, weights = [], []
    for name, shape in (("weight", weight), ("bias", bias)):
        if shape:
            lines.append(f"each_{name} = reshape(expand({name}, {x[:2]}), {each})")
        weights.append(f"each_{name}" if shape else "")
    if use_input_stats:
        return "\n".join([*lines, _channels_stored(view, (1,), _eps(eps), weights[0], weights[1], x)])
    return "\n".join([*lines, _given_stats_stored(_eps(eps), to, *weights)])


# --- by a norm ------------------------------------------------------------------------------------------------------


def _normalize(x: Shape, p: Param = 2, dim: Param = 1, eps: Param = Fraction(1, 10**12)) -> str:
    return f"x/clamp_min(norm(x, p={p}, dim={axis(dim, len(x))}, keepdim=True), {_eps(eps)})"


def _renorm(x: Shape, p: Param, dim: Param, maxnorm: Param) -> str:
    """Return x whose parts along dim are scaled down to a norm of maxnorm; torch divides by the norm and 1e-7."""
    if len(x) < 2:
        raise ValueError("renorm takes x of at least two dims")
    if (isinstance(p, int | Fraction) and p <= 0) or not isinstance(maxnorm, int | Fraction) or maxnorm < 0:
        raise ValueError("renorm takes a positive p, and a maxnorm that is not negative")
    at = axis(dim, len(x))
    over = tuple(one for one in range(len(x)) if one != at)
    return f"n = norm(x, p={p}, dim={over}, keepdim=True)\nwhere(n > {maxnorm}, x*({maxnorm}/(n + 1e-7)), x)"


def _response(
    x: Shape, size: Param, alpha: Param = Fraction(1, 10_000), beta: Param = Fraction(3, 4), k: Param = 1
) -> str:
    """Return x over a power of what is around it: each channel has the squares of size channels, 0 beyond the ends."""
    if len(x) < 3:
        raise ValueError("local_response_norm takes x of at least three dims, and its channels are dim 1")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError("size is a whole number of channels from 1")
    parts = []
    for channel in range(x[1]):
        start, end = max(channel - size // 2, 0), min(channel + (size - 1) // 2 + 1, x[1])
        parts.append(f"sum(q[:, {start}:{end}], dim=1, keepdim=True)")
    return f"q = x*x\ns = cat([{', '.join(parts)}], dim=1)/{size}\nx/(s*({alpha}) + ({k}))**({beta})"


def _torch_batch_norm(m: Any, *tensors: Any, training: Any = False, momentum: Any = 0.1, eps: Any = 1e-5) -> Any:
    # In training torch would write into the running ones, which decide about nothing there.
    x, running_mean, running_var, weight, bias = tensors
    given = (None, None) if training is True else (running_mean, running_var)
    return m.nn.functional.batch_norm(x, *given, weight, bias, training, momentum, eps)


def _torch_instance_norm(
    m: Any, *tensors: Any, use_input_stats: Any = True, momentum: Any = 0.1, eps: Any = 1e-5
) -> Any:
    x, running_mean, running_var, weight, bias = tensors
    given = (running_mean, running_var) if use_input_stats is False else (None, None)
    return m.nn.functional.instance_norm(x, *given, weight, bias, use_input_stats, momentum, eps)


RUNNING = {"running_mean": 0, "running_var": 1, "weight": 1, "bias": 0}

# The derivatives of layer_norm, batch_norm and instance_norm by themselves of forward mode are wrong in torch: their jvp takes
# the stored mean and deviation for constants (FunctionsManual.cpp, layer_norm_jvp and batch_norm_jvp). Reverse and forward
# mode over forward mode is called wrong there, and is.
# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("layer_norm", ("x", "weight", "bias"), ("normalized_shape", "eps"), _layer_norm, ("layer_norm(a, 3, v, v**2)", "layer_norm(c, (2, 3))"), order=("x", "normalized_shape", "weight", "bias", "eps"), optional={"weight": 1, "bias": 0},
              as_torch=_layer_norm_stored, fused=ROWS_FUSED, pulled=ROWS_PULLED, torch=lambda m, x, weight, bias, normalized_shape, eps=1e-5: m.nn.functional.layer_norm(x, normalized_shape, weight, bias, eps), summary="x less its mean, over its deviation, along the last dims"),
    Composite("rms_norm", ("x", "weight"), ("normalized_shape", "eps"), _rms_norm, ("rms_norm(a, 3, v, eps=0.001)", "rms_norm(c, (2, 3), eps=0.001)"), order=("x", "normalized_shape", "weight", "eps"), optional={"weight": 1},
              as_torch=_rms_norm, fused="q v r n", pulled="q v r n", torch=lambda m, x, weight, normalized_shape, eps=None: m.nn.functional.rms_norm(x, normalized_shape, weight, eps), summary="x over its root mean square along the last dims, of an eps that is given: where none is, torch takes torch.finfo(x.dtype).eps, and float32's in the half types"),
    # The samples have one instance: with more, torch's forward mode takes means of other groups, times sums that are 0
    # but for their roundings (group_norm_invstd_jvp), and a derivative that is 0 comes out as 1e-17.
    Composite("group_norm", ("x", "weight", "bias"), ("num_groups", "eps"), _group_norm, ("group_norm(a[None], 1, u, a[:, 0])", "group_norm(a[None], 2)"), order=("x", "num_groups", "weight", "bias", "eps"), optional={"weight": 1, "bias": 0},
              as_torch=_group_norm_stored, fused=ROWS_FUSED, pulled=ROWS_PULLED, torch=lambda m, x, weight, bias, num_groups, eps=1e-5: m.nn.functional.group_norm(x, num_groups, weight, bias, eps), summary="x less its mean, over its deviation, in each group of channels"),
    Composite("batch_norm", ("x", "running_mean", "running_var", "weight", "bias"), ("training", "momentum", "eps"), _batch_norm, ("batch_norm(a, v, v, eps=3)", "batch_norm(a, None, None, v, v**2, training=True)"),
              optional=RUNNING, fixed=("running_mean", "running_var"), as_torch=_batch_norm_stored, fused=CHANNELS_FUSED, pulled=CHANNELS_PULLED, torch=_torch_batch_norm, summary="x less the mean, over the deviation of each channel: its own in training, else the running ones"),
    Composite("instance_norm", ("x", "running_mean", "running_var", "weight", "bias"), ("use_input_stats", "momentum", "eps"), _instance_norm, ("instance_norm(a[None], u, u, a[:, 0], a[:, 1], use_input_stats=False, eps=1)", "instance_norm(a[None], None, None, u, a[:, 0])"),
              optional=RUNNING, fixed=("running_mean", "running_var"), as_torch=_instance_norm_stored, fused=CHANNELS_FUSED, pulled=CHANNELS_PULLED, torch=_torch_instance_norm, summary="x less its mean, over its deviation, in each channel of each instance"),
    Composite("local_response_norm", ("x",), ("size", "alpha", "beta", "k"), _response, ("local_response_norm(a[None], 2, alpha=0.5)",), torch=lambda m, x, size, alpha=1e-4, beta=0.75, k=1.0: m.nn.functional.local_response_norm(x, size, alpha, beta, k), summary="x/(k + alpha*s)**beta, where s is the mean square over channels around"),
    Composite("normalize", ("x",), ("p", "dim", "eps"), _normalize, ("normalize(a)", "normalize(v, p=3, dim=0)"), torch=lambda m, x, p=2.0, dim=1, eps=1e-12: m.nn.functional.normalize(x, p, dim, eps), summary="x over its norm along dim, or over eps where that is greater"),
    Composite("renorm", ("x",), ("p", "dim", "maxnorm"), _renorm, ("renorm(a, 2, 0, 2.5)", "renorm(c, 1, 1, 3)"), summary="x with a norm of at most maxnorm in each part along dim"),
)
# fmt: on
