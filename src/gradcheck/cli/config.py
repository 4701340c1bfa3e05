"""Settings of a project: `gradcheck.toml`, or `[tool.gradcheck]` in `pyproject.toml`; the command line wins."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from gradcheck.errors import FileProblem, UsageProblem
from gradcheck.functions import nearest

NAMES = ("gradcheck.toml", "pyproject.toml")
"""Files that may hold settings, the first one found wins; they are looked for in the directory and those above it."""
NOT_SETTINGS = frozenset({"help", "version", "trust", "program", "paths", "collect_only"})
"""Options that stand on the command line alone."""
MAX_BYTES = 1_000_000


def defaults(app: typer.Typer, others: Sequence[typer.Typer], directory: Path) -> dict[str, Any]:
    """Return what the settings of a project say about one command, by the names of its parameters.

    ``others`` are further commands whose settings may stand there too. Raises FileProblem for a file that cannot be
    read, UsageProblem for a key that no command knows, or a value that it does not take.
    """
    path, found = _settings(directory)
    if path is None:
        return {}
    known = {name for one in (app, *others) for name in _options(one)}
    options = _options(app)
    for key in found:
        if key not in known:
            closest = nearest(key, sorted(known))
            hint = f"did you mean `{closest}`?" if closest else f"it may have {', '.join(sorted(known))}"
            raise UsageProblem(f"{path.name} has an unknown setting: {key}", hint=hint)
    return {options[key].name: _value(path, key, value, options[key]) for key, value in found.items() if key in options}


def _settings(directory: Path) -> tuple[Path | None, Mapping[str, Any]]:
    """Return the file with the settings and what it says, searching upwards to the root of the repository."""
    for place in (directory, *directory.parents):
        for name in NAMES:
            path = place / name
            found = _table(path) if path.is_file() else None
            if found is not None:
                return path, found
        if (place / ".git").exists():
            break
    return None, {}


def _table(path: Path) -> Mapping[str, Any] | None:
    """Return the settings of a file; None for a pyproject that has none."""
    try:
        text = path.read_bytes()
        if len(text) > MAX_BYTES:
            raise FileProblem(f"{path} is too large to be a file of settings")
        whole = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
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
    command: Any = typer.main.get_command(app)
    return {
        word.lstrip("-"): one
        for one in command.params
        for word in one.opts
        if word.startswith("--") and one.name not in NOT_SETTINGS and word.lstrip("-") not in NOT_SETTINGS
    }


def _value(path: Path, key: str, value: Any, option: Any) -> Any:
    """Return a value as the command line would have it; a path stands beside the file that names it."""
    flag, several = bool(option.is_flag), bool(option.multiple)
    wanted = "true or false" if flag else "a text, a number, or a list of them" if several else "a text or a number"
    parts = value if isinstance(value, list) else [value]
    plain = all(isinstance(one, str | int | float) and isinstance(one, bool) is flag for one in parts)
    if not plain or (isinstance(value, list) and flag):
        raise UsageProblem(f"{path.name}: {key} is {wanted}, not {value!r}")
    if flag or option.count:
        return value
    if option.metavar == "FILE":
        return str(path.parent / str(value))
    texts = [str(one) for one in parts]
    return texts if several else ",".join(texts)
