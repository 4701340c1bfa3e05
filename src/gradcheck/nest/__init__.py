"""Every function of the table in every way of differentiating, at ordinary points and where rules go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from math import isfinite, prod
from multiprocessing import get_context
from time import perf_counter

from gradcheck.autograd import Derivative
from gradcheck.case import environment, examined
from gradcheck.case.elements import bits
from gradcheck.case.many import alone
from gradcheck.case.ways import MAX_ELEMENTS, unit
from gradcheck.errors import GradcheckError, LaneProblem, UsageProblem
from gradcheck.exact import Truth
from gradcheck.exits import Exit
from gradcheck.formats import FORMATS, Ball, exact_text
from gradcheck.functions import COMPOSITE, ELEMENTWISE, HIDDEN, TENSOR, families, nearest
from gradcheck.gradients import GradientOutcome
from gradcheck.nest.points import Subject, further, subjects
from gradcheck.nest.sieve import Sieve
from gradcheck.outcome import Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point, parse_points
from gradcheck.program import Program, Shape, unravel
from gradcheck.settings import Settings
from gradcheck.settings.readers import ONES
from gradcheck.verdict import Verdict
from gradcheck.ways import Way, nestings

WRONG = frozenset({Verdict.DISAGREE, Verdict.ERROR})
"""The verdicts that make the run fail: torch is wrong, or has no such derivative."""
TOLD = WRONG | {Verdict.LOSSY}
"""Those that are told one by one."""
NOT_RUN = "torch could not run"
"""What an outcome's error says where there is not even a value."""
LACKS = "implemented"
"""What torch says of a derivative that it has not, and does not say where it merely cannot work one out."""


@dataclass(frozen=True)
class Finding:
    """What came out in one way at one point, where it is worst; the texts are as the dtype writes numbers.

    ``by`` says what the derivative is by, the innermost first, ``refused`` what torch said where it has none.
    ``program`` is what was differentiated, where that is not the one of the row.
    """

    way: str
    point: str
    verdict: Verdict
    by: str = ""
    torch: str | None = None
    exact: str | None = None
    refused: str | None = None
    program: str = ""


