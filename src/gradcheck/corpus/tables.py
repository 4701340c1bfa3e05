"""A TOML file of checks: every table of it read, all mistakes told."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from gradcheck.corpus.definitions import Definition, complete, order, signature
from gradcheck.corpus.fields import CHECK, EXPECT, OWN
from gradcheck.corpus.limits import MAX_CHECKS, MAX_DEFINITIONS, MAX_NESTING
from gradcheck.corpus.naming import Namer
from gradcheck.corpus.page import Page, as_key
from gradcheck.corpus.places import Key, Place, nearest_place, places
from gradcheck.corpus.trial import Draft, Trial
from gradcheck.errors import GradcheckError, LimitProblem, NameProblem, Span, SyntaxProblem, UsageProblem, printable
from gradcheck.functions import nearest
from gradcheck.points import Files
from gradcheck.settings import Settings
from gradcheck.settings.readers import text
from gradcheck.settings.values import Real, kind
from gradcheck.suite import Check, Expectation, Written

T = TypeVar("T")
TOP = ("check", "defaults", "define")
_DECODED = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a file is read: the command line's points and settings, and the files its own points may read."""

    at: tuple[str, ...]
    settings: Settings
    files: Files
    directory: Path | None


def holds_checks(page: Page) -> bool:
    """Tell whether a text is meant as a TOML file of checks."""
    return re.search(r"^\s*\[\[\s*[\"']?check[\"']?\s*\]\]", page.text, re.MULTILINE) is not None


def read_tables(page: Page, terms: Terms, named: bool) -> list[Check]:
    """Return the checks of a TOML text; its page gets the problems.

    A file that the user did not name may be somebody else's: without the key ``check`` nothing is said of it.
    """
    page.dialect = as_key(page.dialect)
    try:
        found = places(page.text)
        document = _document(page.text)
    except GradcheckError as error:
        page.refuse(error, error.span or Span(0, 0))
        return []
    if "check" not in document and not named:
        return []
    return _Reader(page, terms, found, document).checks()


def _document(toml: str) -> dict[str, Any]:
    try:
        return tomllib.loads(toml, parse_float=Real)
    except tomllib.TOMLDecodeError as error:
        raise _explained(toml, str(error)) from None
    except RecursionError:
        raise LimitProblem(f"lists and tables nest at most {MAX_NESTING} deep (the limit MAX_NESTING)") from None
    except ValueError:  # a whole number of more digits than Python converts
        raise _too_long(toml) from None


def _too_long(toml: str) -> LimitProblem:
    number = re.search(r"(?<![\w.])[+-]?[0-9][0-9_]{4000,}", toml)
    span = Span(*number.span()) if number else Span(0, 1)
    hint = 'write it as a text with an exponent: "1e5000"'
    return LimitProblem("this whole number has too many digits", source=toml, span=span, hint=hint)


def _explained(toml: str, said: str) -> SyntaxProblem:
    """Return what tomllib says, at the place where it says it."""
    match = _DECODED.fullmatch(said)
    message = match[1] if match else said
    if match and match[2]:
        line, column = int(match[2]), int(match[3])
        at = sum(len(one) + 1 for one in toml.split("\n")[: line - 1]) + column - 1
        place = f"column {column}"
    else:
        at, place = max(len(toml.rstrip()) - 1, 0), "the end"
    hint = 'a text stands in quotes: expression = "x**2"' if message == "Invalid value" else None
    words = f"not valid TOML at {place}: {message[:1].lower()}{message[1:]}"
    return SyntaxProblem(words, source=toml, span=Span(at, at + 1), hint=hint)


