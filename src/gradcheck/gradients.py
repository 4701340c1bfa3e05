"""The gradient by one input as arrays, and all the gradients of an outcome or of a run by the names of their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Protocol, SupportsIndex, overload

import numpy as np

from gradcheck.blame import Blame
from gradcheck.bounds import Enclosures
from gradcheck.errors import NameProblem
from gradcheck.expect import Misstated
from gradcheck.formats import Ball
from gradcheck.judgements import VERDICTS, Judgements, ranks
from gradcheck.program import Shape
from gradcheck.verdict import Verdict, worst

Floats = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.intp]]

DIRECTIONS = "some directions"
"""Stands in ``along`` for the name of an input, where a derivative is along a few of these; no input is called so."""


class Display(Protocol):
    """The texts of a report, which are made when it reads them."""

    def formula(self, name: str, along: tuple[str, ...] = ()) -> str | None:
        """Return the closed form of the gradient by one input, or of what was differentiated along others before."""

    def lines(self) -> list[str]:
        """Return the gradient program."""

    def derivatives(self, name: str) -> dict[str, str]:
        """Return the derivative of one layer by each name it reads."""

    def make(self) -> None:
        """Make all texts at once."""


@dataclass(frozen=True, slots=True, repr=False)
class GradientOutcome:
    """The gradient by one input: arrays of the input's shape, and what is known of single elements in row-major order.

    ``torch`` holds what torch returned, ``lower`` and ``upper`` proven bounds of the exact numbers, ``ulps`` upper
    bounds of the errors in ULP of the dtype, ``verdicts`` words. ``exact`` is the sequence of enclosures, which are
    made when they are read; one is an Estimate where a limit is not proven, and None where nothing is known. ``torch``
    is None where torch returned no gradient. ``expected`` and ``expectations`` are there when the user stated a
    derivative; a number is None where that has no value. ``blames`` say what is at fault, one for each kind of bad
    element, the worst first, and ``misstated`` how the stated derivative is wrong. One of higher order has the axes of
    what it is differentiated by before, and ``along`` says what that is, the innermost first: inputs, each with its
    shape, or DIRECTIONS with how many they are. A row of a ``jacobian`` has those of the output before, whose name and
    shape ``along`` holds.

    >>> from gradcheck import check
    >>> found = check("x**2*y", x=[1, 2, 3], y=0.5).gradients["x"]
    >>> found
    <GradientOutcome by x, shape (3,): agree>
    >>> found.formula, found.torch, found.upper - found.lower
    ('2*x[i]*y', array([1., 2., 3.]), array([0., 0., 0.]))
    """

    input: str
    shape: Shape
    display: Display = field(repr=False, compare=False)
    exact: Enclosures
    torch: Floats | None
    judgements: Judgements
    expected: list[float | None] | None = None
    expectations: Judgements | None = None
    along: tuple[tuple[str, Shape], ...] = ()
    blames: list[Blame] = field(default_factory=list)
    misstated: Misstated | None = None
    jacobian: bool = False

    def __repr__(self) -> str:
        return f"<GradientOutcome by {self.input}, shape {self.shape}: {self.verdict}>"

    def ball(self, k: int) -> Ball | None:
        """Return the proven enclosure of one element, by its place in row-major order."""
        known = self.exact[k]
        return known if isinstance(known, Ball) else None

    def balls(self) -> tuple[Ball | None, ...]:
        """Return the proven enclosures of all elements."""
        return tuple(map(self.ball, range(len(self.exact))))

    def number(self, k: int) -> float | None:
        """Return torch's number for one element, None where torch returned no gradient."""
        return None if self.torch is None else float(self.torch.item(k))

    @property
    def order(self) -> int:
        """Return the order of the derivative."""
        return 1 if self.jacobian else 1 + len(self.along)

    @property
    def is_sampled(self) -> bool:
        """Return whether this is along a few directions, for want of room for all."""
        return any(name == DIRECTIONS for name, _ in self.along)

    @property
    def formula(self) -> str | None:
        """Return the composed closed form as text, where it is short; a Jacobian and a few directions have none.

        One of higher order is written at equal indices, and between others it is 0.
        """
        if self.jacobian or self.is_sampled:
            return None
        return self.display.formula(self.input, tuple(name for name, _ in self.along))

    @property
    def lower(self) -> Floats:
        """Return the greatest float64 that is proven to be at most each exact number, nan where nothing is proven."""
        return self.exact.lower.reshape(self.shape)

    @property
    def upper(self) -> Floats:
        """Return the least float64 that is proven to be at least each exact number, nan where nothing is proven."""
        return self.exact.upper.reshape(self.shape)

    @property
    def ulps(self) -> Floats:
        """Return an upper bound of each error in ULP of the dtype, nan where there is none to measure."""
        return self.judgements.ulps.reshape(self.shape)

    @property
    def verdicts(self) -> np.ndarray[Any, np.dtype[np.str_]]:
        """Return the verdicts as words."""
        return np.array(VERDICTS, dtype=np.str_)[self.judgements.codes].reshape(self.shape)

    @property
    def blame(self) -> Blame | None:
        """Return what is at fault for the worst element, where that was looked for and found."""
        return self.blames[0] if self.blames else None

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict, the expectation's included."""
        return worst({*self.judgements.verdicts(), *self.stated()})

    def stated(self) -> set[Verdict]:
        """Return the verdicts on what the user stated."""
        return set() if self.expectations is None else self.expectations.verdicts()

    def mildest_first(self) -> Places:
        """Return all elements, the worst last; what the user stated counts as well."""
        return ranks([self.judgements], [self.expectations] if self.expectations is not None else []).mildest_first()

    @property
    def worst_ulps(self) -> float | None:
        """Return the largest error in ULP that could be measured."""
        return self.judgements.worst_ulps


