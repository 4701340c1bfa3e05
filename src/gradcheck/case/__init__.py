"""One program at its points through both lanes: the check itself."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

import numpy as np

from gradcheck import autograd, exact, kernels
from gradcheck.case.inquiry import Inquiry
from gradcheck.case.many import Group, Many
from gradcheck.case.search import Search
from gradcheck.errors import PointProblem, UsageProblem
from gradcheck.outcome import LEADING, Run
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import Point, assigned_constants, parse_points, to_value
from gradcheck.program import Program, Shape
from gradcheck.settings import Settings
from gradcheck.verdict import failing

MAX_DIAGNOSED = LEADING
"""Outcomes of a run, the worst and one of each verdict, for which the operation at fault is looked for."""
MAX_MADE = 1_000
"""Outcomes of a run up to which all are made at once; more are made when somebody looks at them."""


def check(
    program: str,
    at: str | Sequence[str] | Mapping[str, object] | None = None,
    *,
    settings: Settings | None = None,
    **points: object,
) -> Run:
    """Return the outcomes of one program; see ``gradcheck.check``."""
    settings = settings or Settings()
    return check_program(*read(program, at, points, settings), settings)


def read(
    program: str,
    at: str | Sequence[str] | Mapping[str, object] | None,
    points: Mapping[str, object],
    settings: Settings,
) -> tuple[Program, list[Point]]:
    """Return a program and its points, which are given as texts or by name."""
    texts = [at] if isinstance(at, str) else list(at) if at is not None and not isinstance(at, Mapping) else []
    given = {**(at if isinstance(at, Mapping) else {}), **points}
    parsed = parse(program, assigned_constants([*texts, *(f"{name}=" for name in given)]))
    return parsed, _points(parsed, texts, given, settings)


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
    settings = settings.resolved(program)
    fails = failing(settings.assertion, settings.allow)
    if settings.device != "cpu":
        autograd.check_device(settings.device)
    outcomes = examined(program, points, settings)
    search = Search()
    for k in outcomes.worst_places(MAX_DIAGNOSED, fails):
        if outcomes.ranks.severity[k]:
            outcomes.change(k, Inquiry(*outcomes.opened(k), search).run())
    seen = outcomes if len(outcomes) > MAX_MADE else tuple(outcomes)
    return Run(seen, settings.ulps, settings.seed, environment(settings.device), fails)


def examined(program: Program, points: Sequence[Point], settings: Settings) -> Many:
    """Return the outcomes of a program at its points, all points of the same shapes at once."""
    wrt = program.inputs if settings.wrt is None else settings.wrt
    by_shapes: dict[tuple[tuple[str, Shape], ...], list[int]] = {}
    for i, point in enumerate(points if program.inputs else ()):
        by_shapes.setdefault(tuple((name, value.shape) for name, value in point.items()), []).append(i)
    parts: list[Group] = []
    count = len(settings.dtypes)
    groups, places = (np.zeros((len(points) if program.inputs else 0, count), dtype=np.intp) for _ in range(2))
    for shapes, at in by_shapes.items():
        plan = Plan.make(program, dict(shapes), wrt, settings.expect)
        groups[at] = np.arange(len(parts), len(parts) + count)
        places[at] = np.arange(len(at))[:, None]
        some = points if len(at) == len(points) else [points[i] for i in at]
        truths = exact.Truths()
        parts += [Group(plan, some, dtype, settings, truths) for dtype in settings.dtypes]
    return Many(parts, groups.ravel(), places.ravel())


def environment(device: str) -> dict[str, str]:
    """Return the versions that an outcome depends on."""
    from gradcheck import __version__

    return {
        "gradcheck": __version__, "torch": autograd.VERSION, "sympy": kernels.VERSION, "python-flint": exact.VERSION,
        "python": platform.python_version(), "platform": platform.platform(terse=True), "device": device,
    }  # fmt: skip