@dataclass(frozen=True)
class Row:
    """One function: how many elements have each verdict, by way, and all that torch has wrong, lacks or loses.

    ``program`` is what was tried in all ways, one of ``programs`` so many.
    """

    function: str
    program: str
    counts: dict[str, Counter[Verdict]]
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    programs: int = 1

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """Return what torch has wrong."""
        return tuple(one for one in self.findings if one.verdict is Verdict.DISAGREE)

    @property
    def lossy(self) -> tuple[Finding, ...]:
        """Return where torch's own formula loses more than half of the digits, and all of them at worst."""
        return tuple(one for one in self.findings if one.verdict is Verdict.LOSSY)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Return what torch does not have, or what the two exact evaluations contradict each other about."""
        return tuple(one for one in self.findings if one.verdict is Verdict.ERROR)

    @property
    def worst(self) -> Finding | None:
        """Return the first finding: a wrong number, else what is refused, else what loses digits."""
        return next(iter((*self.wrong, *self.refused, *self.lossy)), None)


@dataclass(frozen=True)
class Nest:
    """All rows, the ways in order, and what they were made with; ``asked`` are the functions that were named."""

    rows: tuple[Row, ...]
    ways: tuple[str, ...]
    dtype: str
    environment: dict[str, str]
    seconds: float = 0.0
    asked: tuple[str, ...] = ()

    @property
    def orders(self) -> dict[int, list[str]]:
        """Return the ways by their order."""
        found: dict[int, list[str]] = {}
        for way in self.ways:
            found.setdefault(Way.parse(way).order, []).append(way)
        return found

    @property
    def exit(self) -> Exit:
        """Return the exit code: 1 where torch has something wrong, and nothing tried is never green."""
        if not self.rows:
            return Exit.NOTHING
        return Exit.FAIL if any(one.verdict in WRONG for row in self.rows for one in row.findings) else Exit.PASS


def nest(
    names: Sequence[str] = (),
    *,
    order: int = 2,
    dtype: str = "float64",
    workers: int = 1,
    done: Callable[[Row], object] = lambda row: row,
) -> Nest:
    """Return what all ways up to an order make of the functions of the table, or of those named, or of their families.

    Raises UsageProblem for a name that the table does not have. ``done`` gets each row when it is made.

    >>> [row.worst.point for row in nest(["sinc"], order=1).rows]
    ['x=1e-8']
    """
    asked = named(names)
    start = perf_counter()
    ways = tuple(one for k in range(1, order + 1) for one in nestings(k))
    found = []
    for row in _rows(asked, ways, dtype, workers):
        done(row)
        found.append(row)
    seconds = perf_counter() - start
    return Nest(tuple(found), tuple(map(str, ways)), dtype, environment(["cpu"]), seconds, tuple(names))


def named(names: Sequence[str] = ()) -> list[str]:
    """Return the functions that are tried where these are asked for: functions and families, all of the table for none.

    >>> named(["pooling", "sinc"])[:2], "sinc" in named()
    (['avg_pool1d', 'adaptive_avg_pool1d'], True)
    """
    rows, groups = [name for name in (*ELEMENTWISE, *TENSOR, *COMPOSITE) if name not in HIDDEN], families()
    found: dict[str, None] = {}
    for name in names:
        if name not in rows and name not in groups:
            close = nearest(name, [*rows, *groups])
            hint = f"did you mean `{close}`?" if close else None
            raise UsageProblem(f"the table has no function {name}, and no family {name}", hint=hint)
        found |= dict.fromkeys([name] if name in rows else groups[name])
    return [*found] if names else rows


def _rows(names: list[str], ways: tuple[Way, ...], dtype: str, workers: int) -> Iterator[Row]:
    if workers < 2:
        yield from (made(name, ways, dtype) for name in names)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(made, names, [ways] * len(names), [dtype] * len(names))


def made(name: str, ways: tuple[Way, ...], dtype: str) -> Row:
    """Return the row of one function."""
    start = perf_counter()
    [subject] = subjects([name])
    everything = [subject, *further(subject)]
    counts: dict[str, Counter[Verdict]] = {str(way): Counter() for way in ways}
    findings: list[Finding] = []
    for one in everything:
        findings += _tried(one, tuple(way for way in ways if not one.first or way.order == 1), dtype, counts)
    order = [*map(str, ways)]
    findings = [replace(one, program="" if one.program == subject.program.source else one.program) for one in findings]
    findings.sort(key=lambda one: order.index(one.way))
    programs = len({one.program.source for one in everything})
    return Row(name, subject.program.source, counts, tuple(findings), perf_counter() - start, programs)


def _tried(
    subject: Subject, ways: tuple[Way, ...], dtype: str, counts: dict[str, Counter[Verdict]]
) -> Iterator[Finding]:
    """Yield what is found of one program, and count the verdicts."""
    for text, way, outcome in outcomes(subject, ways, dtype):
        if isinstance(outcome, Verdict):
            counts[way][outcome] += len(subject.program.inputs) ** Way.parse(way).order
            continue
        if _raises_rightly(outcome):
            elements = sum(outcome.rounded[name].size for name in subject.program.tracked)
            counts[way][Verdict.UNDEFINED] += elements ** Way.parse(way).order
            continue
        if subject.first and NOT_RUN in (outcome.error or ""):
            continue  # a param that torch does not take so
        counts[way].update(outcome.counts())
        if outcome.verdict in TOLD:
            yield from (replace(one, program=subject.program.source) for one in _findings(way, text, outcome))


def outcomes(subject: Subject, ways: tuple[Way, ...], dtype: str) -> Iterator[tuple[str, str, Outcome | Verdict]]:
    """Yield the outcome at each point in each way, or the verdict alone where all points side by side show it.

    Ways that give the same numbers at a point have the outcome of the first one.
    """
    program = subject.program
    settings = Settings(dtypes=(dtype,), ways=ways, cotangent=ONES).resolved(program)
    points = [(text, point) for text in subject.points for point in _parsed(text, program)]
    sieve = Sieve(program, [point for _, point in points], settings, dtype)
    passed = sieve.passed(ways)
    for k, (text, point) in enumerate(points):
        if sieve.outside[k]:
            yield from ((text, str(way), Verdict.UNDEFINED) for way in ways)
            continue
        yield from ((text, str(way), Verdict.AGREE) for way in ways if passed[way].agrees[k])
        alike: dict[object, list[Way]] = {}
        for way in ways:
            if not passed[way].agrees[k]:
                numbers = passed[way].at(k)
                if numbers is None and way.order > 1:  # of the first order torch has other numbers in each way
                    numbers = _numbers(program, point, way, dtype)
                alike.setdefault((way.order, numbers or way), []).append(way)
        firsts = tuple(some[0] for some in alike.values())
        found = examined(program, [point], replace(settings, ways=firsts)) if firsts else ()
        for some, outcome in zip(alike.values(), found, strict=True):
            yield from ((text, str(way), outcome) for way in some)


def _numbers(program: Program, point: Point, way: Way, dtype: str) -> bytes | None:
    """Return the bits of all of torch's numbers at a point, None where they are too many, or torch has none."""
    [arrays] = alone([point], dtype)
    wrt = tuple(program.tracked)
    shapes = {name: arrays[name].shape for name in wrt}
    units = [unit(shapes, name, k) for name in wrt for k in range(arrays[name].size)]
    if len(units) ** way.order > MAX_ELEMENTS:
        return None
    found = []
    try:
        for directions in product(units, repeat=way.order - 1):
            made = Derivative(program, wrt, way, directions, dtype).at(arrays)
            found += [bits(made.gradients[name].array).tobytes() for name in wrt]
    except LaneProblem:
        return None
    return b" ".join(found)