class NoGradient(NameProblem, KeyError):
    """There is no gradient by an input of this name.

    >>> from gradcheck import check
    >>> try:
    ...     check("x*y", 2, 3, wrt="x").gradients["y"]
    ... except NoGradient as problem:
    ...     print(problem.message)
    there is no gradient by y
    """


class Gradients(tuple[GradientOutcome, ...]):
    """The gradients by the inputs, in the order of the program: one is found by its place, or by its input's name.

    Raises NoGradient, a KeyError, for a name that has none.

    >>> from gradcheck import check
    >>> run = check("x**2*y", x=[1, 2, 3], y=2)
    >>> run.gradients["x"].torch, run.gradients["y"].verdicts
    (array([ 4.,  8., 12.]), array('agree', dtype='<U9'))
    >>> run.gradients["z"]
    Traceback (most recent call last):
    gradcheck.gradients.NoGradient: there is no gradient by z
    there are those by x and y
    """

    __slots__ = ()

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> GradientOutcome: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[GradientOutcome, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> GradientOutcome | tuple[GradientOutcome, ...]:
        """Return the gradient at a place or by an input, or several of them."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        found = next((one for one in self if one.input == key), None)
        if found is None:
            names = " and ".join(one.input for one in self)
            raise NoGradient(f"there is no gradient by {key}", hint=f"there are those by {names}" if names else None)
        return found

    def __contains__(self, key: object) -> bool:
        """Return whether there is a gradient by an input."""
        return any(one.input == key for one in self) if isinstance(key, str) else super().__contains__(key)

    @classmethod
    def stacked(cls, points: Sequence[Gradients]) -> Gradients:
        """Return the gradients of several points of one shape as one each, with the points along a first axis."""
        return cls.joined([cls(map(_alone, one)) for one in points])

    @classmethod
    def joined(cls, parts: Sequence[Gradients], order: Places | None = None) -> Gradients:
        """Return gradients that have points along their first axes as one, with these in another order where asked."""
        return cls(_joined(column, order) for column in zip(*parts, strict=True))


def _alone(one: GradientOutcome) -> GradientOutcome:
    """Return the gradient of one point with that along a first axis."""
    torch = None if one.torch is None else one.torch[None]
    return replace(one, shape=(1, *one.shape), torch=torch, blames=[], misstated=None)


def _joined(parts: Sequence[GradientOutcome], order: Places | None) -> GradientOutcome:
    first = parts[0]
    count, size = sum(one.shape[0] for one in parts), prod(first.shape[1:])
    rows = np.arange(count) if order is None else order
    at = (rows[:, None] * size + np.arange(size)).ravel()
    torch = [one.torch for one in parts if one.torch is not None]
    stated = [one.expectations for one in parts if one.expectations is not None]
    numbers = [number for one in parts for number in one.expected or ()]
    return replace(
        first, shape=(count, *first.shape[1:]), exact=Enclosures.joined(one.exact for one in parts).part(at),
        torch=np.concatenate(torch)[rows] if len(torch) == len(parts) else None,
        judgements=Judgements.joined(one.judgements for one in parts).part(at),
        expected=[numbers[k] for k in at.tolist()] if numbers else None,
        expectations=Judgements.joined(stated).part(at) if stated else None, blames=[], misstated=None,
    )  # fmt: skip
