"""The pytest plugin: `pytest --gradcheck` collects checks from expression files, the fixture `gradcheck` is one.

Every pytest run loads this file, so all else is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.batch import Examiner
    from gradcheck.errors import Option
    from gradcheck.outcome import Run
    from gradcheck.report.finding import Finding
    from gradcheck.settings import Settings
    from gradcheck.suite import Check, Result

EXAMINER: pytest.StashKey[Examiner] = pytest.StashKey()
"""What runs the checks of a session, once it has run one."""
OPTIONS = ("at", "assert", "dtype", "timeout", "trust")
"""The options of the command that pytest has too, by the name of the plugin."""


# --- options --------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the keys of the configuration."""
    group = parser.getgroup("gradcheck", "gradients of PyTorch against proven enclosures")
    flag = {"action": "store_true", "default": False}
    group.addoption("--gradcheck", help="collect the checks of expression files", **flag)
    group.addoption("--gradcheck-at", metavar="POINT", action="append", help="points of checks that state none")
    group.addoption("--gradcheck-assert", help="fail on whatever is not shown to be right", **flag)
    group.addoption("--gradcheck-dtype", metavar="DTYPE,...", help="dtypes of checks that state none (float32)")
    limit = "how long a check of a file may take (60); 0 runs it in pytest's own process, without limit"
    group.addoption("--gradcheck-timeout", metavar="SECONDS", type=float, help=limit)
    group.addoption("--gradcheck-trust", help="let expression files read points from files beside them", **flag)
    parser.addini("gradcheck_files", "patterns of expression files", type="args", default=["*.toml", "*.txt"])
    parser.addini("gradcheck_at", "as --gradcheck-at, one a line", type="linelist", default=[])
    parser.addini("gradcheck_assert", "as --gradcheck-assert", type="bool", default=False)
    parser.addini("gradcheck_dtype", "as --gradcheck-dtype", type="string", default="float32")
    parser.addini("gradcheck_timeout", "as --gradcheck-timeout", type="string", default="60")
    parser.addini("gradcheck_trust", "as --gradcheck-trust", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse settings that make no sense before anything is collected."""
    if not config.getoption("gradcheck"):
        return
    from gradcheck.errors import GradcheckError

    try:
        _settings(config).validate(())
        _seconds(config)
    except GradcheckError as problem:
        raise pytest.UsageError(str(problem)) from None


def _settings(config: pytest.Config) -> Settings:
    from gradcheck.settings import Settings

    return Settings(dtypes=_words(_value(config, "gradcheck_dtype")), assertion=_value(config, "gradcheck_assert"))


def _seconds(config: pytest.Config) -> float | None:
    """Return how long a check may take; None where it runs in pytest's own process."""
    from gradcheck.batch.options import BatchOptions
    from gradcheck.errors import UsageProblem

    given = config.getoption("gradcheck_timeout")
    try:
        seconds = float(config.getini("gradcheck_timeout") if given is None else given)
    except ValueError:
        raise UsageProblem("gradcheck_timeout is a number of seconds") from None
    return BatchOptions(timeout=seconds or None).timeout


def _value(config: pytest.Config, name: str) -> Any:
    """Return what the command line says, or else the configuration."""
    return config.getoption(name) or config.getini(name)


def _words(texts: str | Sequence[str]) -> tuple[str, ...]:
    """Return the words of one text or of several, with commas between them, each once.

    >>> _words("float64, bfloat16"), _words(["x", "y,x"])
    (('float64', 'bfloat16'), ('x', 'y'))
    """
    listed = [texts] if isinstance(texts, str) else texts
    words = [word.strip() for text in listed for word in text.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


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

        at, trust = (_value(self.config, f"gradcheck_{name}") for name in ("at", "trust"))
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

    return as_option(replace(option, name=f"gradcheck-{option.name}") if option.name in OPTIONS else option)


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
        from gradcheck.report.finding import details, find

        seconds = _seconds(self.config)
        try:
            found = find(_result(self.check) if seconds is None else _examiner(self.config, seconds).run(self.check))
        except KeyboardInterrupt as interrupt:  # pytest reads the source of every file of a traceback before it ends
            raise interrupt.with_traceback(None) from None
        self.user_properties += _properties(found)
        if not found.result.passed:
            pytest.fail(details(found), pytrace=False)
        if not found.plain:
            self.add_report_section("call", "gradcheck", details(found))

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


def _properties(found: Finding) -> list[tuple[str, object]]:
    """Return what JUnit XML is to say of a check: plain texts and numbers, which travel between processes."""
    ulps = [] if found.ulps is None else [("worst_ulps", found.ulps)]
    cause = [] if found.blame is None else [("cause", found.blame.cause.value)]
    return [("verdict", found.verdict.value), *ulps, *cause]


# --- the fixture ----------------------------------------------------------------------------------


@pytest.fixture(name="gradcheck", scope="session")
def gradcheck_fixture() -> Callable[..., Run]:
    """Check a gradient: `gradcheck("x**2", x=3)` fails the test with the report where torch is not right."""
    return check_gradient


def check_gradient(  # noqa: PLR0913 - one parameter a setting
    program: str,
    at: str | Sequence[str] | Mapping[str, object] | None = None,
    *,
    dtype: str | Sequence[str] = "float32",
    device: str = "cpu",
    ulps: float | None = None,
    wrt: str | Sequence[str] | None = None,
    expect: str | Sequence[str] | None = None,
    assertion: bool = True,
    allow: str | Sequence[str] = (),
    under_test: Mapping[str, Callable[..., Any]] | None = None,
    **points: object,
) -> Run:
    """Return the run of one program, as ``gradcheck.check`` does, unless something in it fails.

    ``at`` and ``points`` say where, as there. All else is as the options of the command: dtypes, the device, the
    tolerance in ULP, the inputs to differentiate by, the derivative that you believe in, verdicts that pass all the
    same. With ``assertion``, the default, whatever is not shown to be right fails. ``under_test`` holds your own
    functions by the names of the operations that they stand for. Raises AssertionError with the printed report, and
    GradcheckError for a program or a point that cannot be understood.
    """
    __tracebackhide__ = True
    from gradcheck import case
    from gradcheck.errors import GradcheckError
    from gradcheck.settings import Settings

    settings = Settings(
        dtypes=_words(dtype), device=device, ulps=ulps,
        wrt=None if wrt is None else _words(wrt), expect=(expect,) if isinstance(expect, str) else tuple(expect or ()),
        assertion=assertion, allow=_words(allow), under_test=under_test or {},
    )  # fmt: skip
    try:
        run = case.check(program, at, settings=settings, **points)
    except GradcheckError as problem:
        raise problem.with_traceback(None) from None
    if not run.passed:
        raise AssertionError(_report(program, run, settings))
    return run


def _report(program: str, run: Run, settings: Settings) -> str:
    """Return the worst element in one line, and below it what the command prints."""
    from io import StringIO

    from gradcheck.report import View, table
    from gradcheck.report.finding import find
    from gradcheck.suite import Check, Result

    found = find(Result(Check(program, program, (), settings), run))
    file = StringIO()
    table.write(run, file, View(color=False))
    where = f" at {found.where}" if found.where else ""
    return f"{found.label}{where}: {found.message}\n\n{file.getvalue()}".rstrip()
