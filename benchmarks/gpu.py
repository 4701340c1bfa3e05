"""What a GPU makes of derivatives: `python benchmarks/gpu.py` runs a few minutes, and needs no network.

Twenty programs in four dtypes, by torch as it is and by inductor, each held against the proven enclosures; products of
matrices with TF32 on and off; sums by atomic additions again and again. It writes a table, and the same as JSON.
Without a GPU it says so and ends; `--device cpu` runs the same on the processor.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import torch

import gradcheck
from gradcheck import Run, Settings
from gradcheck.formats import FORMATS

DTYPES = tuple(FORMATS)
ENGINES = ("eager", "inductor")
PROGRAMS = {
    "polynomial": ("2*x**4 + x**3 + 3*x**2 + 5*x + 1", "x=[0.5,1.25,-2]"),
    "powers": ("sum(sqrt(x)*rsqrt(x + 1) + 1/x)", "x=[0.5,1.25,7]"),
    "exponentials": ("exp(x)*exp2(-x) + expm1(x)", "x=[0.5,-1.25,3]"),
    "logarithms": ("log(x) + log1p(x) + log2(x)*log10(x)", "x=[0.5,1.25,3]"),
    "trigonometry": ("sin(x)*cos(x) + tan(x/4)", "x=[0.5,-1.25,3]"),
    "inverse trigonometry": ("asin(x) + acos(x/2)*atan(x)", "x=[0.5,-0.25,0.125]"),
    "hyperbolic functions": ("tanh(x)*sinh(x/2) + cosh(x/4)", "x=[0.5,-1.25,3]"),
    "error functions": ("erf(x) + erfc(x/2)", "x=[0.5,-1.25,1]"),
    "sigmoids": ("sigmoid(x)*logsigmoid(x) + leaky_relu(x)", "x=[0.5,1.25,3]"),
    "activations": ("gelu(x) + silu(x) + softplus(x) + elu(x)", "x=[0.5,-1.25,3]"),
    "masks": ("where(x > 0, x*exp(-x), x**2)", "x=[0.5,-1.25,3]"),
    "two inputs": ("atan2(y, x) + hypot(x, y)", "x=[0.5,1.25,3],y=[1,-2,0.25]"),
    "least squares": ("mean((a*x + b - y)**2)", "x=[1,2,3],y=[2,3,5],a=0.75,b=0.5"),
    "softmax": ("softmax(x, 0)*w", "x=[0.5,-1.25,3],w=[1,2,-1]"),
    "log of a sum": ("logsumexp(x, 0)", "x=[0.5,-1.25,3]"),
    "layer norm": ("(x - mean(x))/sqrt(mean((x - mean(x))**2) + 0.01)*w", "x=[0.5,-1.25,3],w=[1,2,-1]"),
    "product": ("prod(x) + sum(cumsum(x, 0)**2)", "x=[0.5,-1.25,3]"),
    "product of matrices": ("x@w", "x=[[1,0.3],[2,-0.7]],w=[[0.9,1],[3,0.1]]"),
    "layers": ("h = tanh(x@w); mean(h**2)", "x=[[1,0.3],[2,-0.7]],w=[[0.9,1],[3,0.1]]"),
    "attention": ("softmax(q@k/2, 1)@v", "q=[[1,0.3]],k=[[0.9,1],[3,0.1]],v=[[0.5],[2]]"),
}
"""Programs of every kind, each at a point of a few elements."""
MATRICES = ("x@w", "x=randn(64,64),w=randn(64,64)")
RUNS = 30
MANY = 2**16
"""Elements that are added into a few places by atomic additions."""

Row = dict[str, Any]


def held(device: str, name: str) -> Iterator[Row]:
    """Yield what comes out of one program, a row for each engine and dtype."""
    program, point = PROGRAMS[name]
    began = monotonic()
    run = gradcheck.check(program, point, settings=Settings(dtypes=DTYPES, device=(device,), engines=ENGINES))
    seconds = round(monotonic() - began, 1)
    yield from ({"program": name, **row, "seconds": seconds} for row in rows(run))


def rows(run: Run) -> Iterator[Row]:
    """Yield a row for each outcome: the verdict, and the largest error in ULP."""
    for one in run:
        ulps = [gradient.worst_ulps for gradient in one.gradients if gradient.worst_ulps is not None]
        yield {
            "engine": "eager" if one.lane is None else one.lane.engine, "dtype": one.dtype,
            "verdict": one.verdict.value, "ulps": max(ulps, default=None), "error": one.error,
        }  # fmt: skip


# --- TF32 -----------------------------------------------------------------------------------------


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Let products of float32 matrices be of TF32 or not, as before afterwards."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = on
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def products(device: str) -> Iterator[Row]:
    """Yield what comes out of a product of matrices with TF32 off and on."""
    program, point = MATRICES
    for on in (False, True):
        with tf32(on):
            run = gradcheck.check(program, point, settings=Settings(device=(device,)))
        yield from ({"program": program, "TF32": "on" if on else "off", **row} for row in rows(run))


# --- atomic additions -----------------------------------------------------------------------------

Sum = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
PLACES = 8
SUMS: dict[str, Sum] = {
    "index_add": lambda x, at: x.new_zeros(PLACES).index_add(0, at, x),
    "scatter_add": lambda x, at: x.new_zeros(PLACES).scatter_add(0, at, x),
    "backward of index_select": lambda x, at: pulled(lambda few: few.index_select(0, at) * x, x),
    "backward of gather": lambda x, at: pulled(lambda few: few.gather(0, at) * x, x),
}
"""Sums into a few places: two as they are called, two as backward passes make them."""


def pulled(taken: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return the gradient by a few elements that are taken again and again."""
    few = x.new_ones(PLACES).requires_grad_()
    torch.autograd.backward(taken(few).sum())
    assert few.grad is not None
    return few.grad


