"""Functions of one element that torch computes in a kernel of its own."""

from __future__ import annotations

from fractions import Fraction

from gradcheck.functions.rows import Composite

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
_ELU = _SLOPED.format("""v = where(y > 0, y, alpha*expm1(y))
g = where(y > 0, 1, exp(y)*alpha)""")


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("softplus", ("x",), ("beta", "threshold"), "where(beta*x > threshold, x, log1p(exp(beta*x))/beta)", ("softplus(s)", "softplus(v, beta=2)", "softplus(10*v)"),
              defaults={"beta": 1, "threshold": 20}, as_torch=_SOFTPLUS, fused="z v g", pulled="d", torch=lambda m, x, beta=1, threshold=20: m.nn.functional.softplus(x, beta, threshold), summary="log(1 + exp(beta*x))/beta, and x itself above the threshold"),
    Composite("round", ("x",), (), "where(x - floor(x) == 1/2, 2*floor((x + 1/2)/2), floor(x + 1/2))", ("round(v)", "round(3*a)"), summary="the nearest integer, ties to even"),
    Composite("trunc", ("x",), (), "where(x >= 0, floor(x), ceil(x))", ("trunc(3*v)",), summary="the integer part"),
    Composite("logsigmoid", ("x",), (), "-log1p(exp(-x))", ("logsigmoid(v)",), as_torch=_LOGSIGMOID, fused="z v g", pulled="d", torch=lambda m, x: m.nn.functional.logsigmoid(x), summary="log(sigmoid(x))"),
    Composite("silu", ("x",), (), "x*sigmoid(x)", ("silu(v)",), as_torch=_SILU, fused="s v g", pulled="d", torch=lambda m, x: m.nn.functional.silu(x), summary="x*sigmoid(x)"),
    Composite("gelu", ("x",), (), "x*(1 + erf(x/sqrt(2)))/2", ("gelu(v)",),
              as_torch=_GELU, fused="c v g", pulled="d",
              torch=lambda m, x: m.nn.functional.gelu(x), summary="x times the normal distribution function"),
    Composite("elu", ("x",), ("alpha",), "where(x > 0, x, alpha*expm1(x))", ("elu(v)", "elu(v, alpha=2)"), defaults={"alpha": 1},
              as_torch=_ELU, fused="v g", pulled="d",
              torch=lambda m, x, alpha=1: m.nn.functional.elu(x, alpha), summary="x above 0, alpha*(exp(x) - 1) below"),
    Composite("leaky_relu", ("x",), ("negative_slope",), "where(x > 0, x, negative_slope*x)", ("leaky_relu(v)", "leaky_relu(v, 0.2)"),
              defaults={"negative_slope": Fraction(1, 100)}, torch=lambda m, x, negative_slope=0.01: m.nn.functional.leaky_relu(x, negative_slope), summary="x above 0, negative_slope*x below"),
    Composite("hardtanh", ("x",), ("min_val", "max_val"), "clamp(x, min_val, max_val)", ("hardtanh(v)", "hardtanh(v, -0.5, 1.5)"), bounds=True, defaults={"min_val": -1, "max_val": 1}, as_torch=_HARDTANH,
              torch=lambda m, x, min_val=-1, max_val=1: m.nn.functional.hardtanh(x, min_val, max_val), summary="x between min_val and max_val"),
    Composite("relu6", ("x",), (), "clamp(x, 0, 6)", ("relu6(v)", "relu6(5*a)"), as_torch=_HARDTANH.replace("min_val", "0").replace("max_val", "6"), torch=lambda m, x: m.nn.functional.relu6(x), summary="x between 0 and 6"),
)
# fmt: on
