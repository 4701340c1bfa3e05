"""The lines of plain torch that take a derivative in any way: each step is a function of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck.lane import EAGER, Lane
from gradcheck.ways import REVERSE


@dataclass(frozen=True, slots=True)
class Step:
    """What one step differentiates by: an element of an argument, as the text of its index, and a unit tensor."""

    name: str
    index: str
    unit: str


def taken(lane: Lane, arguments: Sequence[str], steps: Sequence[Step], body: Sequence[str], output: str) -> list[str]:
    """Return lines that define the program ``f`` and its derivative, and set ``result`` to the number of torch.

    ``steps`` begin with the innermost one; ``body`` are the lines of the program, ``output`` the number that it makes.

    >>> from gradcheck.ways import Way
    >>> lane = Lane("float32", Way.parse("fwd-rev"))
    >>> step = Step("x", "", "torch.tensor(1.0)")
    >>> print("\\n".join(taken(lane, ["x"], [step, step], ["out = torch.sinc(x)"], "out.sum()")))
    def f(x):
        out = torch.sinc(x)
        return out.sum()
    <BLANKLINE>
    <BLANKLINE>
    def d1(x):  # in reverse mode
        return torch.func.grad(f, argnums=0)(x)
    <BLANKLINE>
    <BLANKLINE>
    def d2(x):  # in forward mode
        return torch.func.jvp(lambda x: d1(x), (x,), (torch.tensor(1.0),))[1]
    <BLANKLINE>
    <BLANKLINE>
    result = d2(x)
    """
    given = ", ".join(arguments)
    lines = [f"def f({given}):", *(f"    {line}" for line in body), f"    return {output}", "", ""]
    if lane.way.is_plain or lane.way.graph:
        return [*lines, *_passes(lane, given, steps)]
    for n, (kind, step) in enumerate(zip(reversed(lane.way.steps), steps, strict=True), 1):
        before = f"d{n - 1}" if n > 1 else "f"
        told = "reverse" if kind == REVERSE else "forward"
        made = _reverse(before, arguments, step) if kind == REVERSE else _forward(before, arguments, step)
        lines += [f"def d{n}({given}):  # in {told} mode", f"    return {made}", "", ""]
    return [*lines, f"result = {_compiled(f'd{len(steps)}', lane)}({given})"]


def _reverse(before: str, arguments: Sequence[str], step: Step) -> str:
    at = list(arguments).index(step.name)
    return f"torch.func.grad({before}, argnums={at})({', '.join(arguments)}){step.index}"


def _forward(before: str, arguments: Sequence[str], step: Step) -> str:
    moved = f"lambda {step.name}: {before}({', '.join(arguments)})"
    return f"torch.func.jvp({moved}, ({step.name},), ({step.unit},))[1]"


def _passes(lane: Lane, given: str, steps: Sequence[Step]) -> list[str]:
    """Return several backward passes, each of which makes the graph of the next one."""
    lines = [f"made = {_compiled('f', lane)}({given})"]
    names = ["made"] * (len(steps) - 1) + ["result"]
    for name, step in zip(names, steps, strict=True):
        keep = "" if name == "result" else "create_graph=True, "
        lines.append(f"{name} = torch.autograd.grad(made, {step.name}, {keep}materialize_grads=True)[0]{step.index}")
    return lines


def _compiled(function: str, lane: Lane) -> str:
    return function if lane.engine == EAGER else f'torch.compile({function}, backend="{lane.engine}", fullgraph=True)'
