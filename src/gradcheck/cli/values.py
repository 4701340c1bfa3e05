"""A command whose plain values need no converter: typer's own loads pydantic, which takes as long as all the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from typer.core import TyperCommand

from gradcheck.cli import LISTED

OTHER = object()
"""Stands for a value that is not plain."""


class Command(TyperCommand):
    """A command of typer's that converts plain values itself, to what typer would make of them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, that of --help among them."""
        parameters = super().get_params(ctx)
        for one in parameters:
            _quicken(one)
        return parameters


class Overview(Command):
    """The command that is one program, whose help begins with an example of every command."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does, and the commands."""
        super().format_help_text(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(one.example, one.meaning) for one in LISTED.values()], col_max=40)


@dataclass(frozen=True, slots=True)
class _Converter:
    """What typer asks for a parameter's value: its own converter is made for a value that is not plain."""

    annotation: object
    own: Callable[[], Any]

    def coerce(self, value: object, param: Any, ctx: Any) -> object:
        several = bool(getattr(param, "multiple", False)) or param.nargs == -1
        found = plain(self.annotation, value, several)
        return self.own().coerce(value, param=param, ctx=ctx) if found is OTHER else found


def _quicken(parameter: Any) -> None:
    """Let a parameter convert plain values here; a typer that has no such converters needs no pydantic either."""
    # Parameters are asked for more than once, and then have a converter of ours already.
    own = getattr(parameter, "get_runtime_param", None)
    if inspect.ismethod(own):
        converter = _Converter(parameter.type_descriptor.annotation, own)
        parameter.get_runtime_param = lambda: converter


def plain(annotation: object, value: object, several: bool = False) -> object:
    """Return the value of a parameter of a type: texts, words of an enum, nothing, and what has the type already.

    Only defaults and counts have it already, so that they need not be held against bounds: the command line has texts.

    Returns OTHER for all else, numbers and files among them, and for whatever is wrong.

    >>> plain(str, "2"), plain(list[str], ["1", "2"]), plain(int, 3), plain(list[str], None, several=True)
    ('2', ['1', '2'], 3, ())
    >>> plain(float, "2") is OTHER
    True
    """
    if value is None:
        return () if several else None
    if annotation == list[str]:
        texts = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        return list(value) if texts else OTHER  # type: ignore[call-overload]
    if not isinstance(annotation, type):
        return OTHER
    if type(value) is annotation:
        return value
    if issubclass(annotation, Enum):
        return next((one for one in annotation if one.value == value), OTHER)
    return OTHER
