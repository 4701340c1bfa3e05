"""A plain text of checks: one program a line, at the points of the command line."""

from __future__ import annotations

from gradcheck.corpus.limits import MAX_CHECKS
from gradcheck.corpus.naming import Namer
from gradcheck.corpus.page import Page
from gradcheck.corpus.tables import Terms
from gradcheck.corpus.trial import Draft, Trial
from gradcheck.errors import GradcheckError, LimitProblem, Span, UsageProblem
from gradcheck.settings.readers import text
from gradcheck.suite import Check


def read_lines(page: Page, terms: Terms, named: bool) -> list[Check]:
    """Return a check for each line of a text that is neither blank nor a comment; its page gets the problems."""
    trial, namer = Trial(), Namer()
    checks: list[Check] = []
    start = 0
    for number, line in enumerate(page.text.split("\n"), 1):
        if page.full or trial.allowance.spent:
            break
        span = Span(start, start + len(line))
        start = span.end + 1
        if line.strip() and not line.strip().startswith("#"):
            if len(checks) == MAX_CHECKS:
                page.refuse(LimitProblem(f"a file has at most {MAX_CHECKS:,} checks (the limit MAX_CHECKS)"), span)
                break
            checks += _check(page, line.strip(), span, terms, trial, namer, number)
    if named and not checks and not page.problems:
        page.refuse(UsageProblem("this file has no program", hint="write one program a line"), Span(0, 0))
    return checks


def _check(page: Page, line: str, span: Span, terms: Terms, trial: Trial, namer: Namer, number: int) -> list[Check]:
    known = len(page.problems)
    try:
        draft = Draft(text(line), terms.at, terms.settings)
    except GradcheckError as error:
        page.refuse(error, span)
        return []
    trial.run(draft, lambda error, _key: page.refuse(error, span, number))
    if len(page.problems) > known:
        return []
    return [
        Check(namer.name(line), line, terms.at, terms.settings, page.path, number, written=page.written(line, span))
    ]
