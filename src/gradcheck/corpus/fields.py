"""The keys of a check in an expression file: those of the table of settings, and what its author says comes out."""

from __future__ import annotations

from collections.abc import Mapping

from gradcheck.blame import Cause
from gradcheck.settings import kinds, readers
from gradcheck.settings.kinds import Kind
from gradcheck.settings.table import Place, Setting, named
from gradcheck.verdict import Verdict

_verdict, _cause = readers.one_of("verdict", Verdict), readers.one_of("cause", Cause)

CHECK: Mapping[str, Setting] = named(Place.FILE)
"""The keys of ``[[check]]``, beside the table ``expect``."""

OWN = frozenset({"name", "expression"})
"""The keys that no two checks share, and that ``[defaults]`` has not."""

# fmt: off
EXPECT: Mapping[str, Setting] = {row.name: row for row in (
    Setting("value", Kind(readers.formula, kinds.ref("formula")), Place.FILE,
            "The output: an expression of the inputs, or a number."),
    Setting("gradient", kinds.GRADIENT, Place.FILE,
            "The derivative: an expression of the inputs, or a table with one for each input."),
    Setting("verdict", Kind(lambda value: Verdict(_verdict(value)), kinds.ref("verdict")), Place.FILE,
            "The verdict that must come out, exactly; say why."),
    Setting("cause", Kind(lambda value: Cause(_cause(value)), {"enum": [*Cause]}), Place.FILE,
            "The cause that must be found, exactly."),
)}
# fmt: on
"""The keys of ``expect``."""
