"""The judgements on whole arrays: a verdict code, an error in ULP and a note for every element."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, ldexp
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from gradcheck.compare import Judgement, Rank, all_but_too_large, not_finite, too_large
from gradcheck.formats import Format
from gradcheck.ordinals import digits, distances, halves
from gradcheck.verdict import Verdict, worst

if TYPE_CHECKING:
    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Codes = np.ndarray[Any, np.dtype[np.uint8]]
    Truths = np.ndarray[Any, np.dtype[np.bool_]]
    Places = np.ndarray[Any, np.dtype[np.intp]]
    Where = Truths | np.ndarray[Any, np.dtype[np.intp]] | Sequence[int] | int

VERDICTS = tuple(Verdict)
OPEN = len(VERDICTS)
"""The code of an element that is not decided."""


class Judgements(Sequence[Judgement]):
    """The judgements on the elements of an array, in row-major order; one is made when it is read.

    ``codes`` are places in VERDICTS, or OPEN. ``ulps`` are upper bounds of the error, nan where there is none to
    measure. Notes are held once each, however many elements have them.

    >>> found = Judgements(2)
    >>> found[1] = Judgement(Verdict.AGREE, 0.5)
    >>> found[1], found.get(0), found.open
    (Judgement(verdict=<Verdict.AGREE: 'agree'>, ulps=0.5, note=None), None, [0])
    """

    def __init__(self, count: int) -> None:
        self.codes = np.full(count, OPEN, np.uint8)
        self.ulps: Floats = np.full(count, np.nan)
        self.noted = np.zeros(count, np.int32)
        self.texts: list[str | None] = [None]
        self.places: dict[str | None, int] = {None: 0}

    @classmethod
    def of(cls, found: Iterable[Judgement | None]) -> Judgements:
        """Return single judgements as those on an array."""
        given = list(found)
        made = cls(len(given))
        for k, one in enumerate(given):
            made[k] = one
        return made

    def __len__(self) -> int:
        return len(self.codes)

    def __eq__(self, other: object) -> bool:
        """Return whether all elements have the same verdict, error and note."""
        return isinstance(other, Judgements) and len(self) == len(other) and repr(self) == repr(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Judgements({', '.join(repr(self.get(k)) for k in range(len(self)))})"

    @overload
    def __getitem__(self, k: int) -> Judgement: ...
    @overload
    def __getitem__(self, k: slice) -> Judgements: ...
    def __getitem__(self, k: int | slice) -> Judgement | Judgements:
        """Return one judgement, which must be decided, or a part that shares the arrays."""
        if isinstance(k, slice):
            return self.part(k)
        found = self.get(k)
        assert found is not None, "still open"
        return found

    def get(self, k: int) -> Judgement | None:
        """Return one judgement, None where it is open."""
        code = self.codes[k]
        if code == OPEN:
            return None
        ulps = float(self.ulps[k])
        return Judgement(VERDICTS[code], None if isnan(ulps) else ulps, self.texts[self.noted[k]])

    def __setitem__(self, k: int, found: Judgement | None) -> None:
        """Judge one element; None leaves it open."""
        if found is None:
            self.codes[k] = OPEN
        else:
            self.put(k, found.verdict, np.nan if found.ulps is None else found.ulps, found.note)

    def put(self, where: Where, verdict: Verdict, ulps: Floats | float, note: str | None = None) -> None:
        """Judge several elements alike; ``ulps`` has one number for each, or one for all."""
        self.codes[where] = verdict.severity
        self.ulps[where] = ulps
        self.noted[where] = self.note(note)

    @classmethod
    def joined(cls, parts: Iterable[Judgements]) -> Judgements:
        """Return the judgements on the elements of several arrays, one after the other."""
        given = list(parts)
        made = cls(sum(map(len, given)))
        start = 0
        for one in given:
            here = slice(start, start + len(one))
            made.codes[here], made.ulps[here] = one.codes, one.ulps
            made.noted[here] = np.array([made.note(text) for text in one.texts])[one.noted]
            start += len(one)
        return made

    def note(self, text: str | None) -> int:
        """Return the place of a note, which is held from now on."""
        if text not in self.places:
            self.places[text] = len(self.texts)
            self.texts.append(text)
        return self.places[text]

    def part(self, where: slice | Sequence[int] | Places) -> Judgements:
        """Return the judgements on some of the elements; those on a slice share the arrays."""
        made = Judgements.__new__(Judgements)
        made.codes, made.ulps, made.noted = self.codes[where], self.ulps[where], self.noted[where]
        made.texts, made.places = self.texts, self.places
        return made

    def kinds(self, without: Sequence[int] = ()) -> list[tuple[int, int]]:
        """Return the first element of each verdict and note with how many there are, in order of these elements."""
        keys = self.codes.astype(np.int64) * len(self.texts) + self.noted
        at = np.delete(np.arange(len(self)), list(without)) if len(without) else np.arange(len(self))
        _, first, counts = np.unique(keys[at], return_index=True, return_counts=True)
        return sorted(zip(at[first].tolist(), counts.tolist(), strict=True))

    def is_(self, *verdicts: Verdict) -> Truths:
        """Return where the verdict is one of these."""
        found: Truths = np.isin(self.codes, [one.severity for one in verdicts])
        return found

    @property
    def open(self) -> list[int]:
        """Return the elements that are not decided."""
        return self.where(self.codes == OPEN)

    def where(self, mask: Truths) -> list[int]:
        """Return the places where a mask is true."""
        found: list[int] = np.flatnonzero(mask).tolist()
        return found

    def counts(self) -> Counter[Verdict]:
        """Return how many elements have each verdict."""
        found = np.bincount(self.codes, minlength=OPEN)[:OPEN].tolist()
        return Counter({verdict: count for verdict, count in zip(VERDICTS, found, strict=True) if count})

    def verdicts(self) -> set[Verdict]:
        """Return the verdicts that occur."""
        return set(self.counts())

    @property
    def worst(self) -> Verdict:
        """Return the most severe verdict of one element or more."""
        return worst(self.counts())

    @property
    def worst_ulps(self) -> float | None:
        """Return the largest error in ULP that could be measured."""
        known = self.ulps[(self.codes != OPEN) & ~np.isnan(self.ulps)]
        return float(known.max()) if known.size else None

    @property
    def sizes(self) -> Floats:
        """Return the errors to order by, as in ``Judgement.rank``."""
        measured = np.array([verdict.measured for verdict in VERDICTS] + [False])[self.codes]
        return np.where(np.isnan(self.ulps), np.where(measured, np.inf, 0.0), self.ulps)

    def leading(self, verdict: Verdict) -> int:
        """Return the worst of the elements with a verdict, which occurs."""
        return self.ranked([verdict])[0]

    def ranked(self, among: Iterable[Verdict] = VERDICTS) -> list[int]:
        """Return the elements with these verdicts, the worst first."""
        at = np.flatnonzero(self.is_(*among))
        order: list[int] = at[np.lexsort((at, -self.sizes[at], -self.codes[at].astype(np.int16)))].tolist()
        return order


@dataclass(frozen=True, slots=True)
class Ranks:
    """How bad each of several rows is: what a ``Rank`` has, as arrays."""

    severity: Codes
    own: Truths
    size: Floats

    def __len__(self) -> int:
        return len(self.severity)

    def __getitem__(self, k: int) -> Rank:
        """Return the rank of one row."""
        return Rank(int(self.severity[k]), bool(self.own[k]), float(self.size[k]))

    @classmethod
    def of(cls, count: int) -> Ranks:
        """Return so many rows that nothing is wrong with."""
        return cls(np.zeros(count, np.uint8), np.ones(count, np.bool_), np.zeros(count))

    def put(self, where: slice | Places | int, found: Ranks | Rank) -> None:
        """Put other ranks in the place of some."""
        self.severity[where], self.own[where], self.size[where] = found.severity, found.own, found.size

    def part(self, where: Places) -> Ranks:
        """Return some of the rows."""
        return Ranks(self.severity[where], self.own[where], self.size[where])

    def mildest_first(self) -> Places:
        """Return the rows, the worst last; of equals in their order."""
        return np.lexsort((self.size, self.own, self.severity))


def ranks(own: Sequence[Judgements], stated: Sequence[Judgements] = (), rows: int | None = None) -> Ranks:
    """Return how bad each row is by the worst of the judgements on it: on torch's numbers, and on stated ones.

    A row is an element that was judged in several respects, or one of so many equal parts of all elements.

    >>> ranks([Judgements.of([Judgement(Verdict.AGREE, 1.0), Judgement(Verdict.DISAGREE)])]).mildest_first().tolist()
    [0, 1]
    """
    given = [*own, *stated]
    count = len(given[0]) if rows is None else rows
    codes, sizes = (
        np.concatenate([part.reshape(count, -1) for part in parts], axis=1)
        for parts in ([one.codes for one in given], [one.sizes for one in given])
    )
    torch = np.repeat([True] * len(own) + [False] * len(stated), [len(one) // max(count, 1) for one in given])
    severity = codes.max(axis=1, initial=0)
    worst = codes == severity[:, None]
    of_torch = (worst & torch).any(axis=1)
    size = np.where(worst & (torch == of_torch[:, None]), sizes, 0.0).max(axis=1, initial=0.0)
    return Ranks(severity, of_torch, size)


def judged(lower: Floats, upper: Floats, values: Floats, fmt: Format, tolerance: float) -> Judgements:
    """Return the judgement on every number of torch by proven bounds in float64; open where they do not decide.

    The same as ``compare.judge`` element by element: what it decides, that decides as well. Bounds may be nan.

    >>> from gradcheck.formats import FORMATS
    >>> one = np.array([1.0, 1.0, np.nan])
    >>> judged(one, one, np.array([1.0000001192092896, 2.0, 1.0]), FORMATS["float32"], 4).counts()
    Counter({<Verdict.AGREE: 'agree'>: 1, <Verdict.DISAGREE: 'disagree'>: 1})
    """
    made = Judgements(values.size)
    known = np.isfinite(lower) & np.isfinite(upper)
    finite = np.isfinite(values)
    with np.errstate(all="ignore"):
        _judge_finite(made, known & finite, lower, upper, values, fmt, tolerance)
    if not finite.all() or fmt.precision < 53:
        _judge_large(made, known, lower, upper, values, fmt, tolerance)
    return made


def _judge_finite(
    made: Judgements, where: Truths, lower: Floats, upper: Floats, values: Floats, fmt: Format, tolerance: float
) -> None:
    low, high, value = (np.where(where, one, 0.0) for one in (lower, upper, values))
    ends = [distances(value, end, fmt) for end in (low, high)]
    within = _within(low, high, fmt, tolerance)
    most = np.maximum(ends[0][1], ends[1][1])
    least = np.minimum(ends[0][0], ends[1][0])
    agree = where & (most <= within)
    made.put(agree, Verdict.AGREE, most[agree])
    wrong = where & (least > within) & ((value < low) | (value > high))
    made.put(wrong, Verdict.DISAGREE, most[wrong])


def _within(low: Floats, high: Floats, fmt: Format, tolerance: float) -> Floats | float:
    """Return the tolerance in ULP of each element; below the normal range it leaves half of the digits."""
    least = np.minimum(np.abs(low), np.abs(high))
    if np.all(least >= 2 * fmt.smallest_normal):
        return tolerance
    middle = low + (high - low) / 2
    return np.where(digits(middle, fmt) == fmt.precision, tolerance, np.minimum(tolerance, halves(middle, fmt)))


def _judge_large(
    made: Judgements, known: Truths, lower: Floats, upper: Floats, values: Floats, fmt: Format, tolerance: float
) -> None:
    """Judge what is at the end of the range, or no number, where the exact number is known to be within or beyond."""
    sign = np.where(values > 0, 1.0, -1.0)
    near, far = (np.where(sign > 0, a, -b) for a, b in ((lower, upper), (upper, lower)))
    # What rounds to infinity; float64 itself has no number that does.
    least = np.inf if fmt.precision == 53 else fmt.largest + ldexp(1.0, fmt.emax - fmt.precision)
    beyond = known & (np.abs(values) >= fmt.largest) & (near >= least)
    if beyond.any():
        made.put(beyond, Verdict.OVERFLOW, np.nan, too_large(fmt))
    large = known & np.isinf(values) & ~beyond
    within, reached = (np.zeros_like(large) for _ in range(2))
    within[large] = _from_infinity(near[large], fmt)[1] <= tolerance
    reached[large] = (far[large] >= least) | (_from_infinity(far[large], fmt)[0] <= tolerance)
    if within.any():
        made.put(within, Verdict.OVERFLOW, np.nan, all_but_too_large(fmt))
    wrong = known & ~np.isfinite(values) & ~beyond & ~reached
    for value in np.unique(values[wrong]).tolist():
        which = wrong & (np.isnan(values) if isnan(value) else values == value)
        made.put(which, Verdict.DISAGREE, np.nan, not_finite(value))


def _from_infinity(reals: Floats, fmt: Format) -> tuple[Floats, Floats]:
    """Return bounds, in ULP, of how far below infinity finite numbers are, which is the number after the largest."""
    low, high = distances(np.full_like(reals, fmt.largest), reals, fmt)
    below = reals <= fmt.largest
    upper = np.where(below, 1 + high, 1 - low)
    return np.where(below, 1 + low, 1 - high), np.where(high == 0, upper, np.nextafter(upper, np.inf))
