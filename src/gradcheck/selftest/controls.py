"""The correct programs: every sample of the table, what the faults leave unchanged, and formulas that people write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch.nn import functional

from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR
from gradcheck.parse import parse
from gradcheck.selftest.faults import FAULTS
from gradcheck.selftest.inputs import DTYPES, at_the_inputs, squared
from gradcheck.selftest.planting import Operation, distorted


@dataclass(frozen=True, slots=True)
class Control:
    """A program whose gradient is right; ``under_test`` holds autograd Functions that are right as well."""

    program: str
    at: tuple[str, ...]
    dtypes: tuple[str, ...] = DTYPES
    under_test: Mapping[str, Operation] = field(default_factory=dict, compare=False)


FORMULAS = (
    # --- losses -------------------------------------------------------------------------------------------------------
    "mean((v - w)**2)",
    "mean(abs(v - w))",
    "d = v - w; mean(where(abs(d) < 1, d**2/2, abs(d) - 1/2))",
    "d = v - w; mean(d + softplus(-2*d) - log(2))",
    "d = v - w; mean(sqrt(1 + d**2) - 1)",
    "mean(relu(1 - sign(w)*v))",
    "mean(relu(1 - sign(w)*v)**2)",
    "mean(softplus(-sign(w)*v))",
    "-mean(q*logsigmoid(v) + (1 - q)*logsigmoid(-v))",
    "-mean(q*log(sigmoid(v)) + (1 - q)*log(1 - sigmoid(v)))",
    "-sum(q*log_softmax(v, dim=0))",
    "-log_softmax(a, dim=1)[0, 2] - log_softmax(a, dim=1)[1, 0]",
    "-sum(q*log(softmax(v, dim=0)))",
    "-mean(0.9*log_softmax(a, dim=1)[:, 0] + 0.1*mean(log_softmax(a, dim=1), dim=1))",
    "r = softmax(v, 0); -sum(q*(1 - r)**2*log(r))",
    "r = softmax(v, 0); sum(q*(log(q) - log(r)))",
    "r = sigmoid(v); 1 - 2*sum(r*q)/(sum(r) + sum(q))",
    "mean(exp(p) - v*p)",
    "mean((v - w)**2/(2*p) + log(p)/2)",
    "relu(norm(v - w) - norm(v - p) + 1)",
    "(1 - sum(v*w)/(norm(v)*norm(w)))**2",
    "logsumexp(v, 0) - sum(q*v)",
    "mean((v - w)**2) + 0.01*sum(v**2) + 0.001*sum(abs(v))",

    # --- activations --------------------------------------------------------------------------------------------------
    "sum(v*sigmoid(v))",
    "sum(silu(v)*w)",
    "sum(gelu(v)*w)",
    "sum(v*tanh(softplus(v)))",
    "sum(0.5*v*(1 + tanh(sqrt(2/pi)*(v + 0.044715*v**3))))",
    "sum(elu(v, alpha=1.3)*w)",
    "1.0507*sum(where(v > 0, v, 1.67326*expm1(v)))",
    "sum(leaky_relu(v, 0.1)**2)",
    "sum(clamp(v/6 + 1/2, min=0, max=1)*v)",
    "sum(v/(1 + abs(v)))",
    "sum(v - tanh(v))",
    "sum(log(cosh(v)))",
    "sum(clamp(v, min=-1, max=1)*w)",
    "sum(maximum(v, w)*minimum(v, w))",
    "sum(relu(v)**3)",
    "prod(sigmoid(v))",

    # --- norms and statistics -----------------------------------------------------------------------------------------
    "y = a - mean(a, dim=1, keepdim=True)\nsum(w*y/sqrt(mean(y**2, dim=1, keepdim=True) + 1e-3))",
    "y = a - mean(a, dim=0)\nsum(w*y/sqrt(var(a, dim=0, correction=0) + 1e-3))",
    "sum(w*a/sqrt(mean(a**2, dim=1, keepdim=True) + 1e-3))",
    "sum(w*v/norm(v))",
    "norm(a, p=1)/norm(a)",
    "norm(a, p=3, dim=1).sum()",
    "sum(std(a, dim=1)**2)",
    "var(v)/mean(p)",
    "mean((v - mean(v))**3)/std(v, correction=0)**3",
    "mean((v - mean(v))*(w - mean(w)))/(std(v, correction=0)*std(w, correction=0))",
    "amax(v) - amin(v)",
    "sum(cumsum(v, 0)**2)",
    "exp(mean(log(p)))",
    "3/sum(1/p)",
    "log(mean(exp(v)))",

    # --- networks and linear algebra ----------------------------------------------------------------------------------
    "h = tanh(a @ b)\nmean(h**2)",
    "h = relu(a @ b); mean(softmax(h, dim=1)**2)",
    "h = silu(a @ v); logsumexp(h, 0)",
    "h1 = tanh(v @ b); h2 = tanh(b @ h1); sum(h2*w)",
    "z = softmax(a @ a.T/sqrt(3), dim=1)\nsum((z @ a)**2)",
    "z = softmax(m @ m.mT, dim=-1) @ m; sum(z*m)",
    "f = sigmoid(u @ m); c2 = f*u + (1 - f)*tanh(u @ m.T); sum(c2**2)",
    "h1 = tanh(m @ u); h2 = tanh(m @ h1 + u); h3 = tanh(m @ h2 + u); sum(h3**2)",
    "m[0, 0]*m[1, 1] - m[0, 1]*m[1, 0]",
    "log(m[0, 0]*m[1, 1] - m[0, 1]*m[1, 0])",
    "u @ m @ u",
    "u @ m @ u/(u @ u)",
    "sum((m @ m - m)**2)",
    "mean((a @ v - u)**2) + 0.1*sum(v**2)",
    "sum(outer(u, v)*a)",
    "sum(c.mT @ c)",
    "x = c.flatten(1); sum(tanh(x)*x)",
    "x = stack([v, w], dim=0); sum(softmax(x, dim=0)*x)",
    "sum(cat([v, w*v, p], dim=0)**2)",
    "sum(v[1:]*v[:-1])",
    "mean((v[1:] - v[:-1])**2)",
    "sum(a[0]*a[1]) + sum(a[:, 0]**2)",
    "sum(v.unsqueeze(0)*w.unsqueeze(1)*q)",
    "sum((reshape(s, (1, 1)) @ reshape(t, (1, 1)) - 0.84)**2)",
    "exp(-sum((v - w)**2)/2)",
    "sum(exp(-(v.unsqueeze(0) - w.unsqueeze(1))**2))",

    # --- physics and engineering --------------------------------------------------------------------------------------
    "s/sqrt(1 - s**2/t**2)",
    "2*pi*sqrt(s/t)",
    "s*t**2/2 + s*9.81*t",
    "4*((s/t)**12 - (s/t)**6)",
    "exp(-s/t)/(1 + exp(-s/t))",
    "s**3/(exp(t*s) - 1)",
    "sqrt(2/pi)*s**2*exp(-s**2/(2*t**2))/t**3",
    "exp(-t*s)*cos(3*s + t)",
    "-log(1 - s)/t",
    "s/(t + s)",
    "s**2.5/(t**2.5 + s**2.5)",
    "atan2(sin(t - s), cos(t - s))",
    "hypot(s, t)*exp(-s*t)",
    "2*asin(sqrt(sin((s - t)/2)**2 + cos(s)*cos(t)*sin(s/2)**2))",
    "d1 = (log(t/s) + 0.02 + 0.08)/0.4; t*(1 + erf(d1/sqrt(2)))/2 - s*(1 + erf((d1 - 0.4)/sqrt(2)))/2",
    "sum(p*log(p/mean(p)))",
    "(1 - s)**2 + 4*(t - s**2)**2",
    "sum(v**2 - cos(2*pi*v))/10",
    "-cos(s)*cos(t)*exp(-((s - pi)**2 + (t - pi)**2)/4)",
    "(s + 2*t - 3)**2 + (2*s + t - 2)**2",
    "s*(3*s*(3*s*(1 - s) + t) - t)",
    "1/(1 + s/(1 + t/(1 + s*t)))",
    "x1 = s - (s**2 - t)/(2*s); x2 = x1 - (x1**2 - t)/(2*x1); x2",
    "y1 = s + 0.1*sin(t*s); y2 = y1 + 0.1*sin(t*y1); y2 + 0.1*sin(t*y2)",
    "s**t*t**s",
    "sinh(s)*tanh(t) + asinh(t)/cosh(s)",
    "log1p(s)*expm1(t) - log2(t)/log10(3 + s)",
    "atanh(s)*acos(s/2)*acosh(1 + t)",
    "erfc(s)*exp2(-t) + rsqrt(t) + reciprocal(s + t)",
    "detach(s)*t + s**2",
    "relu(s)*abs(t) + clamp_min(s, 0.1)*clamp_max(t, 5)",
)  # fmt: skip

ODD = (
    # --- masks, and infinities ----------------------------------------------------------------------------------------
    ("sum(where(m == 1, x**2, 0))", "m=[0,1,1,2]", "x=[0.3,-1.1,1.9,0.45]"),
    ("sum(where(m > 0, log(x), 0))", "m=[0,1,1]", "x=[0.3,1.1,1.9]"),
    ("sum(softmax(where(m > 0, x, -inf), 0)*w)", "m=[0,1,1]", "x=[0.3,1.1,1.9]", "w=[1,-2,3]"),
    ("logsumexp(s, 0)**2", "s=[1,2,-inf]"),
    ("logaddexp(x, y)", "x=1", "y=-inf"),
    ("(x*y)[0]", "x=[1,2]", "y=[-inf,3]"),

    # --- ties ---------------------------------------------------------------------------------------------------------
    ("amax(x)", "x=[1,1,1]"),
    ("sum(sort(x)*w)", "x=[0,0,0,0,0]", "w=[3,-1,2,0.5,1]"),
    ("sum(relu(x))", "x=zeros(40)"),
    ("norm(x, p=inf)", "x=[2,-2,1]"),
    ("amax(where(v < 0, 5, v))", "v=[1,0]"),

    # --- plain numbers ------------------------------------------------------------------------------------------------
    ("(0.1 + 0.2 - 0.3)*x", "x=1"),
    ("where(1 - 0.9 - 0.1 == 0, x, 2*x)", "x=1"),

    # --- long reductions, and what loses digits -----------------------------------------------------------------------
    ("mean(tanh(x))**2", "x=randn(3000)"),
    ("sum(softmax(x, 0)*x)", "x=randn(300)"),
    ("norm(x)*logsumexp(x, 0)", "x=randn(1000)"),
    ("sum((x @ w)**2)", "x=randn(3,1000)", "w=randn(1000)"),
    ("a = (x + 1e4) - 1e4; sin(a)", "x=4.1"),
)  # fmt: skip
"""Programs at points where checks tend to accuse torch, which is right there."""

HONEST: tuple[tuple[str, Operation, str], ...] = (
    ("sin", torch.sin, "sum(sin(v)*w)"),
    ("mul", torch.mul, "sum(exp(a)*w)"),
    ("div", torch.div, "sum(v/p)"),
    ("matmul", torch.matmul, "sum(tanh(m @ m))"),
    ("softmax", torch.softmax, "sum(q*softmax(v, dim=0))"),
    ("logsumexp", torch.logsumexp, "sum(logsumexp(a, dim=1)**2)"),
    ("gelu", functional.gelu, "sum(gelu(v)**2)"),
    ("clamp", torch.clamp, "sum(clamp(v, min=-1, max=1)*w)"),
    ("std", torch.std, "std(v)*s"),
    ("sum", torch.sum, "sum(sum(a, dim=0)**2)"),
)
"""Right autograd Functions: the ground that the faults are planted in."""


def controls() -> Iterator[Control]:
    """Yield every correct program, the small ones first."""
    for row in ELEMENTWISE.values():
        for sample in row.samples:  # what torch differentiates nothing by is a number of the program
            given = dict(zip(row.args, sample, strict=True))
            text = ",".join(f"{name}={given[name]}" for name in row.args if name not in row.fixed)
            args = ", ".join(given[name] if name in row.fixed else name for name in row.args)
            yield Control(f"{row.name}({args})", (text,), row.dtypes or DTYPES)
    yield from (_at_the_inputs(squared(text)) for one in TENSOR.values() for text in one.samples)
    for made in COMPOSITE.values():
        yield from (replace(_at_the_inputs(squared(text)), dtypes=made.dtypes or DTYPES) for text in made.samples)
    yield from map(_at_the_inputs, FORMULAS)
    yield from (Control(text, tuple(at)) for text, *at in ODD)
    yield from (_at_the_inputs(text, {op: distorted(function, lambda g: g)}) for op, function, text in HONEST)
    yield from dict.fromkeys(Control(fault.program, (fault.at,), (fault.dtype,)) for fault in FAULTS)


def _at_the_inputs(program: str, under_test: Mapping[str, Operation] | None = None) -> Control:
    read = parse(program).inputs
    at = tuple(at_the_inputs([name]) for name in read)
    return Control(program, at, under_test=under_test or {})
