"""Several rewrites of one program, told as one: the smallest expression or layers that hold all that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradcheck.errors import Span
from gradcheck.program import NOWHERE, Program, postorder

_UNLIKE = "not the same function: "


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One place of a program rewritten: ``before``, at ``span`` of its source, becomes ``after`` in ``program``.

    ``name`` is stable. ``note`` says where the two are different functions; None where they are equal wherever
    ``before`` has a value.
    """

    name: str
    span: Span
    before: str
    after: str
    program: Program
    note: str | None = None


def joined(program: Program, steps: Sequence[Rewrite]) -> Rewrite:
    """Return rewrites that follow each other as one rewrite of the program that the first began with.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.rewrites import rewrites
    >>> program = parse("p = sigmoid(x); (1 - p)*log(p)")
    >>> first = next(one for one in rewrites(program) if one.name == "log-sigmoid")
    >>> second = next(one for one in rewrites(first.program) if one.name == "one-minus-sigmoid")
    >>> one = joined(program, [first, second])
    >>> print(one.name, "|", one.before, "|", one.after)
    log-sigmoid+one-minus-sigmoid | (1 - p)*log(p) | sigmoid(-x)*logsigmoid(x)
    """
    if len(steps) == 1:
        return steps[0]
    old, new = program.source, steps[-1].program.source
    span = _cover(program, _changed(old, new))
    after = new[span.start : len(new) - (len(old) - span.end)]
    name = "+".join(one.name for one in steps)
    return Rewrite(name, span, old[span.start : span.end], after, steps[-1].program, _note(steps))


def _changed(old: str, new: str) -> Span:
    """Return the part of the old text that is not in the new one."""
    start = _common(old, new)
    return Span(start, len(old) - _common(old[start:][::-1], new[start:][::-1]))


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(one), len(other)))


def _cover(program: Program, changed: Span) -> Span:
    """Return the smallest expression, or run of layers, around a part of the source."""
    around = [one for one in _spans(program) if one.start <= changed.start and changed.end <= one.end]
    if around:
        return min(around, key=lambda one: one.end - one.start)
    touched = [layer.span for layer in program.layers if layer.span.overlaps(changed)]
    starts, ends = [changed.start, *(one.start for one in touched)], [changed.end, *(one.end for one in touched)]
    return Span(min(starts), max(ends))


def _spans(program: Program) -> Iterator[Span]:
    for layer in program.layers:
        yield from (part.span for part in postorder(layer.expression) if part.span != NOWHERE)
        yield layer.span


def _note(steps: Sequence[Rewrite]) -> str | None:
    notes = list(dict.fromkeys(one.note.removeprefix(_UNLIKE) for one in steps if one.note is not None))
    return _UNLIKE + "; and ".join(notes) if notes else None
