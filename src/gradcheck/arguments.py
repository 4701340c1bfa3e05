"""What a call says in Python: points and settings, told apart by the names of the program's inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradcheck.errors import PointProblem, UsageProblem
from gradcheck.formats import FORMATS, dtype_name
from gradcheck.functions import nearest
from gradcheck.parse import parse
from gradcheck.points import Point, assigned_constants, parse_points, to_value
from gradcheck.program import Program
from gradcheck.settings import KEYWORDS, Settings

MEANT = {
    **dict.fromkeys(("tol", "atol", "rtol", "tolerance", "eps", "ulp"), "ulps"), "precision": "dtype", "type": "dtype",
    **dict.fromkeys(("expected", "gradient", "grad", "derivative"), "expect"), "by": "wrt", "strict": "assertion",
}  # fmt: skip
"""What other checkers call a setting."""


def read(
    program: str, at: Sequence[object], settings: Settings | None, given: Mapping[str, object]
) -> tuple[Program, list[Point], Settings]:
    """Return a program, its points and how to check it.

    ``at`` has texts as ``--at`` takes them, mappings by the names of inputs, or one object for each input, in their
    order. A name in ``given`` that is an input of the program is a point; any other is a field of the settings. The
    dtype and the device that nothing names are those of the tensors.
    Raises GradcheckError for what cannot be understood, is given twice, or is missing.

    >>> parsed, points, settings = read("x*dtype", [[1, 2]], None, {"dtype": 3, "ulps": 4})
    >>> parsed.inputs, points[0]["dtype"].text, settings.ulps
    (('x', 'dtype'), '3', 4)
    """
    if not isinstance(program, str):
        hint = 'a function of your own is checked against the operation that it is: under_test={"sin": mine}'
        raise UsageProblem(f"a program is a text such as 'x**2', not {type(program).__name__}", hint=hint)
    places, names = list(at), dict(given)
    parsed = parse(program, assigned_constants([*_texts([*places, names.get("at")]), *_bindings(places, names)]))
    if "at" in names and "at" not in parsed.inputs:
        places.append(names.pop("at"))
    if settings is not None and not isinstance(settings, Settings):
        if "settings" not in parsed.inputs:
            raise UsageProblem(
                f"settings are a Settings, not {type(settings).__name__}", hint="write settings=Settings(...)"
            )
        names["settings"], settings = settings, None
    asked = replace(settings or Settings(), **_settings(parsed, names))
    texts, objects = _points(parsed, [one for one in places if one is not None], names)
    return parsed, _made(parsed, texts, objects, asked), _completed(asked, objects)


# --- what there is ---------------------------------------------------------------------------------


def _texts(places: Sequence[object]) -> list[str]:
    """Return all that may be a text of ``--at``."""
    lists = [one if isinstance(one, list | tuple) else [one] for one in places]
    return [text for some in lists for text in some if isinstance(text, str)]


def _is_text(one: object) -> bool:
    """Return whether an object is a text of ``--at``, or a list of such."""
    return isinstance(one, str) or (isinstance(one, list | tuple) and all(isinstance(part, str) for part in one))


def _bindings(places: Sequence[object], names: Mapping[str, object]) -> Iterator[str]:
    """Yield ``name=`` for every name that may be an input: a constant that gets a point is one."""
    for some in (*(one for one in places if isinstance(one, Mapping)), names):
        yield from (f"{name}=" for name in some)


def _settings(program: Program, names: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields of the settings among the names; raises PointProblem for one that means nothing."""
    found: dict[str, Any] = {}
    for name, value in names.items():
        if name in program.inputs:
            continue
        if name not in KEYWORDS:
            raise _unknown(program, name, [*program.inputs, *KEYWORDS])
        if KEYWORDS[name] in found:
            same = " and ".join(word for word in KEYWORDS if KEYWORDS[word] == KEYWORDS[name])
            raise UsageProblem(f"{same} are the same setting, and both are given")
        found[KEYWORDS[name]] = value
    return found


def _points(
    program: Program, places: Sequence[object], names: Mapping[str, object]
) -> tuple[list[str], dict[str, object]]:
    """Return the points as texts, or as objects by the names of the inputs."""
    named = [(name, value) for name, value in names.items() if name in program.inputs]
    if all(map(_is_text, places)):
        if places and named:
            raise UsageProblem("give the points either as texts or by name, not both")
        return _texts(places), dict(named)
    placed = []
    for one in places:
        if isinstance(one, Settings):
            raise UsageProblem("settings are given by name", hint="write settings=Settings(...)")
        if isinstance(one, Mapping):
            named += one.items()
        else:
            placed.append(one)
    if len(placed) > len(program.inputs):
        raise PointProblem(
            f"{_counted(len(placed), 'value')} without a name, and the program has {_inputs(program)}",
            hint='several points are written as a text: "1,2,3"' if program.inputs else None,
        )
    return [], _once(program, [*zip(program.inputs, placed, strict=False), *named])


