"""Settings of a project: `gradcheck.toml`, or `[tool.gradcheck]` in `pyproject.toml`; the command line wins.

A pull request can change these files. So they describe the checks and how they look on a screen, and no more: what
decides between green and red, what is left out, and what is read and written where, comes from the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from gradcheck.errors import FileProblem, LimitProblem, UsageProblem, printable
from gradcheck.tree import read_plain, refuse_link, root

NAMES = ("gradcheck.toml", "pyproject.toml")
"""Files that may hold settings, the first one found wins; they are looked for up to the root of the repository."""
DESCRIBING = ("assert", "at", "device", "dtype", "seed", "ulps")
"""Settings that say what is checked; the summary of a run names those that come from a file."""
SHOWING = ("all", "color", "verbose")
"""Settings of how much is shown to people."""
SETTINGS = (*DESCRIBING, *SHOWING)
MAX_BYTES = 1_000_000
MAX_WHOLE = 2**63 - 1
MAX_VERBOSE = 9
MAX_SHOWN = 40
"""Characters of a key or a value in a message."""


def defaults(app: typer.Typer, others: Iterable[typer.Typer], directory: Path) -> tuple[str, dict[str, Any]]:
    """Return the name of a project's settings, and what they say about one command by the names of its parameters.

    ``others`` are further commands that have options of their own; they are looked at where a key is none.
    Raises FileProblem for a file that cannot be read, UsageProblem for a key that is no setting, or a
    value that it does not take.
    """
    path, found = settings_of(directory)
    if path is None:
        return "", {}
    for key in found:
        if key not in SETTINGS:
            raise _no_setting(path, key, {name for one in (app, *others) for name in _options(one)})
    options = _options(app)
    given = {options[key].name: _value(path, key, found[key], options[key]) for key in found if key in options}
    return path.name, given


def _no_setting(path: Path, key: str, options: set[str]) -> UsageProblem:
    if key in options:
        return UsageProblem(
            f"{path.name} cannot set {key}: a pull request can change that file",
            hint=f"write --{key} on the command line",
        )
    from gradcheck.functions import nearest

    closest = nearest(key[:MAX_SHOWN], sorted(SETTINGS))
    hint = f"did you mean `{closest}`?" if closest else f"it may have {', '.join(sorted(SETTINGS))}"
    return UsageProblem(f"{path.name} has an unknown setting: {_short(key)}", hint=hint)


def said(context: typer.Context) -> tuple[str, ...]:
    """Return in words what describes the checks of a command and comes from the settings, for its summary.

    ``context.obj`` is the name of their file.
    """
    found = [
        f"{word} {_shown(context.params[one.name])}"
        for word, one in sorted(_by_word(context.command).items())
        if word in DESCRIBING and getattr(context.get_parameter_source(one.name), "name", "") == "DEFAULT_MAP"
    ]
    return (f"settings of {context.obj}: {', '.join(found)}",) if found else ()


def _shown(value: Any) -> str:
    return _short(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def settings_of(directory: Path) -> tuple[Path | None, Mapping[str, Any]]:
    """Return the file with the settings and what it says: up to the root of the repository, if this is one."""
    top = root(directory)
    for place in (directory, *directory.parents):
        for name in NAMES:
            found = _table(place / name, top)
            if found is not None:
                return place / name, found
        if place == top:
            break
    return None, {}


def _table(path: Path, top: Path) -> Mapping[str, Any] | None:
    """Return the settings of a file; None for no file, and a pyproject that has none."""
    if not path.exists() and not path.is_symlink():
        return None
    import tomllib

    try:
        refuse_link(path, top)
        whole = tomllib.loads(read_plain(path, MAX_BYTES, "a file of settings").decode("utf-8"))
    except (FileProblem, LimitProblem, ValueError, RecursionError) as problem:  # TOML and UTF-8 are values
        raise FileProblem(f"cannot read {path}: {problem}") from None
    except OSError as problem:
        raise FileProblem(f"cannot read {path}: {problem.strerror or problem}") from None
    if path.name == NAMES[0]:
        return whole
    found = whole.get("tool", {}).get("gradcheck") if isinstance(whole.get("tool", {}), dict) else None
    if found is not None and not isinstance(found, dict):
        raise FileProblem(f"{path}: tool.gradcheck is no table")
    return found


def _options(app: typer.Typer) -> dict[str, Any]:
    """Return the parameters of a command by the long names of their options, without the dashes."""
    return _by_word(typer.main.get_command(app))


def _by_word(command: Any) -> dict[str, Any]:
    return {word[2:]: one for one in command.params for word in one.opts if word.startswith("--")}


def _value(path: Path, key: str, value: Any, option: Any) -> Any:
    """Return a value as the command line would have it; a point of the settings reads no file."""
    flag, several = bool(option.is_flag), bool(option.multiple)
    wanted = "true or false" if flag else "a text, a number, or a list of them" if several else "a text or a number"
    parts = value if isinstance(value, list) else [value]
    plain = all(isinstance(one, str | int | float) and isinstance(one, bool) is flag for one in parts)
    if any(isinstance(one, int) and abs(one) > MAX_WHOLE for one in parts):
        raise UsageProblem(f"{path.name}: {key} has a number that is too large")
    if not plain or (isinstance(value, list) and flag):
        raise UsageProblem(f"{path.name}: {key} is {wanted}, not {_short(_written(value))}")
    if option.count and value not in range(MAX_VERBOSE + 1):
        raise UsageProblem(f"{path.name}: {key} is a whole number from 0 to {MAX_VERBOSE}")
    if flag or option.count:
        return value
    texts = [str(one) for one in parts]
    if key == "at" and any("@" in text for text in texts):
        raise UsageProblem(f"{path.name}: a point of the settings reads no file", hint="write --at on the command line")
    return texts if several else ",".join(texts)


def _written(value: Any) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        return f"a {type(value).__name__}"


def _short(text: str) -> str:
    return printable(text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}...")
