"""Explanations: where a gradient comes from, told from the very objects that the check uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from gradcheck.arguments import read
from gradcheck.autograd import check_device
from gradcheck.case import environment
from gradcheck.case.cotangents import beside_ones
from gradcheck.case.inquiry import Inquiry
from gradcheck.case.one import Case
from gradcheck.case.search import Search
from gradcheck.errors import LaneProblem, LimitProblem, Option, UsageProblem
from gradcheck.explanation.accumulation import accumulation
from gradcheck.explanation.chain import chains
from gradcheck.explanation.derivation import NoDerivation, derive
from gradcheck.explanation.forward import evaluate, forward
from gradcheck.explanation.further import further
from gradcheck.explanation.lanes import Lanes
from gradcheck.explanation.meaning import derivation_title, meaning
from gradcheck.explanation.model import Derivation, Explanation
from gradcheck.explanation.told import tell
from gradcheck.explanation.tracking import tracking
from gradcheck.lane import EAGER
from gradcheck.outcome import Outcome, Run
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.points.held import grouped
from gradcheck.program import Call, Program, names
from gradcheck.settings import Settings, names_of
from gradcheck.settings.readers import ONES
from gradcheck.verdict import failing

MAX_NUMBERS = 20_000
"""Numbers on the way of a program up to which it is explained."""
MAX_LAYERS = 60
"""Layers of a program that is explained."""

__all__ = ["Explanation", "explain", "explain_program"]


def explain(
    program: str,
    /,
    *at: object,
    settings: Settings | None = None,
    accumulate: bool = False,
    freeze: str | Sequence[str] = (),
    **given: object,
) -> Explanation:
    """Return the explanation of one program; see ``gradcheck.explain``."""
    parsed, points, asked = read(program, at, settings, given)
    return explain_program(parsed, points, asked, accumulate=accumulate, freeze=names_of(freeze))


def explain_program(
    program: Program,
    points: Sequence[Point],
    settings: Settings,
    *,
    accumulate: bool = False,
    freeze: Sequence[str] = (),
) -> Explanation:
    """Return the explanation of a parsed program at the first of its points; further ones are for ``accumulate``."""
    settings = settings.resolved(program)
    _refuse(settings)
    if settings.on_device != "cpu":
        check_device(settings.on_device)
    if not points or not program.inputs:
        raise UsageProblem("there is no input to differentiate by: a constant has nothing to explain")
    parts = list(grouped(program, points))
    if len(parts) > 1 and program.indices:
        raise UsageProblem("points with other indices are other programs, and are not added up")
    program = parts[0][0]
    wrt = _tracked(program, settings, freeze)
    if len(points) > 1 and not accumulate:
        raise UsageProblem(
            f"{len(points)} points are given, and one is explained at a time",
            hint=("give one point, or ", Option("accumulate"), " to let the gradients of all of them add up"),
        )
    cases = _cases(program, points, wrt, settings)
    run = _checked(cases, replace(settings, wrt=wrt) if freeze else settings)
    lanes = _lanes(program, cases[0], run[0])
    made = _explanation(lanes, run, freeze, settings)
    if settings.ways or settings.order is not None:
        more = further(cases[0].plan, points[0], settings, explain_program, made)
        made = replace(made, further=tuple(more))
    return replace(made, accumulations=accumulation(cases, run.outcomes)) if accumulate else made


def _checked(cases: Sequence[Case], settings: Settings) -> Run:
    """Return the check of the cases, with what is at fault."""
    search = Search()
    outcomes = tuple(Inquiry(case, beside_ones(case, case.run()), search).run() for case in cases)
    fails, asked = failing(settings.assertion, settings.allow), None if settings.under_test else settings
    return Run(outcomes, settings.ulps, settings.seed, environment([settings.on_device]), fails, asked=asked)


def _refuse(settings: Settings) -> None:
    """Raise UsageProblem for what is asked and is not explained: it would be passed over in silence."""
    for what, some in (("dtype", settings.in_dtypes), ("device", settings.on_devices)):
        if len(some) > 1:
            raise UsageProblem(f"one {what} is explained at a time")
    asked = [
        (settings.jacobian, Option("jacobian")),
        (settings.cotangent not in (None, ONES), Option("cotangent", str(settings.cotangent))),
        (settings.engines != (EAGER,), Option("engine", ",".join(settings.engines))),
        (settings.boundaries, Option("boundaries")),
    ]
    for is_asked, option in asked:
        if is_asked:
            raise UsageProblem(
                ("the gradient of the output's sum is explained at one point, as torch computes it, without ", option),
                hint="gradcheck without explain checks it",
            )


def _tracked(program: Program, settings: Settings, freeze: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs to differentiate by, without those that are frozen."""
    replace(settings, wrt=tuple(freeze)).validate(program.inputs)
    wrt = program.tracked if settings.wrt is None else settings.wrt
    return tuple(name for name in wrt if name not in freeze)