def _raises_rightly(outcome: Outcome) -> bool:
    """Return whether torch refused to work out what does not exist: the inverse of a matrix that is singular."""
    if outcome.error is None or LACKS in outcome.error:
        return False
    program = outcome.program
    plan = Plan.make(program, {name: array.shape for name, array in outcome.rounded.items()}, program.tracked)
    truth = Truth(plan.shared.core, outcome.rounded)
    names = (program.output, *plan.shared.program.outputs)
    balls = truth.some({name: range(prod(plan.shared.core.shapes[name])) for name in names})
    return not all(isinstance(one, Ball) for found in balls.values() for one in found)


def _parsed(text: str, program: Program) -> list[Point]:
    """Return the point that a text stands for, none where the program cannot be there."""
    try:
        return parse_points([text], program.inputs)
    except GradcheckError:
        return []


def _findings(way: str, text: str, outcome: Outcome) -> Iterator[Finding]:
    """Yield the worst element of each derivative that is as bad as the outcome."""
    if outcome.error is not None:
        yield Finding(way, text, Verdict.ERROR, refused=outcome.error.splitlines()[0])
        return
    fmt, has_a_value = FORMATS[outcome.dtype], Verdict.UNDEFINED not in outcome.value_counts()
    for gradient in outcome.gradients:
        for k in gradient.judgements.ranked((outcome.verdict,))[:1]:
            number = gradient.number(k)
            if not has_a_value and not isfinite(number or 0.0):
                continue  # what has no value beside this element makes the sum of all nan
            torch = "none" if number is None else fmt.text(number)
            yield Finding(way, text, outcome.verdict, by_text(gradient, k), torch, exact_text(gradient.exact[k], fmt))


def by_text(gradient: GradientOutcome, k: int) -> str:
    """Return what one element of a derivative is by, the innermost first: ``x[0,1] y``."""
    index, texts = unravel(gradient.shape, k), []
    for name, shape in (*gradient.along, (gradient.input, _own(gradient))):
        here, index = index[: len(shape)], index[len(shape) :]
        texts.append(f"{name}[{','.join(map(str, here))}]" if here else name)
    return " ".join(texts)


def _own(gradient: GradientOutcome) -> Shape:
    return gradient.shape[sum(len(shape) for _, shape in gradient.along) :]
