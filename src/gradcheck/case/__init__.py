"""One program at its points through both lanes: the check itself."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import numpy as np

from gradcheck import autograd, exact, kernels
from gradcheck.arguments import read
from gradcheck.boundaries import with_boundaries
from gradcheck.case.cotangents import Rows
from gradcheck.case.inquiry import Inquiry
from gradcheck.case.many import Group, Many
from gradcheck.case.one import Case
from gradcheck.case.search import Search
from gradcheck.case.single import at_fault
from gradcheck.case.ways import Ways
from gradcheck.errors import ShapeProblem
from gradcheck.functions.params import shape_text
from gradcheck.lane import EAGER
from gradcheck.nested import Nested
from gradcheck.outcome import LEADING, Outcome, Run
from gradcheck.plan import Plan
from gradcheck.points import Point, parse_points, to_value
from gradcheck.points.held import grouped
from gradcheck.program import Program
from gradcheck.settings import Settings
from gradcheck.settings.readers import ONES
from gradcheck.verdict import failing
from gradcheck.weighing import random_cotangent

MAX_DIAGNOSED = LEADING
"""Outcomes of a run, the worst and one of each verdict, for which the operation at fault is looked for."""
MAX_MADE = 1_000
"""Outcomes of a run up to which all are made at once; more are made when somebody looks at them."""


def check(program: str, /, *at: object, settings: Settings | None = None, **given: object) -> Run:
    """Return the outcomes of one program; see ``gradcheck.check``.

    >>> check("x**2", 2)
    <Run 'x**2' in float32: agree (1 agree)>
    """
    return check_program(*read(program, at, settings, given))


def check_program(program: Program, points: Sequence[Point], settings: Settings) -> Run:
    """Return the outcomes of a parsed program at its points, each in every dtype.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.points import to_value
    >>> check_program(parse("x**2"), [{"x": to_value(3, "x")}], Settings(dtypes="float64"))
    <Run 'x**2' in float64: agree (1 agree)>
    """
    settings = settings.resolved(program)
    if settings.boundaries:
        points = with_boundaries(program, points, settings.in_dtypes)
    fails = failing(settings.assertion, settings.allow)
    for device in settings.on_devices:
        if device != "cpu":
            autograd.check_device(device)
    outcomes = examined(program, points, settings)
    search = Search()
    for k in outcomes.worst_places(MAX_DIAGNOSED, fails):
        if outcomes.ranks.severity[k]:
            case, outcome = outcomes.opened(k)
            outcomes.change(k, inquired(case, outcome, search))
    seen = outcomes if len(outcomes) > MAX_MADE else tuple(outcomes)
    asked = None if settings.under_test else settings
    here = environment(settings.on_devices, settings.engines)
    return Run(seen, settings.ulps, settings.seed, here, fails, asked=asked, cotangent=settings.cotangent)


def inquired(case: Case | Ways | Rows, outcome: Outcome, search: Search) -> Outcome:
    """Return an outcome with what is at fault; a Jacobian has the faults of its rows already."""
    if isinstance(case, Case):
        return Inquiry(case, outcome, search).run()
    return at_fault(case, outcome) if isinstance(case, Ways) else outcome


def examined(program: Program, points: Sequence[Point], settings: Settings) -> Many:
    """Return the outcomes of a program at its points, all points of the same shapes at once."""
    parts: list[Group] = []
    lanes = settings.lanes
    count = len(lanes)
    groups, places = (np.zeros((len(points) if program.inputs else 0, count), dtype=np.intp) for _ in range(2))
    for held, shapes, at in grouped(program, points if program.inputs else ()):
        wrt = held.tracked if settings.wrt is None else settings.wrt
        plan = Plan.make(held, shapes, wrt, settings.expect)
        groups[at] = np.arange(len(parts), len(parts) + count)
        places[at] = np.arange(len(at))[:, None]
        some = points if len(at) == len(points) else [points[i] for i in at]
        truths = exact.Truths()
        if settings.cotangent not in (None, ONES):
            plan, some = under_cotangent(plan, some, settings)
        orders = {one.way.order: Nested(plan, one.way.order) for one in lanes}
        parts += [Group(orders[lane.way.order], some, lane, settings, truths) for lane in lanes]
    return Many(parts, groups.ravel(), places.ravel())


def under_cotangent(plan: Plan, points: Sequence[Point], settings: Settings) -> tuple[Plan, list[Point]]:
    """Return the plan and the points under the cotangent that the settings name."""
    made, name = plan.weighed
    shape = plan.shapes[plan.program.output]
    text = settings.cotangent or ONES
    if text.startswith("@"):
        [given] = parse_points([f"{name}={text}"], (name,))
        if given[name].shape != shape:
            found, wanted = map(shape_text, (given[name].shape, shape))
            raise ShapeProblem(f"the cotangent in {text[1:]} is {found}, and the output is {wanted}")
        value = given[name]
    else:
        value = to_value(random_cotangent(shape, settings.seed), name)
    return made, [{**point, name: value} for point in points]


def environment(devices: Sequence[str], engines: Sequence[str] = (EAGER,)) -> dict[str, str]:
    """Return what an outcome depends on: the versions, the devices, and the settings of torch that decide numbers.

    >>> sorted(environment(["cpu"]))[:5]
    ['deterministic algorithms', 'device', 'float32 matmul precision', 'gradcheck', 'platform']
    """
    from gradcheck import __version__

    return {
        "gradcheck": __version__, "torch": autograd.VERSION, "sympy": kernels.VERSION, "python-flint": exact.VERSION,
        "python": platform.python_version(), "platform": platform.platform(terse=True), "device": ", ".join(devices),
        **autograd.numerics(devices, engines),
    }  # fmt: skip