def _cases(program: Program, points: Sequence[Point], wrt: tuple[str, ...], settings: Settings) -> list[Case]:
    plans: dict[object, Plan] = {}
    cases = []
    for point in points:
        shapes = {name: value.shape for name, value in point.items()}
        key = tuple(shapes.items())
        if key not in plans:
            plans[key] = Plan.make(program, shapes, wrt, settings.expect)
        cases.append(Case(plans[key], point, settings.in_dtypes[0], settings))
    return cases


def _lanes(program: Program, case: Case, outcome: Outcome) -> Lanes:
    told = tell(program, {name: array.shape for name, array in case.arrays.items()})
    count = sum(prod(shape) for shape in told.shapes.values())
    if count > MAX_NUMBERS or len(told.program.layers) > MAX_LAYERS:
        raise LimitProblem(
            f"a program of {len(told.program.layers)} layers with {count:,} numbers is too large to be explained; "
            f"the limits are {MAX_LAYERS} (MAX_LAYERS) and {MAX_NUMBERS:,} (MAX_NUMBERS)",
            hint="gradcheck without explain checks it",
        )
    return Lanes(case, outcome, told)


def _explanation(lanes: Lanes, run: Run, freeze: Sequence[str], settings: Settings) -> Explanation:
    from gradcheck.explanation.graphs.build import dynamic_graph

    notes: list[str] = []
    derivations = tuple(_derivations(lanes, notes))
    try:
        graph = dynamic_graph(lanes.case, lanes.outcome)
    except (LimitProblem, LaneProblem) as problem:
        graph = None
        notes.append(problem.message)
    back, cuts = chains(lanes), tracking(lanes, freeze)
    said = meaning(lanes, back) if all(one.kind == "freeze" for one in cuts) else None
    return Explanation(
        lanes.case.plan.program, lanes.case.dtype, settings.on_device, forward(lanes), derivations, back, graph,
        said, run, trackings=cuts, notes=tuple(notes), environment=run.environment,
    )  # fmt: skip


def _derivations(lanes: Lanes, notes: list[str]) -> list[Derivation]:
    """Return the derivation of every elementwise layer by each name that it reads and that leads to an input."""
    leads = set(lanes.case.plan.wrt)
    found = []
    for layer in lanes.told.program.layers:
        reads = [one for one in names(layer.expression) if one in leads]
        site = lanes.site(layer.name)
        if reads and (site is None or site.torch.made_tracked):
            leads.add(layer.name)
        for by in reads if layer.name in lanes.told.elementwise else ():
            if lanes.root(layer.name) == layer.name:
                title = derivation_title(lanes, layer, by)
                try:
                    found.append(_worked_out(lanes, derive(lanes, layer, by, title)))
                except NoDerivation as why:
                    notes.append(f"{title}: the steps are not shown: {why}")
    return found


def _worked_out(lanes: Lanes, made: Derivation) -> Derivation:
    """Return a derivation with its result worked out at the point, where all is numbers."""
    reads = names(made.result.node)
    trivial = not isinstance(made.result.node, Call)
    if any(lanes.told.shapes[one] for one in (*reads, made.layer)) or not reads or trivial:
        return made
    return replace(made, evaluation=evaluate(lanes, made.title, made.result.node))
