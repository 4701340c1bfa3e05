"""What the user believes a derivative is: texts of --expect to programs over the same inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from gradcheck.errors import NameProblem, Option, ShapeProblem, UsageProblem
from gradcheck.formats import Ball, Format, exact_text
from gradcheck.functions.params import shape_text
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.program import Program, Shape

EXPECT = Option("expect")


@dataclass(frozen=True, slots=True)
class Misstated:
    """A stated derivative that is wrong: ``written`` is what the user wrote, ``formula`` the derivative if it is short.

    ``element`` is the worst one, ``here`` how its right number differs from the stated one, and ``rule`` what makes the
    stated one wrong everywhere, where that is known.
    """

    element: int
    written: str
    formula: str | None
    here: str
    rule: str | None = None

    @property
    def sentence(self) -> str:
        """Return what is wrong, in one sentence.

        >>> Misstated(0, "3*x", "3*x**2", "4 times larger here", "the factor x is missing").sentence
        'you wrote 3*x; the derivative is 3*x**2, 4 times larger here: the factor x is missing'
        """
        right = f"the derivative is {self.formula}, {self.here}" if self.formula else f"the derivative is {self.here}"
        return f"you wrote {self.written}; {right}{f': {self.rule}' if self.rule else ''}"


def compared(stated: float | None, truth: Ball | None, fmt: Format) -> str:
    """Return how a derivative differs here from the number that was stated for it, as the end of a sentence.

    >>> from gradcheck.formats import FORMATS
    >>> compared(12.0, Ball.around(48.0), FORMATS["float32"]), compared(-1.0, Ball.around(1.0), FORMATS["float32"])
    ('4 times larger here', 'of the other sign here')
    >>> compared(0.0, Ball.around(2.0), FORMATS["float32"])
    'here 2 and not 0'
    """
    if truth is None:
        return f"here between the slopes of both sides, and {'none' if stated is None else fmt.text(stated)} is not"
    right = truth.nearest
    if stated is None:
        return f"here {exact_text(truth, fmt)}, where yours has no value"
    if not stated or not right or not isfinite(stated) or not isfinite(ratio := right / stated) or not ratio:
        return f"here {exact_text(truth, fmt)} and not {fmt.text(stated)}"
    size = abs(ratio)
    sign = [] if ratio > 0 else ["of the other sign"]
    if abs(size - 1) <= 4 * fmt.unit_roundoff:
        return f"{' '.join(sign) or 'a little different'} here"
    large, word = (size, "larger") if size > 1 else (1 / size, "smaller")
    far = f"{large:.4g} times {word}" if large >= 1.01 else f"{100 * (large - 1):.2g} % {word}"
    return f"{' and '.join([*sign, far])} here"


def expectations(
    texts: Sequence[str], wrt: Sequence[str], program: Program, shapes: Mapping[str, Shape]
) -> dict[str, Core]:
    """Return the derivatives that the user believes in, by input: ``2*x``, or ``x=2*x*y`` where there are several.

    Raises a GradcheckError where a text is no program of the same inputs, or has another shape than the gradient.
    """
    found = {}
    for text in texts:
        named = re.match(r"\s*([^\W\d]\w*)\s*=(?!=)\s*", text)
        if named and named[1] not in wrt and re.search(r"[;\n]", text):
            named = None  # the first layer of a program, not an input
        name = named[1] if named else wrt[0]
        if named and name not in wrt:
            raise NameProblem((EXPECT, f" names {name}, and the gradient is by {' and '.join(wrt)}"))
        if not named and len(wrt) > 1:
            raise UsageProblem(
                (EXPECT, f" does not say which derivative it is: the program has {len(wrt)} inputs"),
                hint=("write ", Option("expect", f"{wrt[0]}=..."), ", or choose one with ", Option("wrt", wrt[0])),
            )
        if name in found:
            raise UsageProblem((EXPECT, f" is given twice for {name}"))
        found[name] = _expectation(text[named.end() :] if named else text, name, program, shapes)
    return found


def _expectation(text: str, name: str, program: Program, shapes: Mapping[str, Shape]) -> Core:
    parsed = parse(text, program.inputs)
    strange = [one for one in parsed.inputs if one not in shapes]
    if strange:
        raise NameProblem(
            (EXPECT, f" reads {strange[0]}, which is no input of the program"), hint=f"it has {', '.join(shapes)}"
        )
    core = lower(parsed, shapes)
    shape = core.shapes[parsed.output]
    if shape not in ((), shapes[name]):
        wanted = shape_text(shapes[name])
        raise ShapeProblem((EXPECT, f" is {shape_text(shape)}, and the gradient by {name} is {wanted}"))
    return replace(core, program=replace(core.program, source=" ".join(text.split())))
