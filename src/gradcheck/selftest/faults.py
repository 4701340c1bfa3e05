"""The planted faults: one row for one mistake that people make in a backward pass, and what must be found."""

# ruff: noqa: E501, ARG005 - one row for one fault, all pullbacks called alike

from __future__ import annotations

from itertools import count

import torch
from torch.nn import functional

from gradcheck.blame import Cause
from gradcheck.selftest.planting import Fault, distorted, overwritten, planted, scaled, shared, within
from gradcheck.selftest.ways import HIDDEN

MLP = "h = tanh(x @ w + b)\nmean((h @ u - t)**2)"
MLP_AT = "x=[[0.3,-1.1],[1.9,0.45]],w=[[0.6,-0.2],[-0.9,1.3]],b=[0.1,-0.3],u=[0.7,-1.2],t=[0.5,-0.4]"
NORMED = "y = x - mean(x, dim=1, keepdim=True)\nsum(weight*y/sqrt(mean(y**2, dim=1, keepdim=True)))"
ATTENTION = "s = softmax(q @ k.T, dim=1)\nsum((s @ v)**2)"
ATTENTION_AT = "q=[[0.3,-0.8],[1.1,0.4]],k=[[0.5,0.2],[-0.7,0.9]],v=[[1.2,-0.4],[0.6,0.8]]"
SQUARE, OTHER = "[[0.3,-1.1],[1.9,0.45]]", "[[0.6,-0.2],[-0.9,1.3]]"
VECTOR = "[0.3,-1.1,1.9,0.45]"
POSITIVE = "[0.3,1.1,1.9,0.45]"

VALUE, DETACHED, PRECISION = Cause.WRONG_VALUE, Cause.DETACHED, Cause.LOWER_PRECISION


