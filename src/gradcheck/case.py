"""One program at its points through both lanes: the check itself."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import autograd, exact, kernels
from gradcheck.autograd import Backward, TorchValue
from gradcheck.compare import SLACK, Judgement, Verdict, between, explain, failing, judge
from gradcheck.diagnose import Graph, diagnose, graph
from gradcheck.errors import LaneProblem, PointProblem, UsageProblem
from gradcheck.exact import MAX_BITS, START_BITS
from gradcheck.formats import FORMATS, Ball, Format
from gradcheck.lower import lower
from gradcheck.outcome import GradientOutcome, LayerOutcome, Outcome, Run
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import Point, assigned_constants, parse_points, to_value
from gradcheck.program import Layer, Program, Shape
from gradcheck.settings import Settings
from gradcheck.symbolic import Pullback

CROSS_CHECK_ELEMENTS = 4_096
"""Elements up to which the fused closed forms are evaluated too, as a cross-check of the node-level program."""
MAX_KINKS = 64
"""Elements of a gradient whose one-sided derivatives are worked out; each takes four evaluations of both forms."""
MAX_DIAGNOSED = 16
"""Outcomes of a run, the worst, for which the operation at fault is looked for."""
MAX_BLAMES = 4
"""Kinds of bad elements of one gradient that are looked into."""
MAX_DIAGNOSED_NUMBERS = 100_000
"""Numbers on the way of a program up to which the operation at fault is looked for."""
SHOWN_ELEMENTS = 64
"""Elements of a layer up to which its enclosure is kept for the report."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Element = Ball | str | None
"""An enclosure; the reason why there is none; or None where this precision, or this form, gives no number."""


def check(
    program: str,
    at: str | Sequence[str] | Mapping[str, object] | None = None,
    *,
    settings: Settings | None = None,
    **points: object,
) -> Run:
    """Return the outcomes of one program; see ``gradcheck.check``."""
    settings = settings or Settings()
    texts = [at] if isinstance(at, str) else list(at) if at is not None and not isinstance(at, Mapping) else []
    given = {**(at if isinstance(at, Mapping) else {}), **points}
    parsed = parse(program, assigned_constants([*texts, *(f"{name}=" for name in given)]))
    return check_program(parsed, _points(parsed, texts, given, settings), settings)


def _points(program: Program, texts: list[str], given: Mapping[str, object], settings: Settings) -> list[Point]:
    if not given:
        return parse_points(texts, program.inputs, seed=settings.seed, directory=settings.directory)
    if texts:
        raise UsageProblem("give the points either as texts or by name, not both")
    unknown = [name for name in given if name not in program.inputs]
    if unknown:
        raise PointProblem(
            f"the program has no input {unknown[0]}", hint=f"it needs {', '.join(program.inputs) or 'none'}"
        )
    missing = [name for name in program.inputs if name not in given]
    if missing:
        raise PointProblem(
            f"the program needs a point for {' and '.join(program.inputs)}; missing: {', '.join(missing)}"
        )
    texts = [f"{name}={value}" for name, value in given.items() if isinstance(value, str)]
    values = {name: to_value(value, name) for name, value in given.items() if not isinstance(value, str)}
    if not texts:
        return [{name: values[name] for name in program.inputs}]
    written = tuple(name for name in program.inputs if name not in values)
    return [
        {name: point.get(name) or values[name] for name in program.inputs}
        for point in parse_points(texts, written, seed=settings.seed, directory=settings.directory)
    ]


def check_program(program: Program, points: Sequence[Point], settings: Settings) -> Run:
    """Return the outcomes of a parsed program at its points, each in every dtype."""
    settings.validate(program.inputs)
    fails = failing(settings.assertion, settings.allow)
    if settings.device != "cpu":
        autograd.check_device(settings.device)
    plans: dict[tuple[tuple[str, Shape], ...], Plan] = {}
    cases = []
    for point in points if program.inputs else ():
        shapes = {name: value.shape for name, value in point.items()}
        key = tuple(shapes.items())
        if key not in plans:
            wrt = program.inputs if settings.wrt is None else settings.wrt
            plans[key] = Plan.make(program, shapes, wrt, settings.expect)
        cases += [_Case(plans[key], point, dtype, settings) for dtype in settings.dtypes]
    outcomes = [case.run() for case in cases]
    worst = sorted(range(len(cases)), key=lambda k: -outcomes[k].verdict.severity)
    for k in worst[:MAX_DIAGNOSED]:
        outcomes[k] = cases[k].diagnosed(outcomes[k])
    return Run(tuple(outcomes), settings.ulps, settings.seed, environment(settings.device), fails)


