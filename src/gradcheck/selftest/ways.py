"""Faults that the gradient by backward() under ones does not show: in tangents, in graphs of graphs, in what cancels."""

# ruff: noqa: E501, ARG005 - one row for one fault, all rules called alike

from __future__ import annotations

from typing import Any

import torch

from gradcheck.selftest.planting import Fault, Operation, Pullback, distorted, planted, pushed, scaled

VECTOR, POSITIVE = "[0.3,-1.1,1.9,0.45]", "[0.3,1.1,1.9,0.45]"
SQUARE, OTHER = "[[0.3,-1.1],[1.9,0.45]]", "[[0.6,-0.2],[-0.9,1.3]]"


def still(pullback: Pullback) -> Pullback:
    """Return a pullback in which all that was saved stands still: right, and without a derivative of its own."""
    return lambda g, *saved, **params: pullback(g, *(one.detach() for one in saved), **params)


def sine(backward: Operation) -> Operation:
    """Return a sine whose backward takes another function for the cosine, which has derivatives of its own."""
    return planted(torch.sin, lambda g, y, x: g * backward(x))


def sorted_values(x: torch.Tensor, dim: int = -1, descending: bool = False) -> Any:
    """Return the sorted values alone."""
    return torch.sort(x, dim=dim, descending=descending).values


# fmt: off
HIDDEN: tuple[Fault, ...] = (
    # --- forward mode: the pullback is right, and the tangent is not --------------------------------------------------
    Fault("a tangent of the wrong sign", "cos", "sum(x*cos(x))", f"x={VECTOR}", "float64", pushed(torch.cos, lambda g, y, x: -g * x.sin(), lambda t, y, x: t * x.sin()), way="fwd"),
    Fault("a tangent twice too large", "tanh", "sum(x*tanh(x))", f"x={VECTOR}", "float32", pushed(torch.tanh, lambda g, y, x: g * (1 - y**2), lambda t, y, x: 2 * t * (1 - y**2)), way="fwd"),
    Fault("a tangent that is the value", "sin", "sum(x*sin(x))", f"x={VECTOR}", "float64", pushed(torch.sin, lambda g, y, x: g * x.cos(), lambda t, y, x: t * y), way="fwd"),
    Fault("the tangent of one argument alone", "mul", "sum(exp(a)*b)", "a=[0.3,-1.1],b=[0.4,2.5]", "float64", pushed(torch.mul, lambda g, y, a, b: (g * b, g * a), lambda s, t, y, a, b: s * b), way="fwd"),
    Fault("a tangent with the wrong sign of one partial", "div", "sum((a/b)**2)", "a=[1.5,-0.7],b=[0.4,2.2]", "float64", pushed(torch.div, lambda g, y, a, b: (g / b, -g * a / b**2), lambda s, t, y, a, b: s / b + t * a / b**2), way="fwd"),
    Fault("a tangent with its factors swapped", "matmul", "sum((a @ b)**2)", f"a={SQUARE},b={OTHER}", "float32", pushed(torch.matmul, lambda g, y, a, b: (g @ b.mT, a.mT @ g), lambda s, t, y, a, b: s @ b + t @ a), way="fwd"),
    Fault("a tangent of zeros", "sqrt", "sum(x*sqrt(x))", f"x={POSITIVE}", "float64", pushed(torch.sqrt, lambda g, y, x: g / (2 * y), lambda t, y, x: torch.zeros_like(t)), way="fwd"),
    Fault("a tangent that lets negative elements through", "relu", "sum(relu(x)*x)", f"x={VECTOR}", "bfloat16", pushed(torch.relu, lambda g, y, x: g * (x > 0), lambda t, y, x: t), way="fwd"),

    # --- double backward: the gradient is right, and its own derivative is not ----------------------------------------
    Fault("a backward of what was detached", "sin", "sum(x*sin(x))", f"x={VECTOR}", "float64", planted(torch.sin, still(lambda g, y, x: g * x.cos())), way="double-backward"),
    Fault("a backward of a detached result", "tanh", "sum(x*tanh(x))", f"x={VECTOR}", "float32", planted(torch.tanh, still(lambda g, y, x: g * (1 - y**2))), way="double-backward"),
    Fault("a backward that forgets one of two arguments", "mul", "sum(exp(a)*b)", "a=[0.3,-1.1],b=[0.4,2.5]", "float64", planted(torch.mul, lambda g, y, a, b: (g * b.detach(), g * a)), way="double-backward"),
    Fault("a second derivative of the wrong sign", "sin", "sum(x*sin(x))", f"x={VECTOR}", "float64", sine(planted(torch.cos, lambda g, y, x: g * x.sin())), way="double-backward"),
    Fault("a second derivative a thousandth too large", "sin", "mean(sin(x)**2)", f"x={VECTOR}", "float32", sine(planted(torch.cos, lambda g, y, x: -1.001 * g * x.sin())), way="double-backward"),
    Fault("a backward of a backward of what was detached", "exp", "sum(x*exp(x))", f"x={VECTOR}", "float64", pushed(torch.exp, still(lambda g, y, x: g * y), lambda t, y, x: t * y), way="rev-rev"),
    Fault("a backward whose tangent stands still", "log", "sum(x*log(x))", f"x={POSITIVE}", "float64", pushed(torch.log, still(lambda g, y, x: g / x), lambda t, y, x: t / x), way="fwd-rev"),
    Fault("a tangent whose tangent stands still", "sigmoid", "sum(x*sigmoid(x))", f"x={VECTOR}", "float64", pushed(torch.sigmoid, lambda g, y, x: g * y * (1 - y), lambda t, y, x: t * (y * (1 - y)).detach()), way="fwd-fwd"),

    # --- cotangents: what cancels under ones --------------------------------------------------------------------------
    Fault("a softmax three times too large", "softmax", "softmax(x, 0)", f"x={VECTOR}", "float64", scaled(torch.softmax, 3)),
    Fault("a softmax of the wrong sign behind a layer", "softmax", "y = 2*x - 1; softmax(y, 0)", f"x={VECTOR}", "float32", scaled(torch.softmax, -1)),
    Fault("the rows of a softmax turned around", "softmax", "softmax(x, dim=1)", f"x={SQUARE}", "float64", distorted(torch.softmax, lambda g: g.flip(0))),
    Fault("sorted values whose order is forgotten", "sort", "sort(x)", f"x={VECTOR}", "float64", planted(sorted_values, lambda g, y, x, **_: g)),
    Fault("a flip that is not flipped back, under ones", "flip", "flip(x, 0)", f"x={VECTOR}", "float32", planted(torch.flip, lambda g, y, x, dims: g)),
)
# fmt: on