def _once(program: Program, named: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return what is given by name; raises PointProblem for what is no input, or given twice."""
    found: dict[str, object] = {}
    for name, value in named:
        if name not in program.inputs:
            raise _unknown(program, name, program.inputs)
        if name in found:
            hint = f"the setting of this name goes into settings=Settings({KEYWORDS.get(name)}=...)"
            raise PointProblem(f"the input {name} is given twice", hint=hint if name in KEYWORDS else None)
        found[name] = value
    return found


def _made(program: Program, texts: list[str], given: Mapping[str, object], settings: Settings) -> list[Point]:
    """Return the points."""
    where: dict[str, Any] = {"seed": settings.seed, "directory": settings.directory}
    if not given:
        if settings.boundaries and not texts:
            return []
        return parse_points(texts, program.inputs, **where)
    if missing := [name for name in program.inputs if name not in given]:
        raise PointProblem(
            f"the program needs a point for {' and '.join(program.inputs)}; missing: {', '.join(missing)}"
        )
    written = [f"{name}={value}" for name, value in given.items() if isinstance(value, str)]
    values = {name: to_value(value, name) for name, value in given.items() if not isinstance(value, str)}
    if not written:
        return [{name: values[name] for name in program.inputs}]
    left = tuple(name for name in program.inputs if name not in values)
    grid = parse_points(written, left, **where)
    return [{name: point.get(name) or values[name] for name in program.inputs} for point in grid]


# --- the dtype and the device of tensors -----------------------------------------------------------


def _completed(settings: Settings, given: Mapping[str, object]) -> Settings:
    """Return the settings with the dtype and the device of what is given, where they name none."""
    bearers = [(name, one) for name, value in given.items() for one in _bearers(value)]
    if settings.dtypes is None and (dtype := _same(bearers, "dtype", _own_dtype)) is not None:
        if dtype not in FORMATS:
            hint = f'say in which of {", ".join(FORMATS)} to check: dtype="float32"'
            raise UsageProblem(f"a point is given in {dtype}, in which nothing can be checked", hint=hint)
        settings = replace(settings, dtypes=(dtype,))
    if settings.device is None and (device := _same(bearers, "device", _own_device)) is not None:
        settings = replace(settings, device=(device,))
    return settings


def _bearers(value: object) -> Iterator[object]:
    """Yield the arrays and tensors that a point is made of; plain numbers have no dtype of their own."""
    if isinstance(value, list | tuple):
        if not _is_plain(value):
            for part in value:
                yield from _bearers(part)
    elif hasattr(value, "dtype") and not isinstance(value, int | float):
        yield value


def _is_plain(value: object) -> bool:
    """Return whether nested lists begin with a plain number: such lists may be long, and hold nothing else."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, int | float)


def _own_dtype(one: Any) -> str | None:
    name = dtype_name(one.dtype)
    return name if "float" in name else None


def _own_device(one: Any) -> str | None:
    return str(one.device) if str(one.dtype).startswith("torch.") else None


def _same(bearers: Sequence[tuple[str, object]], what: str, own: Callable[[object], str | None]) -> str | None:
    """Return what all have of their own, None where none has any; raises UsageProblem where they differ."""
    found = {mine: name for name, one in reversed(bearers) if (mine := own(one)) is not None}
    if len(found) > 1:
        (last, other), *_, (first, name) = found.items()
        hint = f'say in which to check: {what}="{first}"'
        raise UsageProblem(f"{name} has the {what} {first} and {other} has {last}", hint=hint)
    return next(iter(found), None)


# --- words -----------------------------------------------------------------------------------------


def _unknown(program: Program, name: str, known: Sequence[str]) -> PointProblem:
    needs = f"it needs {', '.join(program.inputs) or 'none'}"
    near = nearest(str(name), list(known)) or (MEANT.get(name) if "ulps" in known else None)
    return PointProblem(f"the program has no input {name}", hint=f"{needs}; did you mean `{near}`?" if near else needs)


def _inputs(program: Program) -> str:
    return f"{_counted(len(program.inputs), 'input')}: {', '.join(program.inputs)}" if program.inputs else "no input"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
