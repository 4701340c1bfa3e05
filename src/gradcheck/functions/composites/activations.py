"""Functions of one element that torch computes in a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod

from gradcheck.functions import again
from gradcheck.functions.params import axis
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

_HARDTANH = "where(x <= min_val, min_val, where(x >= max_val, max_val, x))"
"""hardtanh has no slope at its ends, unlike clamp: aten/src/ATen/native/cpu/Activation.cpp, hardtanh_backward_kernel."""
_SLOPED = "y = detach(x)\nd = x - y\n{}\nm = detach(v)\nm + d*g"
"""A function of one element that torch computes in one kernel, value ``v`` and slope ``g`` each: in the half types both
are float32, and rounded once (``d`` is what the slope is multiplied into). aten/src/ATen/native/cpu/Activation.cpp."""
_LOGSIGMOID = _SLOPED.format("""z = exp(-abs(y))
v = minimum(y, 0) - log1p(z)
b = detach(z)
g = where(y < 0, 1, 0) - where(y < 0, 1, -1)*(b/(1 + b))""")  # the buffer ``b`` is stored for the way back
_SOFTPLUS = _SLOPED.format("""z = exp(y*beta)
v = where(y*beta > threshold, y, log1p(z)/beta)
g = where(y*beta > threshold, 1, z/(z + 1))""")
_SILU = _SLOPED.format("s = sigmoid(y)\nv = y*s\ng = s*(1 + y*(1 - s))")
# The product with 1 + erf comes before the half: it overflows above half of the largest number.
_GELU = _SLOPED.format("""c = erf(y*0.7071067811865476) + 1
v = y*c/2
g = c/2 + y*(0.3989422804014327*exp(-y*y/2))""")
_TANH_GELU = _SLOPED.format("""t = tanh(0.7978845608028654*(y + 0.044715*(y*y*y)))
v = y/2*(1 + t)
g = (1 + t)/2 + y/2*(1 - t*t)*(0.7978845608028654*(1 + 0.134145*(y*y)))""")
_ELU = _SLOPED.format("""v = where(y > 0, y, alpha*expm1(y))
g = where(y > 0, 1, exp(y)*alpha)""")
_ALPHA, _SCALE = "1.6732632423543773", "1.0507009873554805"
_SELU = _SLOPED.format(f"""v = where(y > 0, y, expm1(y)*{_ALPHA})*{_SCALE}
g = where(y > 0, 1, exp(y)*{_ALPHA})*{_SCALE}""")  # aten/src/ATen/native/Activation.cpp, SELU_ALPHA and SELU_SCALE
_CELU = _SLOPED.format("""v = where(y > 0, y, alpha*expm1(y*(1/alpha)))
g = where(y > 0, 1, (1/alpha)*alpha*exp(y*(1/alpha)))""")
_MISH = _SLOPED.format("""t = tanh(log1p(exp(y)))
v = y*t
g = t + y*sigmoid(y)*(1 - t*t)""")
_HARDSWISH = _SLOPED.format("""v = y*clamp(y + 3, 0, 6)/6
g = where(y < -3, 0, where(y < 3, y/3 + 1/2, 1))""")
_HARDSIGMOID = _SLOPED.format("""v = clamp(y + 3, 0, 6)/6
g = where((y > -3) & (y < 3), 1/6, 0)""")


def _gelu(_x: Shape, approximate: Param = "none") -> str:
    if approximate == "tanh":
        return "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2"
    return "x*(1 + erf(x/sqrt(2)))/2"


def _gelu_stored(_x: Shape, approximate: Param = "none") -> str:
    return _TANH_GELU if approximate == "tanh" else _GELU


def _softshrink(_x: Shape, lambd: Param = Fraction(1, 2)) -> str:
    if not isinstance(lambd, int | Fraction) or lambd < 0:
        raise ValueError("lambd is a number that is not negative")
    return f"where(x > {lambd}, x - {lambd}, where(x < -({lambd}), x + {lambd}, 0))"


def _prelu(x: Shape, weight: Shape) -> str:
    if len(weight) > 1 or prod(weight) not in (1, x[1] if len(x) > 1 else 1):
        raise ValueError("prelu takes a weight for each channel (dim 1 of x), or one for all")
    shape = (*weight, *(1,) * (len(x) - 2)) if prod(weight) > 1 else ()
    return f"w = reshape(weight, {shape})\nmaximum(x, 0) + w*minimum(x, 0)"


def _prelu_stored(x: Shape, weight: Shape) -> str:
    return _prelu(x, weight).replace("maximum(x, 0) + w*minimum(x, 0)", "where(x > 0, x, w*x)")


def _rrelu(_x: Shape, lower: Param = Fraction(1, 8), upper: Param = Fraction(1, 3), training: Param = False) -> str:
    if training:
        raise ValueError("rrelu in training is random, and not supported; write training=False")
    if isinstance(lower, int | Fraction) and isinstance(upper, int | Fraction) and lower > upper:
        raise ValueError("rrelu takes a lower bound that is not above the upper one")
    return f"where(x > 0, x, x*(({lower} + {upper})/2))"


def _halves(x: Shape, dim: Param) -> tuple[str, str]:
    """Return the two halves of x along dim."""
    at = axis(dim, len(x))
    if not x or x[at] % 2:
        raise ValueError("glu halves x along dim, and needs an even number of elements there")
    before, half = ":, " * at, x[at] // 2
    return f"x[{before}:{half}]", f"x[{before}{half}:]"


def _glu(x: Shape, dim: Param = -1) -> str:
    first, second = _halves(x, dim)
    return f"{first}*sigmoid({second})"


def _glu_stored(x: Shape, dim: Param = -1) -> str:
    """Return glu with torch's slopes, in which the sigmoid alone is stored: aten/src/ATen/native/GatedLinearUnit.cpp."""
    first, second = _halves(x, dim)
    return f"""a = {first}
b = {second}
p = detach(a)
q = detach(b)
v = p*sigmoid(q)
s = sigmoid(q)
t = (1 - s)*s*p
d = b - q
m = detach(v)
m + (a - p)*s + d*t"""