def environment(device: str) -> dict[str, str]:
    """Return the versions that an outcome depends on."""
    from gradcheck import __version__

    return {
        "gradcheck": __version__, "torch": autograd.VERSION, "sympy": kernels.VERSION, "python-flint": exact.VERSION,
        "python": platform.python_version(), "platform": platform.platform(terse=True), "device": device,
    }  # fmt: skip


# --- one point, one dtype -------------------------------------------------------------------------


class _Case:
    """One point in one dtype on its way through both lanes; the state is the working precision and what is decided."""

    def __init__(self, plan: Plan, point: Point, dtype: str, settings: Settings) -> None:
        self.plan = plan
        self.point = point
        self.dtype = dtype
        self.settings = settings
        self.format = FORMATS[dtype]
        self.arrays = {name: value.array(self.format.round, _rounding(dtype)) for name, value in point.items()}
        self.bits = START_BITS

    def run(self) -> Outcome:
        try:
            torch = self.backward()
        except LaneProblem as problem:
            return self.outcome([], [], str(problem))
        gradients = [_Elements(name, self.plan.shapes[name], torch.gradients[name]) for name in self.plan.wrt]
        values = self.decide(gradients)
        if (nothing := self.no_value(values)) is not None:
            for one in gradients:
                one.void(nothing)
        self.look_aside(gradients)
        self.explain(gradients)
        layers = [self.layer(layer, torch.layers[layer.name], values) for layer in self.plan.program.layers]
        return self.outcome(layers, [self.gradient(one) for one in gradients], None)

    def backward(self, *, traced: bool = False) -> Backward:
        return autograd.backward(
            self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype, device=self.settings.device,
            under_test=self.settings.under_test, traced=traced,
        )  # fmt: skip

    def outcome(self, layers: list[LayerOutcome], gradients: list[GradientOutcome], error: str | None) -> Outcome:
        rounded = {name: array.ravel().tolist() for name, array in self.arrays.items()}
        notes = []
        if layers and len(layers[-1].values) > 1:
            notes.append(
                f"the output has {len(layers[-1].values):,} elements; "
                "the gradient is that of their sum, as out.sum().backward() has it"
            )
        return Outcome(
            self.plan.program, self.point, rounded, self.dtype, self.settings.device, layers, gradients,
            self.plan.lines, self.bits, notes, error,
        )  # fmt: skip

    def layer(self, layer: Layer, torch: TorchValue, values: exact.Values) -> LayerOutcome:
        source = self.plan.program.source[layer.span.start : layer.span.end]
        text = re.sub(rf"^{re.escape(layer.name)}\s*=\s*", "", source)
        balls = None
        if len(torch.elements) <= SHOWN_ELEMENTS:
            balls = [one if isinstance(one, Ball) else None for one in exact.balls(values[layer.name], self.bits)]
        derivatives = self.plan.locals.get(layer.name, {})
        return LayerOutcome(layer.name, text, torch.shape, torch.elements, balls, torch.grad_fn, derivatives)

    def no_value(self, values: exact.Values) -> str | None:
        """Return why there is nothing to differentiate: the point is infinite, or a single output has no value."""
        if any(not np.isfinite(array).all() for array in self.arrays.values()):
            return "infinite"
        output = values[self.plan.program.output]
        if output.size > 1 or isinstance(exact.balls(output, self.bits)[0], Ball):
            return None
        return exact.outside(self.plan.domains, values, self.bits)

    # --- what is at fault ---

    def diagnosed(self, outcome: Outcome) -> Outcome:
        """Return the outcome with what is at fault for its bad elements."""
        if outcome.error is not None or not any(map(_kinds, outcome.gradients)):
            return outcome
        if sum(len(layer.values) for layer in outcome.layers) > MAX_DIAGNOSED_NUMBERS:
            return outcome
        values = exact.enclose(self.plan.node.core, self.arrays, outcome.bits)
        traced = graph(
            self.plan.program, self.plan.node, values, self.arrays, self.backward(traced=True).operations, self.format,
            outcome.bits,
        )  # fmt: skip
        return replace(outcome, gradients=[self.blamed(one, traced) for one in outcome.gradients])

    def blamed(self, gradient: GradientOutcome, traced: Graph) -> GradientOutcome:
        found = [
            diagnose(
                traced, self.plan.node, gradient.input, k, gradient.judgements[k], gradient.exact[k],
                None if gradient.torch is None else gradient.torch[k],
            )
            for k in _kinds(gradient)
        ]  # fmt: skip
        return replace(gradient, blames=[one for one in found if one is not None])

    # --- gradients ---

    def decide(self, gradients: list[_Elements]) -> exact.Values:
        """Judge every element, raising the precision while one is open; return the values of the last evaluation."""
        pole = None
        while True:
            values = exact.enclose(self.plan.node.core, self.arrays, self.bits)
            found = [self.elements(self.plan.node, k, values, one.open) for k, one in enumerate(gradients)]
            closed = self.closed(gradients, found)
            all_numbers = all(isinstance(element, Ball) for elements in found for element in elements)
            outside = None if all_numbers else exact.outside(self.plan.domains, values, self.bits)
            for one, nodes, forms in zip(gradients, found, closed, strict=True):
                one.settle(nodes, forms, outside, self.format, self.settings.ulps)
            if all(not one.open for one in gradients):
                return values
            if all(one.lacks_numbers for one in gradients) and self.bits > START_BITS:
                pole = self.pole()
            if pole is not None or self.bits >= MAX_BITS:
                break
            self.bits *= 2
        for one in gradients:
            one.give_up(pole, self.bits, self.format, self.settings.ulps)
        return values

    def look_aside(self, gradients: list[_Elements]) -> None:
        """Take the one-sided derivatives at kinks: equal ones mean that the function is smooth in spite of them."""
        for position, one in enumerate(gradients):
            forms = [(self.plan.node.core, self.plan.node.program.outputs[position]), self.plan.closed[one.name]]
            for k in one.kinks[:MAX_KINKS]:
                sides = exact.sides(forms, self.plan.program.output, self.arrays, one.name, k)
                if sides is not None:
                    one.aside(k, sides, self.format, self.settings.ulps)

    def explain(self, gradients: list[_Elements]) -> None:
        """Ask of every disagreement whether rounding explains it; the ordinary check never comes here."""
        if not any(one.disagreements() for one in gradients):
            return
        pullback = self.plan.rounding()
        values, overflow = exact.enclose_rounded(pullback.core, self.arrays, self.format, self.bits)
        for k, one in enumerate(gradients):
            at = one.disagreements()
            for index, element in zip(at, self.elements(pullback, k, values, at), strict=True):
                one.explain(index, element if isinstance(element, Ball) else None, self.format, overflow)

    def elements(self, pullback: Pullback, k: int, values: exact.Values, at: Sequence[int]) -> list[Element]:
        return exact.balls(values[pullback.program.outputs[k]], self.bits, at)

    def closed(self, gradients: list[_Elements], found: list[list[Element]]) -> list[list[Element]]:
        """Return the same elements from the fused closed forms, the cross-check of small tensors."""
        if sum(map(len, found)) > CROSS_CHECK_ELEMENTS:
            return [[None] * len(one) for one in found]
        values: dict[int, exact.Values] = {}
        closed = []
        for one in gradients:
            core, output = self.plan.closed[one.name]
            if id(core) not in values:
                values[id(core)] = exact.enclose(core, self.arrays, self.bits)
            closed.append(exact.balls(values[id(core)][output], self.bits, one.open))
        return closed

    def pole(self) -> str | None:
        """Return the pole that the point lies on exactly, where it does: no precision finds a number there."""
        shapes = {name: array.shape for name, array in self.arrays.items()}
        split = lower(self.plan.node.program, shapes, nodes=True)
        operation = exact.pole(split, exact.enclose(split, self.arrays, self.bits))
        return None if operation is None else f"pole {operation}"

    def gradient(self, one: _Elements) -> GradientOutcome:
        expected, expectations = self.expectation(one)
        return GradientOutcome(
            one.name, one.shape, self.plan.formulas[one.name], one.balls, one.torch,
            [judgement or Judgement(Verdict.UNDECIDED) for judgement in one.judgements], expected, expectations,
        )  # fmt: skip

    def expectation(self, one: _Elements) -> tuple[list[float | None] | None, list[Judgement] | None]:
        """Return what the user expects, rounded to the dtype, and the verdicts on it."""
        core = self.plan.expect.get(one.name)
        if core is None:
            return None, None
        values = exact.enclose(core, self.arrays, self.bits)[core.program.output]
        balls = exact.balls(np.broadcast_to(values, one.shape), self.bits)
        numbers = [self.format.round_dyadic(ball.midpoint) if isinstance(ball, Ball) else None for ball in balls]
        return numbers, [self.expected(*pair) for pair in zip(numbers, one.balls, one.settled(), strict=True)]

    def expected(self, number: float | None, truth: Ball | None, found: Judgement) -> Judgement:
        """Return the judgement on an expected number; where there is no derivative, none can be right or wrong."""
        if truth is None:
            return Judgement(found.verdict, note=found.note)
        if number is None:
            return Judgement(Verdict.DISAGREE, note="the expected derivative has no value here")
        return judge(truth, number, self.format, self.settings.ulps) or Judgement(Verdict.UNDECIDED)


