"""What a notation can write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Mark = Callable[[str], str]
Pair = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Notation:
    """The marks of a printed formula, as functions that return markup.

    Of text, which may hold anything: ``letter`` a variable of one letter, ``word`` upright letters, ``digits`` a
    numeral, ``sign`` an operator, a relation or punctuation (its Unicode character), ``function`` a function's name.
    Of markup: ``negative`` a minus before it, ``fraction`` above and below, ``power`` base and exponent, ``index`` base
    and what stands below to the right, ``big`` a large sign and what stands under it, if anything, ``root``, ``fence``
    left sign, body, right sign and whether it is tall, ``cases`` values with their conditions.
    ``wide`` puts together the terms of a sum, each with its sign, which in one line may be too wide for a page.
    ``times`` is a product without a sign, tight or with a thin ``space``.
    """

    letter: Mark
    word: Mark
    digits: Mark
    sign: Mark
    function: Mark
    negative: Mark
    root: Mark
    fraction: Pair
    power: Pair
    index: Pair
    big: Pair
    fence: Callable[[str, str, str, bool], str]
    cases: Callable[[Sequence[tuple[str, str]]], str]
    wide: Callable[[Sequence[str]], str]
    times: Callable[[bool], str]
    space: str