def _softmin(x: Shape, dim: Param) -> str:
    return f"softmax(-x, {axis(dim, len(x))})"


def _dropout(dims: tuple[int, ...] = (), training: bool = True) -> Callable[..., str]:
    """Return the definition of a dropout that drops nothing; ``dims`` are the ranks of x that torch takes."""

    def always(x: Shape, p: Param = Fraction(1, 2), training: Param = training) -> str:
        if training and p != 0:
            raise ValueError("dropout in training is random, and not supported; write training=False or p=0")
        if isinstance(p, bool) or not isinstance(p, int | Fraction) or not 0 <= p <= 1:
            raise ValueError("p is a probability, from 0 to 1")
        if dims and len(x) not in dims:
            raise ValueError(f"this dropout takes a tensor of {' or '.join(map(str, dims))} dimensions")
        return "x"

    return always


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("softplus", ("x",), ("beta", "threshold"), "where(beta*x > threshold, x, log1p(exp(beta*x))/beta)", ("softplus(s)", "softplus(v, beta=2)", "softplus(10*v)"),
              defaults={"beta": 1, "threshold": 20}, as_torch=_SOFTPLUS, fused="z v g", pulled="d", torch=lambda m, x, beta=1, threshold=20: m.nn.functional.softplus(x, beta, threshold), summary="log(1 + exp(beta*x))/beta, and x itself above the threshold"),
    Composite("round", ("x",), (), "where(x - floor(x) == 1/2, 2*floor((x + 1/2)/2), floor(x + 1/2))", ("round(v)", "round(3*a)"), summary="the nearest integer, ties to even"),
    Composite("trunc", ("x",), (), "where(x >= 0, floor(x), ceil(x))", ("trunc(3*v)",), summary="the integer part"),
    Composite("logsigmoid", ("x",), (), "-log1p(exp(-x))", ("logsigmoid(v)",), again=again.logsigmoid, as_torch=_LOGSIGMOID, fused="z v g", pulled="d", torch=lambda m, x: m.nn.functional.logsigmoid(x), summary="log(sigmoid(x))"),
    Composite("silu", ("x",), (), "x*sigmoid(x)", ("silu(v)",), as_torch=_SILU, fused="s v g", pulled="d", torch=lambda m, x: m.nn.functional.silu(x), summary="x*sigmoid(x)"),
    Composite("gelu", ("x",), ("approximate",), _gelu, ("gelu(v)", "gelu(v, approximate='tanh')"), words={"approximate": ("none", "tanh")},
              as_torch=_gelu_stored, fused="c t v g", pulled="d",
              torch=lambda m, x, approximate="none": m.nn.functional.gelu(x, approximate=approximate), summary="x times the normal distribution function"),
    Composite("elu", ("x",), ("alpha",), "where(x > 0, x, alpha*expm1(x))", ("elu(v)", "elu(v, alpha=2)"), defaults={"alpha": 1},
              as_torch=_ELU, fused="v g", pulled="d",
              torch=lambda m, x, alpha=1: m.nn.functional.elu(x, alpha), summary="x above 0, alpha*(exp(x) - 1) below"),
    Composite("leaky_relu", ("x",), ("negative_slope",), "where(x > 0, x, negative_slope*x)", ("leaky_relu(v)", "leaky_relu(v, 0.2)"),
              defaults={"negative_slope": Fraction(1, 100)}, torch=lambda m, x, negative_slope=0.01: m.nn.functional.leaky_relu(x, negative_slope), summary="x above 0, negative_slope*x below"),
    Composite("hardtanh", ("x",), ("min_val", "max_val"), "clamp(x, min_val, max_val)", ("hardtanh(v)", "hardtanh(v, -0.5, 1.5)"), bounds=True, defaults={"min_val": -1, "max_val": 1}, as_torch=_HARDTANH,
              torch=lambda m, x, min_val=-1, max_val=1: m.nn.functional.hardtanh(x, min_val, max_val), summary="x between min_val and max_val"),
    Composite("relu6", ("x",), (), "clamp(x, 0, 6)", ("relu6(v)", "relu6(5*a)"), as_torch=_HARDTANH.replace("min_val", "0").replace("max_val", "6"), torch=lambda m, x: m.nn.functional.relu6(x), summary="x between 0 and 6"),
    Composite("selu", ("x",), (), f"where(x > 0, x, {_ALPHA}*expm1(x))*{_SCALE}", ("selu(v)",), as_torch=_SELU, fused="v g", pulled="d", torch=lambda m, x: m.nn.functional.selu(x), summary="the elu whose alpha and scale keep mean 0 and variance 1"),
    # torch's slope has 1/alpha of the alpha that is rounded to float32 (derivatives.yaml): in float64 it is wrong for 0.1.
    Composite("celu", ("x",), ("alpha",), "where(x > 0, x, alpha*expm1(x/alpha))", ("celu(v)", "celu(v, alpha=2)"), defaults={"alpha": 1}, as_torch=_CELU, fused="v g", pulled="d", torch=lambda m, x, alpha=1: m.nn.functional.celu(x, alpha), summary="x above 0, alpha*(exp(x/alpha) - 1) below"),
    Composite("mish", ("x",), (), "x*tanh(log1p(exp(x)))", ("mish(u)",), as_torch=_MISH, fused="t v g", pulled="d", torch=lambda m, x: m.nn.functional.mish(x), summary="x*tanh(softplus(x))"),
    Composite("hardswish", ("x",), (), "x*clamp(x + 3, 0, 6)/6", ("hardswish(v)", "hardswish(4*v)"), as_torch=_HARDSWISH, fused="v g", pulled="d", torch=lambda m, x: m.nn.functional.hardswish(x), summary="x*relu6(x + 3)/6"),
    # Within -3 and 3 torch is wrong in float64: the slope there is the 1/6 of float32 (hardsigmoid_backward_kernel).
    Composite("hardsigmoid", ("x",), (), "clamp(x + 3, 0, 6)/6", ("hardsigmoid(4*v)",), as_torch=_HARDSIGMOID, fused="v g", pulled="d", torch=lambda m, x: m.nn.functional.hardsigmoid(x), summary="relu6(x + 3)/6"),
    Composite("softsign", ("x",), (), "x/(1 + abs(x))", ("softsign(v)",), torch=lambda m, x: m.nn.functional.softsign(x), summary="x/(1 + abs(x))"),
    Composite("softshrink", ("x",), ("lambd",), _softshrink, ("softshrink(v)", "softshrink(a, 1)"), torch=lambda m, x, lambd=0.5: m.nn.functional.softshrink(x, lambd), summary="x nearer to 0 by lambd, and 0 up to there"),
    Composite("hardshrink", ("x",), ("lambd",), "where((x >= -lambd) & (x <= lambd), 0, x)", ("hardshrink(v)", "hardshrink(a, 1)"), defaults={"lambd": Fraction(1, 2)}, torch=lambda m, x, lambd=0.5: m.nn.functional.hardshrink(x, lambd), summary="x, but 0 up to lambd from 0"),
    Composite("tanhshrink", ("x",), (), "x - tanh(x)", ("tanhshrink(v)",), adds=True, torch=lambda m, x: m.nn.functional.tanhshrink(x), summary="x - tanh(x)"),
    Composite("threshold", ("x",), ("threshold", "value"), "where(x > threshold, x, value)", ("threshold(v, 0.1, 20)",), torch=lambda m, x, threshold, value: m.nn.functional.threshold(x, threshold, value), summary="x above the threshold, else the value"),
    Composite("prelu", ("x", "weight"), (), _prelu, ("prelu(a, v)", "prelu(c, s)"), as_torch=_prelu_stored, torch=lambda m, x, weight: m.nn.functional.prelu(x, weight), summary="x above 0, weight*x below, with a weight for each channel or one for all"),
    Composite("rrelu", ("x",), ("lower", "upper", "training"), _rrelu, ("rrelu(v)", "rrelu(v, 0.1, 0.4, training=False)"), torch=lambda m, x, lower=1 / 8, upper=1 / 3, training=False: m.nn.functional.rrelu(x, lower, upper, training), summary="x above 0, (lower + upper)/2*x below, as it is outside of training"),
    Composite("glu", ("x",), ("dim",), _glu, ("glu(u)", "glu(b, 1)", "glu(a, dim=0)"), as_torch=_glu_stored, fused="v t", pulled="d", torch=lambda m, x, dim=-1: m.nn.functional.glu(x, dim), summary="the first half along dim times the sigmoid of the second"),
    Composite("softmin", ("x",), ("dim",), _softmin, ("softmin(v, dim=0)[0]",), stored=True, torch=lambda m, x, dim: m.nn.functional.softmin(x, dim), summary="softmax(-x)"),
    # What drops nothing: outside of training, and with p=0. All else is random.
    Composite("dropout", ("x",), ("p", "training"), _dropout(), ("dropout(v, training=False)", "dropout(a, p=0)"), torch=lambda m, x, p=0.5, training=True: m.nn.functional.dropout(x, p, training), summary="x itself outside of training"),
    Composite("dropout1d", ("x",), ("p", "training"), _dropout((2, 3)), ("dropout1d(a, 0.5, False)",), torch=lambda m, x, p=0.5, training=True: m.nn.functional.dropout1d(x, p, training), summary="x itself outside of training"),
    Composite("dropout2d", ("x",), ("p", "training"), _dropout(), ("dropout2d(c[None], 0.5, False)",), torch=lambda m, x, p=0.5, training=True: m.nn.functional.dropout2d(x, p, training), summary="x itself outside of training"),
    Composite("dropout3d", ("x",), ("p", "training"), _dropout(), ("dropout3d(c[None, None], 0.5, False)",), torch=lambda m, x, p=0.5, training=True: m.nn.functional.dropout3d(x, p, training), summary="x itself outside of training"),
    Composite("alpha_dropout", ("x",), ("p", "training"), _dropout(training=False), ("alpha_dropout(v)",), torch=lambda m, x, p=0.5, training=False: m.nn.functional.alpha_dropout(x, p, training), summary="x itself outside of training"),
    Composite("feature_alpha_dropout", ("x",), ("p", "training"), _dropout(training=False), ("feature_alpha_dropout(a)",), torch=lambda m, x, p=0.5, training=False: m.nn.functional.feature_alpha_dropout(x, p, training), summary="x itself outside of training"),
)
# fmt: on
