"""Which tests try a change: those that call its function, cheap ones first, in turns of every kind of test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mutation.calls import Calls
from mutation.changes import Change

LOAD = 1.5
"""Seconds that one more test file takes to load."""


@dataclass(frozen=True)
class Chosen:
    """Tests in the order in which they try a change, and how long all of them should take."""

    tests: tuple[str, ...]
    seconds: float

    @property
    def files(self) -> list[str]:
        """Return the files of the tests."""
        return sorted({name.split("::")[0] for name in self.tests})


@dataclass(frozen=True)
class Tests:
    """What is known of the tests: what each calls, and which functions read a name."""

    calls: dict[str, Calls]
    readers: dict[str, set[str]]

    def choose(self, change: Change, seconds: float) -> Chosen:
        """Return the tests for a change; none where no test calls its function."""
        chosen, spent, files = list[str](), 0.0, set[str]()
        for name in _turns(change, self.touching(change)):
            file = name.split("::")[0]
            cost = self.calls[name].seconds + (file not in files) * LOAD
            if not chosen or spent + cost <= seconds:
                chosen.append(name)
                spent += cost
                files.add(file)
        return Chosen(tuple(chosen), spent)

    def touching(self, change: Change) -> dict[str, Calls]:
        """Return the tests that call the function, or one that reads what the statement binds."""
        if change.scope:
            functions = {f"{change.path}: {change.scope}"}
        else:
            functions = set().union(*(self.readers.get(name, ()) for name in change.names))
        found = {name: one for name, one in self.calls.items() if functions & one.functions}
        return found if found or change.scope else self.calls


def _turns(change: Change, tests: dict[str, Calls]) -> Iterable[str]:
    """Yield tests in turns: of every test function the one that fits best, then of every one the next."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in tests:
        kinds[name.split("[")[0]].append(name)
    for names in kinds.values():
        names.sort(key=lambda name: (not any(word in name for word in change.words), tests[name].seconds))
    turns = [
        (not any(word in name for word in change.words), turn, tests[name].seconds, name)
        for names in kinds.values()
        for turn, name in enumerate(names)
    ]
    return [name for *_, name in sorted(turns)]
