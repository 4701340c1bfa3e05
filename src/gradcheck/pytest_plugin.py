"""The pytest plugin: `pytest --gradcheck` collects checks from expression files, the fixture `gradcheck` is one.

Every pytest run loads this file, so all else is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.batch import Examiner
    from gradcheck.errors import Option
    from gradcheck.outcome import Run
    from gradcheck.report.diagnostic import Diagnostic
    from gradcheck.settings import Settings
    from gradcheck.suite import Check, Result

EXAMINER: pytest.StashKey[Examiner] = pytest.StashKey()
"""What runs the checks of a session, once it has run one."""


# --- options --------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the keys of the configuration."""
    from gradcheck.settings.kinds import Form
    from gradcheck.settings.table import Place, settings_of

    group = parser.getgroup("gradcheck", "gradients of PyTorch against proven enclosures")
    group.addoption("--gradcheck", help="collect the checks of expression files", action="store_true", default=False)
    parser.addini("gradcheck_files", "patterns of expression files", type="args", default=["*.toml", "*.txt"])
    for row in settings_of(Place.PYTEST):
        option, same = f"--gradcheck-{row.name}", f"as --gradcheck-{row.name}"
        words = f"{row.help} For checks that state none." if Place.FILE in row.at else row.help
        if row.kind.form is Form.FLAG:
            group.addoption(option, help=words, action="store_true", default=False)
            parser.addini(f"gradcheck_{row.name}", same, type="bool", default=False)
        elif row.kind.form in {Form.TEXTS, Form.WORDS}:
            group.addoption(option, help=words, metavar=row.metavar, action="append")
            parser.addini(f"gradcheck_{row.name}", same, type="linelist", default=[row.default] if row.default else [])
        else:
            group.addoption(option, help=words, metavar=row.metavar)
            parser.addini(f"gradcheck_{row.name}", same, type="string", default=row.default)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse settings that make no sense before anything is collected."""
    if not config.getoption("gradcheck"):
        return
    from gradcheck.errors import GradcheckError

    try:
        _settings(config).validate(())
        _said(config, "timeout")
    except GradcheckError as problem:
        raise pytest.UsageError(problem.text(_as_option)) from None


def _settings(config: pytest.Config) -> Settings:
    from gradcheck.settings import Settings
    from gradcheck.settings.table import Place, settings_of

    fields = {row.field: _said(config, row.name) for row in settings_of(Place.PYTEST) if row.field is not None}
    return Settings(**{field: value for field, value in fields.items() if value is not None})


def _said(config: pytest.Config, name: str) -> Any:
    """Return what the command line says of a setting, or else the configuration; raises UsageProblem."""
    from gradcheck.settings.table import Place, named

    given = config.getoption(f"gradcheck_{name}")
    return named(Place.PYTEST)[name].read(given or config.getini(f"gradcheck_{name}"))


# --- expression files -----------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CheckFile | None:
    """Return the collector of an expression file: any that is named, and those that are meant as such."""
    if not parent.config.getoption("gradcheck"):
        return None
    from gradcheck.corpus.files import SUFFIXES

    if not file_path.name.lower().endswith(SUFFIXES):
        return None
    if not parent.session.isinitpath(file_path) and not _meant(file_path, parent.config.getini("gradcheck_files")):
        return None
    return CheckFile.from_parent(parent, path=file_path)


def _meant(path: Path, patterns: Sequence[str]) -> bool:
    """Tell whether a file that nobody named holds checks; one that cannot be read is to say so itself."""
    from gradcheck.corpus.files import read
    from gradcheck.corpus.page import Page
    from gradcheck.corpus.tables import holds_checks
    from gradcheck.errors import GradcheckError

    if not any(path.match(pattern) for pattern in patterns):
        return False
    try:
        page = Page(str(path), read(str(path)))
    except GradcheckError:
        return True
    if path.suffix.lower() == ".toml":
        return holds_checks(page)
    return any(line.strip() and not line.strip().startswith("#") for line in page.text.split("\n"))


class CheckFile(pytest.File):
    """An expression file: a collector of its checks."""

    def collect(self) -> list[CheckItem]:
        """Return an item for each check; a mistake in the file is an error of the collection, told in full."""
        from gradcheck.corpus import load
        from gradcheck.report.words import relative

        at, trust = _said(self.config, "at") or (), _said(self.config, "trust")
        loaded = load(
            [relative(str(self.path))], at=at, settings=_settings(self.config), trust=trust, dialect=_as_option
        )
        if loaded.problems:
            raise self.CollectError("\n".join(loaded.problems))
        return [self._item(check) for check in loaded.checks]

    def _item(self, check: Check) -> CheckItem:
        # With its id as text a name such as `x[0]` is found again: pytest reads it as it will from its cache.
        return CheckItem.from_parent(self, name=check.name, nodeid=f"{self.nodeid}::{check.name}", check=check)


def _as_option(option: Option) -> str:
    """Return an option of the command as the plugin calls it, where it has it.

    >>> from gradcheck.errors import Option
    >>> _as_option(Option("at", "x=2")), _as_option(Option("seed", "1"))
    ('--gradcheck-at x=2', '--seed 1')
    """
    from gradcheck.errors import as_option
    from gradcheck.settings.table import Place, named

    ours = option.name in named(Place.PYTEST)
    return as_option(replace(option, name=f"gradcheck-{option.name}") if ours else option)


class CheckItem(pytest.Item):
    """One check of an expression file."""

    def __init__(self, *, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self.check = check

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the file, the line counted from 0, and the name."""
        return self.path, None if self.check.line is None else self.check.line - 1, self.name

    def runtest(self) -> None:
        """Run the check; where it fails, the test fails with all there is to say about it, and no traceback."""
        from gradcheck.report.diagnostic import diagnostic

        seconds = _said(self.config, "timeout")
        try:
            result = _result(self.check) if seconds is None else _examiner(self.config, seconds).run(self.check)
        except KeyboardInterrupt as interrupt:  # pytest reads the source of every file of a traceback before it ends
            raise interrupt.with_traceback(None) from None
        found = diagnostic(result)
        self.user_properties += _properties(found)
        if found.failed:
            pytest.fail(found.text, pytrace=False)
        if not found.plain:
            self.add_report_section("call", "gradcheck", found.text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the failure as pytest shows it, at the place of the check and not of the line above that raises it."""
        shown: Any = super().repr_failure(excinfo, style)
        crash = getattr(shown, "reprcrash", None)
        if isinstance(excinfo.value, pytest.fail.Exception) and crash is not None:
            crash.path, crash.lineno = str(self.path), self.check.line or 1
        return shown


def _examiner(config: pytest.Config, seconds: float) -> Examiner:
    """Return what runs the checks of this session in a worker, which their time and Ctrl-C end whatever they do."""
    if EXAMINER not in config.stash:
        from gradcheck.batch import examiner

        config.stash[EXAMINER] = made = examiner(seconds)
        config.add_cleanup(made.close)
    return config.stash[EXAMINER]


def _result(check: Check) -> Result:
    from gradcheck.batch.examine import examine
    from gradcheck.errors import GradcheckError
    from gradcheck.suite import Problem, Result

    try:
        run, unmet = examine(check)
    except GradcheckError as refused:
        return Result(check, None, Problem(str(refused)))
    return Result(check, run, unmet=unmet)


def _properties(found: Diagnostic) -> list[tuple[str, object]]:
    """Return what JUnit XML is to say of a check: plain texts and numbers, which travel between processes."""
    blame = None if found.element is None else found.element.blame
    ulps = [] if found.numbers.ulps is None else [("worst_ulps", found.numbers.ulps)]
    cause = [] if blame is None else [("cause", blame.cause.value)]
    return [("verdict", found.verdict.value), *ulps, *cause]


# --- the fixture ----------------------------------------------------------------------------------


@pytest.fixture(name="gradcheck", scope="session")
def gradcheck_fixture() -> Callable[..., Run]:
    """Check a gradient: `gradcheck("x**2", x=3)` fails the test with the report where torch is not right."""
    return check_gradient


def check_gradient(program: str, /, *at: object, assertion: bool = True, **given: Any) -> Run:
    """Return the run of one program, as ``gradcheck.check`` does, unless something in it fails.

    All is given as there: the points, and the settings as keywords. With ``assertion``, the default here, whatever is
    not shown to be right fails. ``under_test`` holds your own functions by the names of the operations that they stand
    for. Raises AssertionError with the printed report, and GradcheckError for a program or a point that cannot be
    understood.
    """
    __tracebackhide__ = True
    from gradcheck import case
    from gradcheck.errors import GradcheckError

    try:
        run = case.check(program, *at, assertion=assertion, **given)
    except GradcheckError as problem:
        raise problem.with_traceback(None) from None
    if not run.passed:
        raise AssertionError(_report(program, run))
    return run


def _report(program: str, run: Run) -> str:
    """Return the worst element in one line, and below it what the command prints."""
    from io import StringIO

    from gradcheck.report import View, table
    from gradcheck.report.diagnostic import diagnostic
    from gradcheck.settings import Settings
    from gradcheck.suite import Check, Result

    found = diagnostic(Result(Check(program, program, (), Settings()), run))
    file = StringIO()
    table.write(run, file, View(color=False))
    where = f" at {found.where}" if found.where else ""
    return f"{found.label}{where}: {found.message}\n\n{file.getvalue()}".rstrip()
