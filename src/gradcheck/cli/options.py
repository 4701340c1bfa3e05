"""Options of the commands, made from the table of settings, and what they are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradcheck.cli.config import Project
from gradcheck.cli.values import Command
from gradcheck.report import View
from gradcheck.report.reporters import EXPLANATION, NEST, RESULTS, names
from gradcheck.settings.kinds import Form
from gradcheck.settings.table import Place, Setting, settings_of

if TYPE_CHECKING:
    from gradcheck.settings import Settings

# Help is plain text: that is twice as quick as panels, reads the same in a log, and wraps at any width.
APP = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}
CONTEXT = {"help_option_names": ["-h", "--help"]}


class Color(StrEnum):
    """When a report is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


SHADES = {Color.AUTO: None, Color.ALWAYS: True, Color.NEVER: False}


@dataclass(frozen=True, slots=True)
class Given:
    """What a command is given, by the names of the settings: by the command line, by the project, or by nobody.

    ``spoken`` are those that the command line says, ``written`` those that the settings of the project say.
    """

    values: Mapping[str, Any]
    fields: Mapping[str, str]
    spoken: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    project: Project = Project()  # noqa: RUF009 - frozen

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def settings(self) -> Settings:
        """Return how to check."""
        from gradcheck.settings import Settings

        found = {field: self.values[name] for name, field in self.fields.items()}
        return Settings(**{field: value for field, value in found.items() if value is not None})

    @property
    def at(self) -> tuple[str, ...]:
        """Return the points, as texts."""
        return self.values["at"] or ()

    @property
    def color(self) -> Color:
        """Return when to colour."""
        return Color(self.values["color"])

    @property
    def view(self) -> View:
        """Return how much to show, and how."""
        shown = {key: self.values.get(key) or False for key in ("all", "quiet", "assert")}
        return View(
            everything=shown["all"], quiet=shown["quiet"] or shown["assert"], verbose=self.values.get("verbose") or 0,
            color=SHADES[self.color],
        )  # fmt: skip

    @property
    def said(self) -> tuple[str, ...]:
        """Return in words what describes the checks and comes from the project, for the summary of a run."""
        words = [self.project.words[name] for name in sorted(self.written) if name in self.project.words]
        return (f"settings of {self.project.file}: {', '.join(words)}",) if words else ()


Run = Callable[..., None]


def command(
    app: typer.Typer, name: str, place: Place, cls: type[Command] = Command, **more: Any
) -> Callable[[Run], Run]:
    """Return a decorator that makes a command of a function of what is Given, and of its own arguments.

    The command has the options that the table of settings has for its place.
    """
    rows = settings_of(place)

    def decorate(function: Run) -> Run:
        def run(context: typer.Context, **values: Any) -> None:
            arguments = {key: values.pop(key) for key in own}
            function(_given(rows, context, values), **arguments)

        own = {key: one for key, one in inspect.signature(function, eval_str=True).parameters.items() if key != "given"}
        first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        arguments = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own.values()]
        # Help has them in this order: the arguments, the options of the table, and the options of the function.
        parameters = [*arguments[:1], *map(_parameter, rows), *arguments[1:]]
        run.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
        run.__doc__ = function.__doc__
        app.command(name, cls=cls, context_settings=CONTEXT, **more)(run)
        return function

    return decorate


def _given(rows: Sequence[Setting], context: typer.Context, values: Mapping[str, Any]) -> Given:
    """Return what a command is given; the command line wins. Raises UsageProblem for a value that makes no sense."""
    project: Project = context.obj or Project()
    spoken = {row.name for row in rows if _is_spoken(context, row)}
    written = {row.name for row in rows if row.name in project.values and row.name not in spoken}
    found = {
        row.name: project.values[row.name] if row.name in written else row.read(values[row.parameter]) for row in rows
    }
    fields = {row.name: row.field for row in rows if row.field is not None}
    return Given(found, fields, frozenset(spoken), frozenset(written), project)


def _is_spoken(context: typer.Context, row: Setting) -> bool:
    return getattr(context.get_parameter_source(row.parameter), "name", "") == "COMMANDLINE"


def _words(row: Setting) -> Sequence[str]:
    """Return the words that a setting may have, where there are but a few."""
    if row.name == "format":
        return names(_formats(row))
    return row.kind.among


def _completion(row: Setting) -> Callable[[str], list[str]] | None:
    """Return what gives the words that a begun one may become; of several with commas it is the last."""
    among = _words(row)

    def completed(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{word}" for word in among if word.startswith(last)]

    return completed if among else None


def _metavar(row: Setting) -> str | None:
    """Return what stands for the value in the help: the words, where these are few."""
    if not row.metavar and _words(row):
        return f"[{'|'.join(_words(row))}]"
    return "" if row.kind.form is Form.COUNT else row.metavar or None


def _formats(row: Setting) -> str:
    """Return what the formats of an option are of."""
    return EXPLANATION if Place.EXPLAIN in row.at else NEST if Place.NEST in row.at else RESULTS


def _parameter(row: Setting) -> inspect.Parameter:
    """Return an option as the parameter that typer makes it from."""
    kind, default = _types(row)
    names = [*(one for one in row.shorts if row.kind.form is not Form.FLAG), row.option]
    if row.kind.form is Form.FLAG:
        # A flag that a file may raise can be taken back.
        long = [one for one in (row.option, *row.shorts) if one.startswith("--")]
        names = [*(f"{one}/--no-{one[2:]}" for one in long), *(one for one in row.shorts if one not in long)]
    info = typer.Option(
        *names, help=row.help, show_default=row.default is not None,
        metavar=_metavar(row), count=row.kind.form is Form.COUNT, autocompletion=_completion(row),
    )  # fmt: skip
    return inspect.Parameter(
        row.parameter, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _types(row: Setting) -> tuple[Any, Any]:
    """Return the type of an option's value and its default: texts, which the rows read, flags and counts."""
    match row.kind.form:
        case Form.FLAG:
            return bool, False
        case Form.COUNT:
            return int, 0
        case Form.WORDS | Form.TEXTS:
            return list[str] | None, None if row.default is None else [row.default]
    return (str | None, None) if row.default is None else (str, row.default)
