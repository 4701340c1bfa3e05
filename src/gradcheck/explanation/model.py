"""What an explanation is: formulas, numbers and sentences that every form shows and none computes again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradcheck.exits import Exit
from gradcheck.explanation.shown import Formula
from gradcheck.formats import Ball, Estimate
from gradcheck.outcome import Run
from gradcheck.program import Program, Shape

if TYPE_CHECKING:
    from gradcheck.explanation.graphs.model import DynamicGraph

# --- numbers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Numbers:
    """A tensor in both lanes, element by element in row-major order.

    ``exact`` has None where there is no enclosure, and is None where the exact lane does not know the tensor; ``torch``
    is None where torch has none; ``ulps`` is the distance of the two, None where there is none to tell.
    """

    shape: Shape
    exact: tuple[Ball | None, ...] | None
    torch: tuple[float, ...] | None
    ulps: tuple[float | None, ...] = ()

    @property
    def worst(self) -> float | None:
        """Return the largest distance in ULP that could be measured."""
        return max((one for one in self.ulps if one is not None), default=None)


# --- the forward pass -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a sum at the point: ``2*x**4``, ``2*(2)**4`` and 32; ``sign`` is -1 where it is taken away."""

    sign: int
    formula: Formula
    substituted: Formula
    value: Numbers


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A scalar formula at the point: ``2*(2)**4 + (2)**3 = 32 + 8 = 40``. ``title`` is ``f`` or ``d f/d x``."""

    title: Formula
    formula: Formula
    substituted: Formula
    terms: tuple[Term, ...]
    value: Numbers


@dataclass(frozen=True, slots=True)
class Leaf:
    """An input."""

    name: str
    numbers: Numbers
    dtype: str
    requires_grad: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer on the way forward; ``grad_fn`` is None where torch tracks nothing. ``text`` is what the user wrote.

    A tensor operation inside of a layer of the user is told as a layer of its own (``out_1``). ``evaluation`` is there
    where all that the layer reads is a number.
    """

    name: str
    text: str
    formula: Formula
    numbers: Numbers
    dtype: str
    grad_fn: str | None
    reads: tuple[str, ...]
    evaluation: Evaluation | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """The forward pass: leaves, then layers in order; the evaluation where the program is one scalar formula."""

    leaves: tuple[Leaf, ...]
    stages: tuple[Stage, ...]
    evaluation: Evaluation | None