class _Reader:
    """Reads one document; the state is what its checks share."""

    def __init__(self, page: Page, terms: Terms, found: Mapping[Key, Place], document: dict[str, Any]) -> None:
        self.page = page
        self.terms = terms
        self.places = found
        self.document = document
        self.trial = Trial()
        self.names = Namer()

    def checks(self) -> list[Check]:
        self._check_keys((), self.document, TOP)
        tables = self._tables()
        defaults = self._table(("defaults",), self.document.get("defaults", {}))
        self.trial.definitions = self._definitions()
        shared = self._values(("defaults",), defaults, own=False)
        self.names.claim(table.get("name") for table in tables)
        made = (self._check(k, table, shared) for k, table in enumerate(tables) if self._goes_on)
        return [check for check in made if check is not None]

    @property
    def _goes_on(self) -> bool:
        return not self.trial.allowance.spent and not self.page.full

    # --- problems ---

    def refuse(self, error: GradcheckError, way: Key, *, at_key: bool = False) -> None:
        place = nearest_place(self.places, way)
        span = place.key if place.value is None or (at_key and way in self.places) else place.value
        self.page.refuse(error, span, self._line(error, place))

    def _line(self, error: GradcheckError, place: Place) -> int | None:
        """Return the line of the file that holds the line an error shows, where its text has several."""
        raw = "" if place.value is None else self.page.text[place.value.start : place.value.end]
        if place.value is None or error.span is None or not error.source or raw[:3] not in ('"""', "'''"):
            return None
        lines = raw.split("\n")
        first = next((k for k, line in enumerate(lines) if line.strip("\"' \t\f;")), 0)
        row = first + error.source.count("\n", 0, error.span.start)
        return self.page.line(place.value.start) + min(row, len(lines) - 1)

    def _try(self, read: Callable[[Any], T], value: Any, way: Key) -> T | None:
        try:
            return read(value)
        except GradcheckError as error:
            self.refuse(error, way)
            return None

    def _check_keys(self, way: Key, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if self.page.full:
                break
            if key not in known:
                closest = nearest(key[:100], list(known))
                hint = f"did you mean `{closest}`?" if closest else f"the keys here are {', '.join(known)}"
                error = NameProblem(f"unknown key `{printable(key[:100])}`", hint=hint)
                self.refuse(error, (*way, key), at_key=True)

    # --- tables ---

    def _tables(self) -> list[dict[str, Any]]:
        checks = self.document.get("check", [])
        if not isinstance(checks, list) or not all(isinstance(one, dict) for one in checks):
            hint = "write [[check]] above the keys of each check"
            self.refuse(UsageProblem("check is a list of tables", hint=hint), ("check",), at_key=True)
            return []
        if len(checks) > MAX_CHECKS:
            message = f"a file has at most {MAX_CHECKS:,} checks (the limit MAX_CHECKS)"
            self.refuse(LimitProblem(message), ("check",), at_key=True)
            return []
        if not checks:
            self.refuse(UsageProblem("this file has no check", hint="begin each check with [[check]]"), ("check",))
        return checks

    def _table(self, way: Key, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.refuse(UsageProblem(f"expected a table, not {kind(value)}"), way)
        return {}

    def _values(self, way: Key, table: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
        """Return the values of a table that are right, as what they mean."""
        rows = {key: row for key, row in CHECK.items() if own or key not in OWN}
        self._check_keys(way, table, [*rows, "expect"])
        values = {key: self._try(row.kind.read, table[key], (*way, key)) for key, row in rows.items() if key in table}
        if "expect" in table:
            values["expect"] = self._expect((*way, "expect"), table["expect"])
        return values

    def _expect(self, way: Key, value: Any) -> dict[str, Any]:
        table = self._table(way, value)
        self._check_keys(way, table, list(EXPECT))
        rows = EXPECT.items()
        return {key: self._try(row.kind.read, table[key], (*way, key)) for key, row in rows if key in table}

    # --- definitions ---

    def _definitions(self) -> dict[str, Definition]:
        table = self._table(("define",), self.document.get("define", {}))
        announced = self._announced(table)
        bodies = {name: body for name, (_, body) in announced.items() if body is not None}
        sequence, circular = order(bodies)
        made = {name: definition for name, (definition, _) in announced.items()}
        for name in circular:
            error = NameProblem(f"the definition of {name} uses itself")
            self.refuse(error, ("define", self.keys[name]))
        for name in sequence:
            if name not in circular and self._goes_on:
                made[name] = self._definition(made[name], bodies[name], made)
        return made

    def _announced(self, table: Mapping[str, Any]) -> dict[str, tuple[Definition, str | None]]:
        """Return the functions with their expressions, before any is read."""
        self.keys: dict[str, str] = {}
        announced: dict[str, tuple[Definition, str | None]] = {}
        if len(table) > MAX_DEFINITIONS:
            message = f"a file has at most {MAX_DEFINITIONS:,} definitions (the limit MAX_DEFINITIONS)"
            self.refuse(LimitProblem(message), ("define",), at_key=True)
            return {}
        for key, value in table.items():
            try:
                definition = signature(key)
                if definition.name in announced:
                    raise NameProblem(f"{definition.name} is defined twice")
            except GradcheckError as error:
                self.refuse(error, ("define", key), at_key=True)
                continue
            self.keys[definition.name] = key
            announced[definition.name] = definition, self._try(text, value, ("define", key))
        return announced

    def _definition(self, announced: Definition, body: str, made: Mapping[str, Definition]) -> Definition:
        try:
            definition = complete(announced, body, made)
            self.trial.allowance.read(body)  # which is read once more
            self.trial.allowance.read("".join(map(str, definition.pieces or ())))
        except GradcheckError as error:
            self.refuse(error, ("define", self.keys[announced.name]))
            return announced
        return definition

    # --- checks ---

    def _check(self, k: int, table: Mapping[str, Any], shared: Mapping[str, Any]) -> Check | None:
        """Return one check, unless anything about it is wrong."""
        way: Key = ("check", k)
        known = len(self.page.problems)
        own = self._values(way, table, own=True)
        values = {**shared, **own}
        line = self.page.line(nearest_place(self.places, way).key.start)
        self._check_name(own.get("name"), line, way)
        if "expression" not in table:
            error = UsageProblem("this check has no expression", hint='add expression = "x**2"')
            self.refuse(error, way, at_key=True)
        if own.get("expression") is None:
            return None
        draft = self.trial.run(self._draft(values), lambda error, key: self._refuse_draft(error, key, way))
        if len(self.page.problems) > known or draft.at is None:
            return None
        expected = values.get("expect", {})
        return Check(
            own.get("name") or self.names.name(own["expression"]), draft.program, draft.at, draft.settings,
            self.page.path, line, Expectation(draft.value, expected.get("verdict"), expected.get("cause")),
            values.get("source"), values.get("why"), values.get("timeout"), self._written((*way, "expression")),
        )  # fmt: skip

    def _written(self, way: Key) -> Written | None:
        """Return the text of a value as it stands in the file, without its quotes; None for one inside of a value."""
        place = self.places.get(way)
        if place is None or place.value is None:
            return None
        raw = self.page.text[place.value.start : place.value.end]
        quotes = raw[:3] if raw[:3] in ('"""', "'''") else raw[:1]
        return self.page.written(raw.removeprefix(quotes).removesuffix(quotes), place.value)

    def _check_name(self, name: str | None, line: int, way: Key) -> None:
        before = None if name is None else self.names.take(name, line)
        if before is not None:
            self.refuse(NameProblem(f"the check of line {before} has this name too"), (*way, "name"))

    def _draft(self, values: Mapping[str, Any]) -> Draft:
        """Return the check's words and settings; where one is wrong the base stands for it."""
        given = {
            row.field: values[key]
            for key, row in CHECK.items()
            if row.field is not None and values.get(key) is not None
        }
        expected = values.get("expect", {})
        settings = replace(self.terms.settings, **given, expect=expected.get("gradient") or self.terms.settings.expect)
        at = values.get("at", self.terms.at)
        if "at" in values:
            settings = replace(settings, directory=self.terms.directory)
        points, weights = (self.terms.files if key in values else Files.ANY for key in ("at", "cotangent"))
        return Draft(
            values["expression"], at, settings, expected.get("value"), points, weights, self.terms.directory
        )  # fmt: skip

    def _refuse_draft(self, error: GradcheckError, key: str, way: Key) -> None:
        way = (*way, "expect", key) if key in EXPECT else (*way, key)
        self.refuse(error, way)