class _Elements:
    """The elements of the gradient by one input; the state is what is decided, and which elements are still open."""

    def __init__(self, name: str, shape: Shape, torch: TorchValue | None) -> None:
        self.name = name
        self.shape = shape
        self.torch = torch.elements if torch is not None else None
        count = int(np.prod(shape, dtype=np.int64))
        self.balls: list[Ball | None] = [None] * count
        self.judgements: list[Judgement | None] = [None] * count
        self.open = list(range(count))
        self.kinks: list[int] = []

    @property
    def lacks_numbers(self) -> bool:
        """Whether every open element has no enclosure at all, as at a pole."""
        return all(self.balls[k] is None for k in self.open)

    def settle(self, nodes: list[Element], forms: list[Element], outside: str | None, fmt: Format, ulps: float) -> None:
        """Judge the open elements by what the node-level program and the closed forms enclose.

        ``outside`` tells where the point leaves a domain; then a closed form without a trace of that proves nothing.
        """
        still = []
        for k, node, form in zip(self.open, nodes, forms, strict=True):
            self.balls[k], self.judgements[k] = self.judged(k, node, form, outside, fmt, ulps)
            if self.judgements[k] is None:
                still.append(k)
        self.open = still

    def judged(
        self, k: int, node: Element, form: Element, outside: str | None, fmt: Format, ulps: float
    ) -> tuple[Ball | None, Judgement | None]:
        if isinstance(node, Ball) and isinstance(form, Ball) and not node.overlaps(form):
            return node, Judgement(
                Verdict.ERROR,
                note="oracle conflict: the closed form and the node-level program enclose different numbers",
            )
        if isinstance(node, str) and node.startswith("domain"):
            return None, Judgement(Verdict.UNDEFINED, note=_reason(node))
        if isinstance(node, str) and node != "undecided":
            self.kinks.append(k)
            return None, Judgement(Verdict.UNDEFINED, note=_reason(node))
        if isinstance(node, str) or (node is None and outside is not None):
            # Whether the point is inside the domain is for a higher precision to say, or said already.
            return None, None if outside is None else Judgement(Verdict.UNDEFINED, note=_reason(outside))
        if node is None:
            return None, None
        ball = form if isinstance(form, Ball) and form.exact else node  # an exact form is sharpest
        return ball, self.compared(k, ball, fmt, ulps)

    def compared(self, k: int, ball: Ball, fmt: Format, ulps: float) -> Judgement | None:
        if self.torch is not None:
            return judge(ball, self.torch[k], fmt, ulps)
        found = judge(ball, 0.0, fmt, ulps)
        if found is None:
            return None
        if found.verdict is Verdict.AGREE:
            return Judgement(Verdict.UNTRACKED, note="torch tracks no gradient here, and the derivative is 0")
        return Judgement(Verdict.DISAGREE, note="torch tracks no gradient here, and the derivative is not 0")

    def void(self, reason: str) -> None:
        """Judge every element by the one reason why there is no derivative, unless it has one of its own."""
        self.kinks = []
        for k, found in enumerate(self.judgements):
            if reason == "infinite" or found is None or found.verdict is not Verdict.UNDEFINED:
                self.balls[k], self.judgements[k] = None, Judgement(Verdict.UNDEFINED, note=_reason(reason))

    def aside(self, k: int, sides: exact.Sides, fmt: Format, ulps: float) -> None:
        """Judge an element at a kink by its one-sided derivatives."""
        if sides.jump:
            self.judgements[k] = Judgement(Verdict.UNDEFINED, note="the function jumps at this point")
        elif sides.smooth:
            self.balls[k] = sides.common
            self.judgements[k] = self.compared(k, sides.common, fmt, ulps)
        else:
            self.judgements[k] = between(sides.left, sides.right, self.torch[k] if self.torch else 0.0, fmt, ulps)

    def disagreements(self) -> list[int]:
        """Return the elements where torch's gradient is beyond the tolerance and rounding may be the reason."""
        if self.torch is None:
            return []
        return [k for k, one in enumerate(self.judgements) if one is not None and one.verdict is Verdict.DISAGREE]

    def explain(self, k: int, rounding: Ball | None, fmt: Format, overflow: str | None) -> None:
        """Replace a judgement by what the rounding enclosure makes of it."""
        found, truth = self.judgements[k], self.balls[k]
        if rounding is not None and truth is not None and not rounding.overlaps(truth):
            return  # at a kink the branch that torch takes may lead away from the derivative, whatever the rounding
        if found is not None and self.torch is not None:
            self.judgements[k] = explain(found, rounding, self.torch[k], fmt, overflow)

    def give_up(self, pole: str | None, bits: int, fmt: Format, ulps: float) -> None:
        """Judge what no precision decided."""
        for k in self.open:
            ball = self.balls[k]
            if ball is not None and (found := self.compared(k, ball, fmt, ulps + SLACK)) is not None:
                self.judgements[k] = found
                continue
            if ball is None:
                self.kinks.append(k)  # 0/0 on the way; the derivative may exist all the same
            if pole is not None and ball is None:
                self.judgements[k] = Judgement(Verdict.UNDEFINED, note=_reason(pole))
            else:
                self.judgements[k] = Judgement(
                    Verdict.UNDECIDED, note=f"the enclosure is still too wide at {bits} bits"
                )
        self.open = []

    def settled(self) -> list[Judgement]:
        """Return the judgements, all made by now."""
        return [one for one in self.judgements if one is not None]


