"""How to see a failure again: the command with every bit of the point, and a script of torch alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice, permutations
from math import isfinite
from pathlib import Path

import numpy as np

from gradcheck.code import Writer, literal, safe, written
from gradcheck.compare import Rank
from gradcheck.errors import GradcheckError, printable, quoted
from gradcheck.formats import FORMATS, exact_text
from gradcheck.gradients import GradientOutcome
from gradcheck.lower import lower
from gradcheck.notation import element, steps
from gradcheck.outcome import Floats, Outcome, Run
from gradcheck.points import Value, parse_points
from gradcheck.program import Call, Name, Node, Program, Shape, unravel
from gradcheck.settings import Settings
from gradcheck.settings.kinds import Form
from gradcheck.settings.readers import ONES
from gradcheck.settings.table import Place, settings_of
from gradcheck.steps import Step
from gradcheck.steps import taken as derivative

MAX_WRITTEN = 64
"""Elements of a point that are written out; a larger one keeps the text that it came from."""
MOST_WRITTEN = 1_000
"""Elements of a point up to which it is written out where no text gives it."""
MOST_CHARACTERS, MOST_ORDERS = 20_000, 24
"""Characters of the numbers beside texts, and orders of these that are tried."""


def command(run: Run, outcome: Outcome) -> str | None:
    """Return the command line that checks one outcome again: hexadecimal floats lose nothing.

    None where no command line does: code of the user's own was under test, or the point is a large tensor of theirs.

    >>> from gradcheck import check
    >>> run = check("log(1+exp(x))", x=100)
    >>> command(run, run[0])
    "gradcheck 'log(1+exp(x))' --at x=0x1.9p+6 --dtype float32"
    >>> run = check("x**3", x=2, expect="3*x")
    >>> command(run, run[0])
    "gradcheck 'x**3' --at x=0x1p+1 --dtype float32 --expect '3*x'"
    """
    asked = run.asked
    if asked is None:
        return None
    drawn = _drawn(outcome, asked)
    points = _numbers(outcome) if drawn is None else drawn
    if points is None:
        return None
    lane = outcome.in_lane
    asked = replace(
        asked, device=(outcome.device,), seed=0 if drawn is None and asked.cotangent == ONES else asked.seed,
        ways=() if lane.way.is_plain else (lane.way,), engines=(lane.engine,),
    )  # fmt: skip
    words = ["gradcheck", outcome.program.source]
    for text in points:
        words += ["--at", text]
    words += ["--dtype", outcome.dtype]
    for row in settings_of(Place.CHECK):
        value = getattr(asked, row.field) if row.again and row.field is not None else None
        if row.kind.form is Form.FLAG:
            words += [row.option] * bool(value)
        elif value is not None and row.kind.words(value) not in ([row.default], [""]):
            words += [word for text in row.kind.words(value) for word in (row.option, text)]
    return " ".join(map(quoted, words))


def _numbers(outcome: Outcome) -> list[str] | None:
    """Return the point in numbers, as texts of ``--at``; None where these are too many."""
    if _size(outcome) > MOST_WRITTEN:
        return None
    written = [f"{name}={_nested(outcome.rounded[name])}" for name in outcome.point]
    return [",".join(written)] if not any(value.shape for value in outcome.point.values()) else written


def _size(outcome: Outcome) -> int:
    return sum(array.size for array in outcome.rounded.values())


def _drawn(outcome: Outcome, asked: Settings) -> list[str] | None:
    """Return a large point by the texts that it came from, None where these give another one by themselves.

    Random numbers depend on what was drawn before them: on the order of the texts, and on the points before this one.
    """
    if _size(outcome) <= MAX_WRITTEN:
        return None
    texts = {
        name: f"{name}={_nested(outcome.rounded[name]) if value.written is None else _placed(value, asked.directory)}"
        for name, value in outcome.point.items()
    }
    written = [name for name, value in outcome.point.items() if value.written is not None]
    rest = [texts[name] for name in outcome.point if name not in written]
    for some in islice(permutations(written), MOST_ORDERS) if written else ():
        found = [*(texts[name] for name in some), *rest]
        if sum(map(len, rest)) <= MOST_CHARACTERS and _gives(found, outcome, asked):
            return found
    return None


def _gives(texts: list[str], outcome: Outcome, asked: Settings) -> bool:
    """Tell whether texts alone are the point of an outcome."""
    try:
        [point] = parse_points(texts, outcome.program.inputs, seed=asked.seed)
    except (GradcheckError, ValueError):
        return False
    to = FORMATS[outcome.dtype].round
    return all(np.array_equal(point[name].array(to).ravel(), array.ravel()) for name, array in outcome.rounded.items())


def _placed(value: Value, directory: Path | None) -> str:
    """Return the text of a value, whose file is where the user's expression file has it."""
    text = value.text
    return text if directory is None or not text.startswith("@") else f"@{directory / text[1:]}"


def _nested(values: Floats, number: Callable[[float], str] | None = None) -> str:
    """Return an array as nested lists."""
    texts = [(number or hexadecimal)(value) for value in values.ravel().tolist()]
    for size in reversed(values.shape):
        texts = [f"[{','.join(texts[k : k + size])}]" for k in range(0, len(texts), size)]
    return texts[0]


