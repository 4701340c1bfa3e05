"""Single checks that are named by their id, ``path::name``, as reports print it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradcheck.corpus.files import STDIN, find, identity
from gradcheck.errors import printable
from gradcheck.functions import nearest
from gradcheck.suite import Check, Problem

SEPARATOR = "::"
Identity = tuple[int, int] | str


@dataclass(slots=True)
class Ids:
    """The files that some arguments mean, and of those whose checks are named one by one, the names not found yet."""

    files: list[str] = field(default_factory=list)
    wanted: dict[Identity, dict[str, str]] = field(default_factory=dict)
    known: dict[Identity, list[str]] = field(default_factory=dict)

    @staticmethod
    def among(paths: Sequence[str | Path]) -> Ids:
        """Return what the arguments mean; a file that is also named as a whole is taken whole."""
        made, whole = Ids(), []
        for path in map(str, paths):
            file, separator, name = path.partition(SEPARATOR)
            single = separator and not os.path.lexists(path) and (file == STDIN or os.path.isfile(file))
            if not single:
                whole.append(path)
                made.files.append(path)
                continue
            made.files.append(file)
            made.wanted.setdefault(identity(file), {})[printable(name)] = file
        for name, _ in find(whole, []) if made.wanted else ():
            made.wanted.pop(identity(name), None)
        return made

    def chosen(self, file: str, checks: Sequence[Check]) -> list[Check]:
        """Return the checks of a file that are meant."""
        key = identity(file)
        if key not in self.wanted:
            return list(checks)
        self.known[key] = [one.name for one in checks]
        return [one for one in checks if one.name in self.wanted[key]]

    def unknown(self) -> list[Problem]:
        """Return what is said of the names that no check of their file bears."""
        return [
            Problem(_said(name, self.known[key]), file)
            for key, names in self.wanted.items()
            for name, file in names.items()
            if key in self.known and name not in self.known[key]
        ]


def _said(name: str, known: Sequence[str]) -> str:
    closest = nearest(name, list(known))
    hint = f"did you mean `{closest}`?" if closest else "--collect-only lists the checks"
    return f"no check is called {name}\n{hint}"