def atomics(device: str) -> Iterator[Row]:
    """Yield how sums differ from run to run, and how far they are from the exact ones, in each dtype."""
    random = torch.Generator().manual_seed(0)
    numbers = torch.randn(MANY, generator=random, dtype=torch.float64)
    at = torch.randint(PLACES, (MANY,), generator=random)
    for name, add in SUMS.items():
        for dtype in DTYPES:
            x = numbers.to(getattr(torch, dtype))
            runs = [add(x.to(device), at.to(device)).double().cpu() for _ in range(RUNS)]
            yield {"sum": name, "dtype": dtype, **spread(runs, x.double(), at, dtype)}


def spread(runs: Sequence[torch.Tensor], x: torch.Tensor, at: torch.Tensor, dtype: str) -> Row:
    """Return how many results there were, how far apart, and whether any is beyond what roundings may do.

    The sum of n numbers in any order is off by at most n u times the sum of their absolute values.
    """
    exact = [math.fsum(x[at == k].tolist()) for k in range(PLACES)]
    sizes = [math.fsum(x[at == k].abs().tolist()) * int((at == k).sum()) for k in range(PLACES)]
    fmt = FORMATS[dtype]
    far = [[abs(float(run[k]) - exact[k]) for k in range(PLACES)] for run in runs]
    bound = [size * 2.0**-fmt.precision for size in sizes]
    apart = max(float(max(run[k] for run in runs) - min(run[k] for run in runs)) for k in range(PLACES))
    return {
        "runs": len(runs), "results": len({tuple(run.tolist()) for run in runs}), "apart": apart,
        "error": max(map(max, far)),
        "explained": all(off <= most for each in far for off, most in zip(each, bound, strict=True)),
    }  # fmt: skip


# --- the report -----------------------------------------------------------------------------------


def table(found: Sequence[Row]) -> str:
    """Return rows as a table of text."""
    names = list(dict.fromkeys(name for row in found for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in found)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [[text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in cells]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def measured(device: str, names: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Return all that comes out on a device."""
    made: dict[str, Any] = {"device": told(device), "torch": torch.__version__}
    made["programs"] = []
    for name in names:
        made["programs"] += held(device, name)
        say(table(made["programs"][-len(ENGINES) * len(DTYPES) :]) + "\n")
    made["products"] = list(products(device))
    made["atomics"] = list(atomics(device))
    return made


def told(device: str) -> str:
    """Return a device's own name."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def summary(made: dict[str, Any]) -> str:
    """Return the tables of what was measured, and the verdicts counted by engine and dtype."""
    counts = Counter((row["engine"], row["dtype"], row["verdict"]) for row in made["programs"])
    counted = [{"engine": e, "dtype": d, "verdict": v, "programs": n} for (e, d, v), n in sorted(counts.items())]
    parts = {"verdicts": counted, "TF32": made["products"], "atomic additions": made["atomics"]}
    head = f"{made['device']}, torch {made['torch']}"
    return "\n\n".join([head, *(f"{title}\n{table(found)}" for title, found in parts.items())])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=PROGRAMS, action="append", help="these programs alone")
    parser.add_argument("--output", type=Path, help="write all that was measured there, as JSON")
    given = parser.parse_args(argv)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU")
        return 0
    made = measured(given.device, given.only or list(PROGRAMS), lambda text: print(text, file=sys.stderr, flush=True))
    print(summary(made))
    if given.output is not None:
        given.output.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