def hexadecimal(value: float) -> str:
    """Return all bits of a float, without trailing zeros.

    >>> hexadecimal(100.0), hexadecimal(-0.1), hexadecimal(float("inf"))
    ('0x1.9p+6', '-0x1.999999999999ap-4', 'inf')
    """
    mantissa, p, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}{p}{exponent}" if isfinite(value) else repr(value)


def worst_script(run: Run) -> str | None:
    """Return the script of the worst element that fails, None where none does; a few directions have no script."""
    worst: tuple[Rank, Outcome, GradientOutcome, int] | None = None
    for outcome in run.leading():
        for gradient in (one for one in outcome.gradients if not one.is_sampled):
            for k in gradient.judgements.ranked(run.failing)[:1]:
                rank = gradient.judgements[k].rank()
                if worst is None or rank > worst[0]:
                    worst = rank, outcome, gradient, k
    return None if worst is None else script(*worst[1:])


# --- a script ---------------------------------------------------------------------------------------


def script(outcome: Outcome, gradient: GradientOutcome, k: int) -> str:
    """Return a program of torch alone that prints element ``k`` of a gradient, of any order, beside the exact one."""
    fmt, name, lane = FORMATS[outcome.dtype], element(gradient, k), outcome.in_lane
    exact, torch = exact_text(gradient.exact[k], fmt), gradient.number(k)
    got = "no gradient" if torch is None else fmt.text(torch)
    what = f"{'The gradient by ' if gradient.order == 1 else ''}{name} in {outcome.dtype}"
    wrt = {one.input for one in outcome.gradients} if lane.way.is_plain or lane.way.graph else set()
    taken = _plainly if lane.is_plain and not gradient.jacobian else _in_its_way
    lines = [
        *(f"# {printable(line)}" for line in outcome.program.source.strip().splitlines()),
        f"# {what}{lane.told}: torch returns {got}, the derivative is {exact}.",
        "import torch",
        "",
        *(
            _leaf(safe(one), _nested(outcome.rounded[one], literal), outcome, one in wrt)
            for one, value in outcome.point.items()
        ),
        *taken(outcome, gradient, k),
        f'print("exact   ", "{exact}")',
    ]
    return "\n".join(lines) + "\n"


def _plainly(outcome: Outcome, gradient: GradientOutcome, k: int) -> list[str]:
    """Return the plain backward pass."""
    held = f"{safe(gradient.input)}.grad"
    return [
        *_layers(outcome),
        f"{safe(outcome.program.output)}.sum().backward()",
        'print("torch   ", torch.__version__)',
        f'print("autograd", {held} if {held} is None else {held}{_index(gradient.shape, k)}.item())',
    ]


def _in_its_way(outcome: Outcome, gradient: GradientOutcome, k: int) -> list[str]:
    """Return what takes a derivative in any other way."""
    arguments = [safe(one) for one in dict.fromkeys(each.input for each in outcome.gradients)]
    taken = steps(gradient, k)
    output = safe(outcome.program.output)
    index = f"[{', '.join(map(str, taken[0][1]))}]" if gradient.jacobian else ".sum()"
    by = [
        Step(safe(name), f"[{', '.join(map(str, at))}]" if at else "", _unit(name, at, outcome))
        for name, at in (taken[1:] if gradient.jacobian else taken)
    ]
    return [
        "", "", *derivative(outcome.in_lane, arguments, by, _layers(outcome), f"{output}{index}"),
        'print("torch   ", torch.__version__)',
        'print("autograd", result.item())',
    ]  # fmt: skip


def _unit(name: str, at: tuple[int, ...], outcome: Outcome) -> str:
    unit = np.zeros(outcome.rounded[name].shape)
    unit[at] = 1.0
    device = f", device={outcome.device!r}" if outcome.device != "cpu" else ""
    return f"torch.tensor({_nested(unit, literal)}, dtype=torch.{outcome.dtype}{device})"


def _leaf(name: str, numbers: str, outcome: Outcome, tracked: bool) -> str:
    device = f", device={outcome.device!r}" if outcome.device != "cpu" else ""
    return f"{name} = torch.tensor({numbers}, dtype=torch.{outcome.dtype}{device}{', requires_grad=True' * tracked})"


def _index(shape: Shape, k: int) -> str:
    return f"[{', '.join(map(str, unravel(shape, k)))}]" if shape else ""


def _layers(outcome: Outcome) -> list[str]:
    shapes = {name: value.shape for name, value in outcome.point.items()}
    writer = Writer(_ranks(outcome.program, shapes), outcome.dtype, outcome.device)
    return [
        f"{safe(layer.name)} = {written(writer.tensor(writer.write(layer.expression)))}"
        for layer in outcome.program.layers
    ]


def expression(program: Program, shapes: Mapping[str, Shape], dtype: str) -> str:
    """Return the code of torch for a program of one layer.

    >>> from gradcheck.parse import parse
    >>> expression(parse("softplus(x)"), {"x": ()}, "float64")
    'torch.nn.functional.softplus(x, 1, 20)'
    """
    writer = Writer(_ranks(program, shapes), dtype)
    return written(writer.tensor(writer.write(program.layers[-1].expression)))


def _ranks(program: Program, shapes: Mapping[str, Shape]) -> Callable[[Node], int]:
    core = lower(program, shapes, nodes=True)

    def rank(node: Node) -> int:
        home = node if isinstance(node, Name) else core.homes.get(node) if isinstance(node, Call) else None
        return len(core.shapes[home.id]) if isinstance(home, Name) else 0

    return rank