def last_is_zero(gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient without its last element, as a loop that ends too early leaves it."""
    changed = gradient.clone()
    changed.view(-1)[-1] = 0
    return changed


def one_is_nan(gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient with one nan in it."""
    changed = gradient.clone()
    changed.view(-1)[617] = torch.nan
    return changed


def one_is_off(gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient with one element that is a little off: a projection on a random direction hides it."""
    changed = gradient.clone()
    changed.view(-1)[42] *= 1 + 1e-6
    return changed


CALLS = count()


def wandering(gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient that is a little different at every call, as sums in an order of chance are."""
    return gradient * (1 + 1e-3 * (next(CALLS) % 7))


def rounded_to_ten_bits(x: torch.Tensor) -> torch.Tensor:
    """Return a float32 tensor with the significand that TF32 leaves of it."""
    bits = x.view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def erf_by_polynomial(x: torch.Tensor) -> torch.Tensor:
    """Return erf to seven digits: Abramowitz and Stegun, 7.1.26."""
    t = 1 / (1 + 0.3275911 * x.abs())
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return x.sign() * (1 - series * torch.exp(-(x**2)))


def swapped(g: torch.Tensor, a: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cotangents of two joined tensors of the shape of ``a``, each the other's."""
    size = a.shape[dim]
    return g.narrow(dim, size, size), g.narrow(dim, 0, size)


# fmt: off
PLAIN: tuple[Fault, ...] = (
    # --- signs and factors --------------------------------------------------------------------------------------------
    Fault("wrong sign", "sin", "sum(x*sin(x))", f"x={VECTOR}", "float32", planted(torch.sin, lambda g, y, x: -g * x.cos())),
    Fault("wrong sign of one partial", "div", "sum((a/b)**2)", "a=[1.5,-0.7],b=[0.4,2.2]", "float64", planted(torch.div, lambda g, y, a, b: (g / b, g * a / b**2))),
    Fault("twice too large", "exp", "sum(exp(x)*x)", f"x={VECTOR}", "bfloat16", planted(torch.exp, lambda g, y, x: 2 * g * y)),
    Fault("half of it", "sqrt", "sum(x*sqrt(x))", f"x={POSITIVE}", "float16", planted(torch.sqrt, lambda g, y, x: g / (4 * y))),
    Fault("a factor of 1 + 2^-16", "cos", "sum(cos(x)*x)", f"x={VECTOR}", "float32", planted(torch.cos, lambda g, y, x: -g * x.sin() * (1 + 2**-16))),
    Fault("a factor of 1 + 2^-16 in double precision", "log", "sum(x*log(x))", f"x={POSITIVE}", "float64", planted(torch.log, lambda g, y, x: g / x * (1 + 2**-16))),
    Fault("a factor of 1 + 2^-40", "tanh", "sum(tanh(x)*x)", f"x={VECTOR}", "float64", planted(torch.tanh, lambda g, y, x: g * (1 - y**2) * (1 + 2**-40))),
    Fault("a loss scale never divided out", "exp", "mean(exp(x))", "x=[0.25,-1.5,0.7]", "float16", planted(torch.exp, lambda g, y, x: g * y * 1024)),
    Fault("the absolute value of the gradient", "cos", "sum(cos(x)*x)", f"x={VECTOR}", "float32", distorted(torch.cos, torch.abs)),
    Fault("only the sign of the gradient", "tanh", MLP, MLP_AT, "float32", distorted(torch.tanh, torch.sign)),
    Fault("an offset of 1e-3", "sigmoid", "sum(sigmoid(x)**2)", f"x={VECTOR}", "float32", distorted(torch.sigmoid, lambda g: g + 1e-3)),
    Fault("an exponent too high", "pow", "sum(x**y)", "x=[0.3,1.7],y=[2.5,3]", "float64", planted(torch.pow, lambda g, y, a, b: (g * b * a**b, g * y * a.log()))),

    # --- terms and factors that are missing ---------------------------------------------------------------------------
    Fault("product rule without its second term", "silu", "sum(silu(x))", f"x={VECTOR}", "float32", planted(functional.silu, lambda g, y, x: g * x.sigmoid())),
    Fault("quotient rule without its second term", "div", "sum(exp(x)/(x*x + y))", "x=[0.3,-1.1],y=[1.5,0.4]", "float32", planted(torch.div, lambda g, y, a, b: (g / b, torch.zeros_like(b)))),
    Fault("density missing in gelu", "gelu", "mean(gelu(x @ w))", f"x={SQUARE},w={OTHER}", "bfloat16", planted(functional.gelu, lambda g, y, x: g * (1 + torch.erf(x / 2**0.5)) / 2)),
    Fault("mean without its 1/n", "mean", "mean(x**2)", f"x={SQUARE}", "float32", planted(torch.mean, lambda g, y, x: g.expand_as(x))),
    Fault("chain rule without the inner factor", "exp2", "sum(exp2(x))", f"x={VECTOR}", "float32", planted(torch.exp2, lambda g, y, x: g * y)),
    Fault("the incoming gradient is ignored", "sin", "sum(sin(x)*y)", f"x={VECTOR},y={POSITIVE}", "float64", planted(torch.sin, lambda g, y, x: x.cos())),
    Fault("softmax with the diagonal alone", "softmax", "sum(w*softmax(x, dim=1))", f"x={SQUARE},w={OTHER}", "float32", planted(torch.softmax, lambda g, y, x, dim: g * y * (1 - y))),
    Fault("log_softmax without its sum", "log_softmax", "-sum(t*log_softmax(x, dim=1))", f"x={SQUARE},t=[[0.2,0.8],[0.9,0.1]]", "float32", planted(torch.log_softmax, lambda g, y, x, dim: g)),
    Fault("softplus without its beta", "softplus", "sum(softplus(x, beta=2))", f"x={VECTOR}", "float32", planted(functional.softplus, lambda g, y, x, beta, **_: g * x.sigmoid())),
    Fault("mse_loss without its 2", "mse_loss", "mse_loss(a, b)", f"a={VECTOR},b=[0.7,1.3,-0.2,0.9]", "float64", planted(functional.mse_loss, lambda g, y, a, b: (g * (a - b) / a.numel(), g * (b - a) / a.numel()))),
    Fault("std with n in place of n - 1", "std", "std(x)", f"x={VECTOR}", "float32", planted(torch.std, lambda g, y, x: g * (x - x.mean()) / (x.numel() * y))),
    Fault("var with n - 1 in place of n", "var", "var(x, correction=0)", f"x={VECTOR}", "float64", planted(torch.var, lambda g, y, x, **_: 2 * g * (x - x.mean()) / (x.numel() - 1))),
    Fault("an epsilon inside the root", "norm", "norm(x)", "x=[0.003,-0.004]", "float64", planted(torch.linalg.vector_norm, lambda g, y, x, *_, **__: g * x / (y**2 + 1e-9).sqrt())),
    Fault("an epsilon inside the root of rsqrt", "sqrt", NORMED, "x=[[0.3,-1.1,0.4],[1.9,0.45,-2]],weight=[0.5,1.5,-1]", "float32", planted(torch.sqrt, lambda g, y, x: g / (2 * (x + 1e-5).sqrt()))),
    Fault("the gradient is zero", "atan", "sum(x*atan(x))", f"x={VECTOR}", "float32", distorted(torch.atan, torch.zeros_like)),

    # --- elements in the wrong place ----------------------------------------------------------------------------------
    Fault("transposes forgotten in matmul", "matmul", "sum((a @ b)**2)", f"a={SQUARE},b={OTHER}", "float32", planted(torch.matmul, lambda g, y, a, b: (g @ b, a @ g))),
    Fault("elements in reverse order", "tanh", "sum(tanh(x)*x)", f"x={VECTOR}", "bfloat16", distorted(torch.tanh, lambda g: g.flip(0))),
    Fault("an index that is off by one", "sin", "sum(sin(x)**2)", f"x={VECTOR}", "float32", distorted(torch.sin, lambda g: g.roll(1))),
    Fault("cumsum not turned around", "cumsum", "sum(cumsum(x, dim=0)**2)", f"x={VECTOR}", "float32", planted(torch.cumsum, lambda g, y, x, dim: g.cumsum(dim))),
    Fault("flip not flipped back", "flip", "sum(w*flip(x, 0))", f"x={VECTOR},w={POSITIVE}", "float16", planted(torch.flip, lambda g, y, x, dims: g)),
    Fault("pieces of cat swapped", "cat", "sum(w*cat([a, b], dim=0))", "a=[0.3,-1.1],b=[1.9,0.45],w=[1,2,3,4]", "float32", planted(lambda a, b, dim: torch.cat((a, b), dim), lambda g, y, a, b, dim: swapped(g, a, dim))),
    Fault("sum expanded along the wrong dim", "sum", "mean(sum(x, dim=0)**2)", f"x={SQUARE}", "float32", planted(torch.sum, lambda g, y, x, dim: g.unsqueeze(1).expand_as(x))),
    Fault("softmax summed along the wrong dim", "softmax", ATTENTION, ATTENTION_AT, "float32", planted(torch.softmax, lambda g, y, x, dim: y * (g - (g * y).sum(1 - dim, keepdim=True)))),
    Fault("logsumexp normed along the wrong dim", "logsumexp", "sum(logsumexp(x, dim=1)**2)", f"x={SQUARE}", "float64", planted(torch.logsumexp, lambda g, y, x, dim: g.unsqueeze(1) * x.softmax(0))),
    Fault("the last element is zero", "exp", "sum(exp(x))", "x=[0.1,0.2,0.3,0.4,0.5,0.6,0.7]", "float32", distorted(torch.exp, last_is_zero)),
    Fault("one nan among a thousand", "sin", "mean(sin(x))", "x=linspace(-2,3,1000)", "float32", distorted(torch.sin, one_is_nan)),
    Fault("one of a hundred is off by 1e-6", "matmul", "sum((x @ w)**2)", "x=randn(10,10),w=randn(10,10)", "float64", distorted(torch.matmul, one_is_off)),

    # --- branches -----------------------------------------------------------------------------------------------------
    Fault("relu lets negative elements through", "relu", "sum(relu(x)*x)", f"x={VECTOR}", "float32", planted(torch.relu, lambda g, y, x: g)),
    Fault("maximum with its branches swapped", "maximum", "sum(maximum(a, b)**2)", "a=[0.3,-1.1],b=[-0.4,2.5]", "float32", planted(torch.maximum, lambda g, y, a, b: (g * (a < b), g * (a > b)))),
    Fault("clamp lets outer elements through", "clamp", "sum(clamp(x, min=-1, max=1)**2)", f"x={VECTOR}", "bfloat16", planted(torch.clamp, lambda g, y, x, low, high: (g, None, None))),
    Fault("abs without its sign", "abs", "sum(abs(x))", f"x={VECTOR}", "float16", planted(torch.abs, lambda g, y, x: g)),
    Fault("leaky_relu without its slope", "leaky_relu", "sum(leaky_relu(x, 0.2))", f"x={VECTOR}", "float32", planted(functional.leaky_relu, lambda g, y, x, **_: g * (x > 0))),
    Fault("round with a straight-through gradient", "round", "sum(x*round(x))", f"x={VECTOR}", "float32", planted(torch.round, lambda g, y, x: g)),
    Fault("a slope of 2 at the kink of relu", "relu", "sum(relu(x))", "x=[0,1]", "float32", planted(torch.relu, lambda g, y, x: g * torch.where(x == 0, 2, x > 0))),

    Fault("all of it for each of those that tie", "amax", "amax(x)", "x=[1,1,1]", "float32", planted(torch.amax, lambda g, y, x, **_: g * (x == y)), Cause.KINK),

    # --- arguments ----------------------------------------------------------------------------------------------------
    Fault("only the first row of a broadcast argument", "add", "sum((x + b)**2)", f"x={SQUARE},b=[0.7,-0.2]", "float32", planted(torch.add, lambda g, y, x, b: (g, g[0]))),
    Fault("the mean where a broadcast argument needs the sum", "mul", "sum(exp(x)*b)", f"x={SQUARE},b=[0.7,-0.2]", "float32", planted(torch.mul, lambda g, y, x, b: (g * b, (g * x).mean(0)))),
    Fault("arguments of sub swapped", "sub", "sum((a - b)**3)", "a=[0.3,-1.1],b=[-0.4,2.5]", "float32", planted(torch.sub, lambda g, y, a, b: (-g, g))),
    Fault("arguments of atan2 swapped", "atan2", "sum(atan2(a, b))", "a=[0.3,-1.1],b=[0.4,2.5]", "float32", planted(torch.atan2, lambda g, y, a, b: (-g * a / (a**2 + b**2), g * b / (a**2 + b**2)))),
    Fault("a reused tensor is counted twice", "mul", "sum(x*x)", f"x={VECTOR}", "float32", planted(torch.mul, lambda g, y, a, b: (g * (a + b), g * (a + b)))),

    # --- what the backward pass remembers -----------------------------------------------------------------------------
    Fault("the values of a later call", "sin", "sum(sin(x)*sin(y))", f"x={VECTOR},y=[0.7,1.3,-0.2,0.9]", "float32", shared(torch.sin, lambda g, y, x: g * x.cos())),
    Fault("a saved tensor overwritten through .data", "cos", "sum(cos(x))", f"x={VECTOR}", "float32", overwritten(torch.cos, lambda x: x.mul_(2))),
    Fault("the output saved for the input", "sin", "sum(sin(x))", f"x={VECTOR}", "float64", planted(torch.sin, lambda g, y, x: g * y.cos())),
    Fault("the input saved for the output", "tanh", MLP, MLP_AT, "float64", planted(torch.tanh, lambda g, y, x: g * (1 - x**2))),
    Fault("a saved value rounded to an integer", "exp", "sum(exp(x))", f"x={VECTOR}", "float32", planted(torch.exp, lambda g, y, x: g * x.round().exp())),

    # --- nan, infinity and clipping -----------------------------------------------------------------------------------
    Fault("nan behind a mask", "relu", "sum(relu(x)*x)", f"x={VECTOR}", "float32", planted(torch.relu, lambda g, y, x: g * y / y)),
    Fault("prod that divides by a zero", "prod", "prod(x)", "x=[0,2,3]", "float64", planted(torch.prod, lambda g, y, x: g * y / x)),
    Fault("logsumexp that overflows", "logsumexp", "logsumexp(x, dim=0)", "x=[100,101,99]", "float32", planted(torch.logsumexp, lambda g, y, x, dim: g * x.exp() / x.exp().sum())),
    Fault("a large gradient is cut off", "sqrt", "sum(sqrt(x))", "x=[1e-10,1]", "float32", distorted(torch.sqrt, lambda g: g.clamp(max=1000))),
    Fault("clipped to [-1, 1]", "square", "sum(square(x))", f"x={VECTOR}", "float32", distorted(torch.square, lambda g: g.clamp(-1, 1))),
    Fault("rounded to three decimals", "sigmoid", "sum(sigmoid(x))", f"x={VECTOR}", "float32", distorted(torch.sigmoid, lambda g: g.mul(1000).round().div(1000))),

    # --- the value ----------------------------------------------------------------------------------------------------
    Fault("a value that is off, a gradient that is right", "exp", "sum(exp(x)**2)", f"x={VECTOR}", "float32", planted(lambda x: x.exp() * 1.001, lambda g, y, x: g * x.exp()), VALUE),
    Fault("erf to seven digits", "erf", "sum(erf(x)**2)", f"x={VECTOR}", "float64", planted(erf_by_polynomial, lambda g, y, x: g * 2 / torch.pi**0.5 * torch.exp(-(x**2))), VALUE),
    Fault("log1p that forgets small numbers", "log1p", "sum(log1p(x)**2)", "x=[1e-10,0.5]", "float64", planted(lambda x: torch.log(1 + x), lambda g, y, x: g / (1 + x)), VALUE),
    Fault("sigmoid that overflows", "sigmoid", "sum(x*sigmoid(x))", "x=[100,0.5]", "float32", planted(lambda x: x.exp() / (1 + x.exp()), lambda g, y, x: g * y * (1 - y)), VALUE),
    Fault("softplus that overflows", "softplus", "sum(exp(-softplus(x)/100))", "x=[100,0.5]", "float32", planted(lambda x: torch.log(1 + x.exp()), lambda g, y, x: g * x.sigmoid()), VALUE),
    Fault("matmul with the ten bits of TF32", "matmul", "sum((a @ b)**2)", f"a={SQUARE},b={OTHER}", "float32", planted(lambda a, b: rounded_to_ten_bits(a) @ rounded_to_ten_bits(b), lambda g, y, a, b: (rounded_to_ten_bits(g) @ rounded_to_ten_bits(b).mT, rounded_to_ten_bits(a).mT @ rounded_to_ten_bits(g))), VALUE),

    Fault("a hundredth too much, and the gradient of what is right", "silu", "silu(x)", f"x={VECTOR}", "float32", planted(lambda x: functional.silu(x) + 1e-2, lambda g, y, x: g * x.sigmoid() * (1 + x * (1 - x.sigmoid()))), VALUE),

    Fault("a dim that was to go", "sum", "sum(x, dim=1)", f"x={SQUARE}", "float32", lambda x, dim: torch.sum(x, dim, keepdim=True), VALUE),
    Fault("half precision returned in single", "sin", "sin(x)", f"x={VECTOR}", "float32", lambda x: torch.sin(x).half(), PRECISION),

    # --- behind what loses digits -------------------------------------------------------------------------------------
    Fault("a sign behind a mean in a half type", "tanh", "mean(tanh(x))**2", "x=randn(300)", "bfloat16", scaled(torch.tanh, -1)),
    Fault("a tenth too large behind a softmax in a half type", "sin", "sum(softmax(sin(x), 0)*w)", "x=randn(300),w=randn(300)", "float16", scaled(torch.sin, 1.1)),
    Fault("a long softmax twice too large in a half type", "softmax", "sum(softmax(x, 0)*w)", "x=randn(100),w=randn(100)", "bfloat16", scaled(torch.softmax, 2)),
    Fault("a square a tenth too large in a half type", "square", "sum(square(x))", "x=[1,0.5]", "bfloat16", scaled(torch.square, 1.1)),
    Fault("a factor of 1.0002 behind a thousand terms", "tanh", "mean(tanh(x))**2", "x=randn(1000)", "float32", scaled(torch.tanh, 1.0002)),
    Fault("a factor of 1.0001 in a product of a thousand columns", "matmul", "sum((x @ w)**2)", "x=randn(2,1000),w=randn(1000)", "float32", scaled(torch.matmul, 1.0001)),
    Fault("twice too large where the program is unstable", "sin", "a = (x + 1e8) - 1e8\nsin(a)", "x=4.1", "float32", scaled(torch.sin, 2)),
    Fault("half too large beside a sum near the end of the range", "tanh", "s = sum(x)\ntanh(s)", "x=[60000,-60000,0.5]", "float16", scaled(torch.tanh, 1.5)),
    Fault("half too large beside an overflow", "sin", "sin(t) + 1/(1 + x**4)", "t=0.4,x=1e10", "float32", scaled(torch.sin, 1.5)),

    # --- the graph ----------------------------------------------------------------------------------------------------
    Fault("detached", "exp", "sum(exp(x))", f"x={VECTOR}", "float32", lambda x: torch.exp(x.detach()), DETACHED),
    Fault("detached on one of two paths", "exp", "sum(x*exp(x))", f"x={VECTOR}", "float32", lambda x: torch.exp(x).detach(), DETACHED),
    Fault("one argument detached", "mul", "sum(exp(a)*b)", "a=[0.3,-1.1],b=[0.4,2.5]", "float64", lambda a, b: a * b.detach(), DETACHED),
    Fault("a backward pass that returns nothing", "tanh", "sum(tanh(x))", f"x={VECTOR}", "float32", planted(torch.tanh, lambda g, y, x: None), DETACHED),

    # --- chance -------------------------------------------------------------------------------------------------------
    Fault("a backward pass that is not deterministic", "sin", "sum(sin(x)*x)", f"x={VECTOR}", "float32", planted(torch.sin, lambda g, y, x: wandering(g * x.cos())), Cause.NONDETERMINISTIC, nondet=2),

    # --- the precision ------------------------------------------------------------------------------------------------
    Fault("single precision inside double", "sin", "sum(sin(x)*x)", f"x={VECTOR}", "float64", within(torch.float32, torch.sin), PRECISION),
    Fault("a backward pass in single precision", "exp", "sum(exp(x))", f"x={VECTOR}", "float64", planted(torch.exp, lambda g, y, x: g.float() * y.float()), PRECISION),
    Fault("matmul in bfloat16, as autocast does", "matmul", MLP, MLP_AT, "float32", within(torch.bfloat16, torch.matmul), PRECISION),
    Fault("matmul in half precision", "matmul", "sum((a @ b)**2)", f"a={SQUARE},b={OTHER}", "float32", within(torch.float16, torch.matmul), PRECISION),
)
# fmt: on

FAULTS = (*PLAIN, *HIDDEN)
"""All faults, those of all ways of differentiating too."""
