"""Settings of a project: `gradcheck.toml`, or `[tool.gradcheck]` in `pyproject.toml`; the command line wins.

A pull request can change these files. So they describe the checks and how they look on a screen, and no more: what
decides between green and red, what is left out, and what is read and written where, comes from the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradcheck.errors import FileProblem, GradcheckError, LimitProblem, UsageProblem, printable
from gradcheck.settings.table import COMMANDS, SETTINGS, Place, Setting, named
from gradcheck.settings.values import Real
from gradcheck.tree import read_plain, refuse_link, root

NAMES = ("gradcheck.toml", "pyproject.toml")
"""Files that may hold settings, the first one found wins; they are looked for up to the root of the repository."""
KEYS = named(Place.PROJECT)
"""What such a file may set."""
OPTIONS = {row.name: row for row in SETTINGS if row.at & COMMANDS}
"""What the command line may say."""
MAX_BYTES = 1_000_000
MAX_SHOWN = 40
"""Characters of a key or a value in a message."""


@dataclass(frozen=True, slots=True)
class Project:
    """The settings of a project: the name of their file, and the values of its keys.

    ``words`` say in short what describes the checks. ``aside`` are remarks on keys that are for other commands alone.
    """

    file: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()


def project(place: Place, directory: Path) -> Project:
    """Return what a project's settings say about one command.

    Raises FileProblem for a file that cannot be read, UsageProblem for a key that is no setting, or a value that it
    does not take. An explanation decides nothing: what the file cannot set is left alone there, with a remark.
    """
    path, found = settings_of(directory)
    if path is None:
        return Project()
    strange = {key: _no_setting(path, key) for key in found if key not in KEYS}
    wrong = [problem for key, problem in strange.items() if key not in OPTIONS or place is not Place.EXPLAIN]
    if wrong:
        raise wrong[0]
    aside = tuple(problem.message for problem in strange.values())
    own = named(place)
    rows = [KEYS[key] for key in found if key in KEYS and key in own and _is_one(KEYS[key], own[key])]
    values = {row.name: _value(path, row, found[row.name]) for row in rows}
    words = {row.name: _said(row, values[row.name]) for row in rows if row.describes}
    return Project(path.name, values, words, aside)


def _is_one(key: Setting, option: Setting) -> bool:
    """Tell whether a key of the file and an option of the same name say the same thing."""
    return key is option or (key.field is not None and key.field == option.field)


def _no_setting(path: Path, key: str) -> UsageProblem:
    if key in OPTIONS:
        return UsageProblem(
            f"{path.name} cannot set {key}: a pull request can change that file",
            hint=f"write {OPTIONS[key].option} on the command line",
        )
    from gradcheck.functions import nearest

    closest = nearest(key[:MAX_SHOWN], sorted(KEYS))
    hint = f"did you mean `{closest}`?" if closest else f"it may have {', '.join(sorted(KEYS))}"
    return UsageProblem(f"{path.name} has an unknown setting: {_short(key)}", hint=hint)


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
        whole = tomllib.loads(read_plain(path, MAX_BYTES, "a file of settings").decode("utf-8"), parse_float=Real)
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


def _value(path: Path, row: Setting, value: Any) -> Any:
    """Return what a value means; a point of the settings reads no file."""
    try:
        found = row.kind.read(value)
    except GradcheckError as problem:
        raise UsageProblem(f"{path.name}: {row.name}: {problem.message}", hint=problem.hint) from None
    if row.name == "at" and any("@" in text for text in found):
        raise UsageProblem(f"{path.name}: a point of the settings reads no file", hint="write --at on the command line")
    return found


def _said(row: Setting, value: Any) -> str:
    return _short(" ".join([row.name, *row.kind.words(value)]))


def _short(text: str) -> str:
    return printable(text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}...")