_LOOKED_INTO = frozenset({Verdict.KINK, Verdict.UNDEFINED, Verdict.UNSTABLE, Verdict.DISAGREE})


def _kinds(gradient: GradientOutcome) -> list[int]:
    """Return the worst element of each kind of bad ones, the worst first."""
    worst: dict[tuple[Verdict, str | None], int] = {}
    for k in sorted(range(len(gradient.judgements)), key=lambda k: _badness(gradient.judgements[k])):
        one = gradient.judgements[k]
        if one.verdict in _LOOKED_INTO:
            worst.setdefault((one.verdict, one.note), k)
    return list(worst.values())[:MAX_BLAMES]


def _badness(one: Judgement) -> tuple[int, float]:
    return -one.verdict.severity, -(np.inf if one.ulps is None else one.ulps)


def _reason(reason: str) -> str:
    """Return in words why there is no derivative."""
    kind, _, operation = reason.partition(" ")
    return {
        "infinite": "the point is infinite in this dtype, and the derivative has no value there",
        "domain": f"the point is outside the domain of {operation}",
        "kink": f"{operation} is not differentiable at this point",
        "jump": f"{operation} is not differentiable at this point",
        "pole": f"the derivative is infinite or 0/0 here: {operation} meets a pole",
    }[kind]


def _rounding(dtype: str) -> Any:
    """Return how NumPy rounds whole float64 arrays to the dtype, where it can."""
    if dtype == "float64":
        return lambda array: array
    if dtype == "bfloat16":
        return None
    with_errors = {"over": "ignore", "under": "ignore"}

    def rounded(array: Floats) -> Floats:
        with np.errstate(**with_errors):  # type: ignore[arg-type]
            return array.astype(dtype).astype(np.float64)

    return rounded
