"""What the user believes a derivative is: texts of --expect to programs over the same inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gradcheck.errors import NameProblem, Option, ShapeProblem, UsageProblem
from gradcheck.functions.params import shape_text
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.program import Program, Shape

EXPECT = Option("expect")


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
    return core