# --- the derivation -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of differentiation: ``D[u*v] = D[u]*v + u*D[v]``, with a sentence for students.

    ``left`` and ``right`` are None where the rule is none of differentiation (collecting like terms).
    """

    name: str
    title: str
    sentence: str
    left: Formula | None = None
    right: Formula | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a rule in a step: what stood there, what stands there now, and what the rule's letters stand for."""

    before: Formula
    after: Formula
    lets: tuple[tuple[str, Formula], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation: the rule, where it was used, and the whole right-hand side that it leaves.

    ``value`` is the enclosure of that line at the point: it overlaps the derivative's, or the line would not be here.
    """

    rule: Rule
    uses: tuple[Use, ...]
    result: Formula
    value: tuple[Ball | None, ...]


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derivative of one elementwise layer by one name that it reads, step by step.

    ``title`` is ``d f/d x`` or ``d z[i, j]/d y[i, j]``; ``start`` is ``D[...]`` of the layer, and ``result`` the
    derivative that the check uses, which the last step leaves.
    """

    title: Formula
    layer: str
    by: str
    start: Formula
    steps: tuple[Step, ...]
    result: Formula
    numbers: Numbers
    evaluation: Evaluation | None = None


# --- the chain rule through layers ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """What flows from one layer to one name that it reads.

    ``partial`` is the derivative of an element (``4*y[i]``) of an elementwise layer or of a full reduction; None for
    any other operation on tensors, and where there is no short formula. ``flow`` is what this link alone adds to the
    cotangent of ``below``: ``d out/d above * partial``, summed over the indices ``over`` along which ``below`` was
    broadcast, or what textbooks write for the operation. ``whole`` is that of whole matrices, and ``said`` a sentence
    about it. ``why_not`` says why there is no formula.
    """

    above: str
    below: str
    title: Formula
    partial: Formula | None
    flow: Formula | None
    over: tuple[str, ...] = ()
    whole: Formula | None = None
    said: str | None = None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The cotangent of one name: the sum of what its links bring, both lanes' numbers beside it.

    ``title`` is ``d out/d y[i, j]``; ``total`` is its closed form where that is short.
    """

    name: str
    title: Formula
    links: tuple[Link, ...]
    total: Formula | None
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain rule from the output back to one input: arrivals in the order of the reverse sweep, the input last.

    ``product`` holds the partials along the way where the way is one path of elementwise links and full reductions:
    ``1/6``, ``4*y[i]``, ``3``. ``closed`` is the closed form by the input, ``gradient`` its numbers (torch's are what
    autograd accumulated in ``.grad``), ``point`` those of the input itself, ``verdicts`` what the check says of each.
    """

    output: str
    input: str
    title: Formula
    arrivals: tuple[Arrival, ...]
    product: tuple[Link, ...]
    closed: Formula | None
    point: Numbers
    gradient: Numbers
    verdicts: tuple[str, ...] = ()


# --- the rest of the lab --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pass:
    """One backward pass without zeroing: the gradient there, and what ``.grad`` holds after it; exact is the sum."""

    point: Mapping[str, Numbers]
    gradient: Numbers
    accumulated: Numbers


@dataclass(frozen=True, slots=True)
class Accumulation:
    """What several passes add up to in ``.grad`` of one input."""

    input: str
    passes: tuple[Pass, ...]


@dataclass(frozen=True, slots=True)
class Tracking:
    """A place where tracking is switched off: ``kind`` is detach, no_grad or freeze, ``place`` what stands there.

    ``input`` is the input whose gradient loses a part: ``whole`` is the gradient without the cut, ``kept`` what is
    left, ``lost`` the difference; None where there is no short formula. ``sentence`` says why, ``backward`` what
    ``backward()`` says where nothing is tracked any more.
    """

    kind: str
    place: str
    input: str
    whole: Formula | None
    kept: Formula | None
    lost: Formula | None
    whole_numbers: Numbers
    kept_numbers: Numbers
    sentence: str
    backward: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of a derivative of any order: what it is ``by``, in turn, and what each way of torch has for it.

    ``verdict`` is the worst of those of the ways.
    """

    by: tuple[str, ...]
    exact: Ball | Estimate | None
    torch: tuple[float | None, ...]
    ulps: tuple[float | None, ...]
    verdict: str
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Further:
    """The derivative of one order in the ways that were asked for: its elements, and where it comes from.

    ``labels`` name the elements of the inputs. ``derivations`` are those of the closed forms of one order less, and
    ``closed`` holds the names and closed forms that they leave, where all is numbers. ``errors`` say in which ways
    torch has none, and why. ``run`` is the check of all of them.
    """

    order: int
    ways: tuple[str, ...]
    entries: tuple[Entry, ...]
    labels: tuple[str, ...]
    derivations: tuple[Derivation, ...]
    closed: tuple[tuple[Formula, Formula], ...]
    errors: tuple[tuple[str, str], ...]
    run: Run


# --- all of it ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """One program at one point, explained. ``meaning`` is a sentence: the slope at (2, 63).

    ``run`` is the check itself: its verdicts, and what is at fault where torch is not right. ``further`` has the orders
    and ways that were asked for. ``notes`` say what was
    left out and why. ``writers`` turn it into a text, for ``print``, and for notebooks into ``html`` and ``latex``.

    >>> from gradcheck import explain
    >>> found = explain("y = 3*x; y**2", x=2)
    >>> [str(stage.formula) for stage in found.forward.stages], found.chains[0].input, str(found.chains[0].closed)
    (['3*x', 'y**2'], 'x', '18*x')
    """

    program: Program
    dtype: str
    device: str
    forward: Forward
    derivations: tuple[Derivation, ...]
    chains: tuple[Chain, ...]
    graph: DynamicGraph | None
    meaning: str | None
    run: Run
    accumulations: tuple[Accumulation, ...] = ()
    trackings: tuple[Tracking, ...] = ()
    further: tuple[Further, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    writers: Mapping[str, Callable[[Explanation], str]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def fails(self) -> bool:
        """Return whether a check in it fails, of any order."""
        return any(run.exit is Exit.FAIL for run in (self.run, *(one.run for one in self.further)))

    def __str__(self) -> str:
        return self.writers["text"](self) if "text" in self.writers else repr(self)

    def __repr__(self) -> str:
        """Return one line: what is explained, and the verdict."""
        at = ", ".join(leaf.name for leaf in self.forward.leaves)
        program = " ".join(self.program.source.split())
        return f"<explanation of {program!r} by {at} in {self.dtype}: {self.run.verdict}>"

    def _repr_html_(self) -> str | None:
        return self.writers["html"](self) if "html" in self.writers else None

    def _repr_latex_(self) -> str | None:
        return self.writers["latex"](self) if "latex" in self.writers else None
