"""What a run is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf, isfinite
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck.errors import NameProblem, Option, UsageProblem
from gradcheck.formats import FORMATS, dtype_name
from gradcheck.lane import EAGER, ENGINES, Lane
from gradcheck.settings.readers import ONES, RANDOM, cotangent
from gradcheck.ways import MAX_ORDER, PLAIN, Way, nestings, ways

if TYPE_CHECKING:
    from gradcheck.program import Program

DEFAULT_ULPS = {"float64": 16.0, "float32": 16.0, "bfloat16": 2.0, "float16": 2.0}
"""Tolerance in ULP by dtype where none is given: 16 would be 6 to 12 % in bfloat16, whose ULP are large."""
DEFAULT_DTYPE, DEFAULT_DEVICE = "float32", "cpu"
"""Where a check runs of which nobody says it, and whose points have no dtype and no device of their own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to check; each field is a keyword of ``check`` as well.

    ``dtypes`` and ``device`` are names or torch's own, one or several; None takes those of the tensors that are given
    as points, and float32 on the cpu where there are none. ``wrt`` names the inputs to
    differentiate by, None is all. ``ulps`` is the tolerance in ULP of the dtype; None takes DEFAULT_ULPS.
    ``expect`` holds derivatives that the user believes in, as texts or by the names of the inputs. ``seed`` is that of
    random points, ``directory`` where files of points are looked for; that of a cotangent is looked for where it is.
    With ``assertion`` whatever is not known to be right fails too; ``allow`` names verdicts that pass all the same.
    ``nondet`` is how often torch runs again, to see whether it returns the same. ``under_test`` holds callables that
    run in place of torch's own, by the operation's name or another name of it (``ln``, ``mm``, ``max``): this is how a
    custom autograd Function, given as its class or its ``apply``, is checked against the operation that it implements.
    They get the arguments that torch's function would get; that of ``clamp`` gets None for a bound that is not there.
    ``ways`` are the ways of differentiating, by their names (``rev``, ``fwd-rev``, ``double-backward``), ``order`` asks
    for all those of an order, and ``engines`` is what runs torch's operations: ``eager``, ``vmap`` (all points at
    once), or a backend of torch.compile. The ``cotangent`` of an output of several elements is ``ones``, ``random``, or
    the name of a file behind an @; without one it is ones, and what a random one shows beside these. ``jacobian`` takes
    every element of the output by itself. With ``boundaries`` points are checked too at which the program's operations
    have cases of their own; then no point need be given.

    Where one is enough it may stand alone, and names may stand in one text with commas. Raises UsageProblem for a value
    of a kind that a field does not take; what does not fit the program is found with the check.

    >>> Settings(dtypes="float64,bfloat16", wrt="x", expect={"x": "2*x"}).dtypes
    ('float64', 'bfloat16')
    >>> import torch
    >>> Settings(dtypes=torch.float64) == Settings(dtypes=("float64",))
    True
    """

    dtypes: tuple[str, ...] | None = None
    device: tuple[str, ...] | None = None
    wrt: tuple[str, ...] | None = None
    ulps: float | None = None
    expect: tuple[str, ...] = ()
    seed: int = 0
    directory: Path | None = None
    assertion: bool = False
    allow: tuple[str, ...] = ()
    nondet: int = 0
    under_test: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    ways: tuple[Way, ...] = ()
    order: int | None = None
    engines: tuple[str, ...] = (EAGER,)
    cotangent: str | None = None
    jacobian: bool = False
    boundaries: bool = False

    def __post_init__(self) -> None:
        """Turn what people write into what the fields hold."""
        for name, read in _READERS.items():
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, read(given, name))

    @property
    def in_dtypes(self) -> tuple[str, ...]:
        """Return the dtypes of a check, the default where none is named."""
        return (DEFAULT_DTYPE,) if self.dtypes is None else self.dtypes

    @property
    def in_ways(self) -> tuple[Way, ...]:
        """Return the ways of a check: those that are named, all of an order that is, the plain one where none is."""
        every = () if self.order is None else tuple(nestings(self.order))
        return tuple(dict.fromkeys((*self.ways, *every))) or (PLAIN,)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return the lanes of a check, those of one dtype and one order side by side."""
        return tuple(
            Lane(dtype, way, engine, device)
            for dtype in self.in_dtypes for way in sorted(self.in_ways, key=lambda one: one.order)
            for engine in self.engines for device in self.on_devices
        )  # fmt: skip

    @property
    def on_devices(self) -> tuple[str, ...]:
        """Return the devices of a check, the default where none is named."""
        return (DEFAULT_DEVICE,) if self.device is None else self.device

    @property
    def on_device(self) -> str:
        """Return the first device of a check."""
        return self.on_devices[0]

    def on(self, device: str) -> Settings:
        """Return the settings for one of the devices."""
        return self if self.on_devices == (device,) else replace(self, device=(device,))

    def tolerance(self, dtype: str) -> float:
        """Return the tolerance in ULP of a dtype.

        >>> Settings().tolerance("float32"), Settings().tolerance("float16"), Settings(ulps=4).tolerance("float16")
        (16.0, 2.0, 4)
        """
        return DEFAULT_ULPS[dtype] if self.ulps is None else self.ulps

    def validate(self, inputs: Sequence[str]) -> None:
        """Raise NameProblem or UsageProblem for an input, a dtype or a tolerance that makes no sense."""
        for name in self.wrt or ():
            if name not in inputs:
                raise NameProblem(f"the program has no input {name} to differentiate by", hint=choice(name, inputs))
        for dtype in self.in_dtypes:
            if dtype not in FORMATS:
                raise UsageProblem(f"unknown dtype {dtype!r}", hint=choice(dtype, list(FORMATS)))
        if not self.in_dtypes:
            raise UsageProblem("no dtype is given", hint=f"choose from {', '.join(FORMATS)}")
        self._validate_lanes()
        if self.ulps is not None and not (self.ulps >= 0 and isfinite(self.ulps)):
            raise UsageProblem(f"a tolerance is a number of ULP, 0 or more, not {self.ulps}")

    def _validate_lanes(self) -> None:
        for engine in self.engines:
            if engine not in ENGINES:
                raise UsageProblem(f"unknown engine {engine!r}", hint=choice(engine, ENGINES))
        if not self.engines:
            raise UsageProblem("no engine is given")
        if not self.on_devices:
            raise UsageProblem("no device is given")
        if self.order is not None and not 1 <= self.order <= MAX_ORDER:
            raise UsageProblem(f"an order is a number from 1 to {MAX_ORDER}, not {self.order}")
        if self.jacobian and any(way.order > 1 for way in self.in_ways):
            raise UsageProblem(
                "a Jacobian has first derivatives alone",
                hint=("for second derivatives of one element take it as the output, such as `out[0]`"),
            )
        if self.expect and (self.jacobian or self.cotangent not in (None, ONES)):
            other = Option("jacobian") if self.jacobian else Option("cotangent", str(self.cotangent))
            raise UsageProblem(
                ("what is expected is the gradient of the output's sum, and ", other, " checks another"),
                hint="check each of them by itself",
            )

    def resolved(self, program: Program) -> Settings:
        """Return the settings for one program, where what is under test goes by the operations' own names.

        Raises NameProblem or UsageProblem as ``validate`` does, and UsageProblem for a callable that would never run.
        """
        self.validate(program.inputs)
        if not self.under_test:
            return self
        from gradcheck.settings.under_test import by_operation

        return replace(self, under_test=by_operation(self.under_test, program))


def _parts(given: Any) -> list[Any]:
    """Return one or several things as a list; several names may be one text with commas."""
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    return list(given) if isinstance(given, Iterable) and not isinstance(given, type) else [given]


def _dtypes(given: Any, _: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(dtype_name, _parts(given))))


def names_of(given: Any, name: str = "it") -> tuple[str, ...]:
    """Return one or several names as a tuple; raises UsageProblem for what is none.

    >>> names_of("x, y"), names_of(["x"])
    (('x', 'y'), ('x',))
    """
    return tuple(_kind(one, name, str, "a name") for one in _parts(given))


def _expected(given: Any, name: str) -> tuple[str, ...]:
    if isinstance(given, Mapping):
        given = [f"{by}={_kind(text, name, str, 'a text')}" for by, text in given.items()]
    texts = [given] if isinstance(given, str) else _parts(given)
    return tuple(_kind(one, name, str, "a text of the language") for one in texts)


def _ways(given: Any, name: str) -> tuple[Way, ...]:
    return tuple(dict.fromkeys(one for part in _parts(given) for one in (
        [part] if isinstance(part, Way) else ways([_kind(part, name, str, "the name of a way")])
    )))  # fmt: skip


def _number(given: Any, name: str) -> float:
    """Return one of Python's own numbers, whatever else has made it: what is written again must be read again."""
    number = _kind(given, name, Real, "a number")
    try:
        return int(number) if isinstance(number, Integral) else float(number)
    except OverflowError:
        return inf


def _count(given: Any, name: str) -> int:
    return int(_kind(given, name, Integral, "a whole number"))


def _flag(given: Any, name: str) -> bool:
    if type(given).__name__ not in ("bool", "bool_"):  # that of NumPy, too
        raise UsageProblem(f"{name} takes True or False, not {given!r:.60}")
    return bool(given)


def _cotangent(given: Any, name: str) -> str:
    return cotangent(_kind(given, name, str, f"{ONES}, {RANDOM}, or @ and a file"))


def _callables(given: Any, name: str) -> Mapping[str, Callable[..., Any]]:
    found: Mapping[str, Callable[..., Any]] = _kind(given, name, Mapping, "a mapping such as {'sin': mine}")
    return found


def _kind(given: Any, name: str, kind: type | tuple[type, ...], words: str) -> Any:
    """Return what is of a kind; raises UsageProblem for anything else."""
    if not isinstance(given, kind) or isinstance(given, bool):
        raise UsageProblem(f"{name} takes {words}, not {given!r:.60}")
    return given


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "dtypes": _dtypes,
    "device": lambda given, _: tuple(dict.fromkeys(map(str, _parts(given)))),
    "wrt": names_of,
    "ulps": _number,
    "expect": _expected,
    "seed": _count,
    "directory": lambda given, name: Path(_kind(given, name, (str, PathLike), "a path")),
    "assertion": _flag,
    "allow": names_of,
    "nondet": _count,
    "under_test": _callables,
    "ways": _ways,
    "order": _count,
    "engines": names_of,
    "cotangent": _cotangent,
    "jacobian": _flag,
    "boundaries": _flag,
}
"""What makes of a value as people write it what its field holds."""
KEYWORDS = {**{one.name: one.name for one in fields(Settings)}, "dtype": "dtypes", "way": "ways", "engine": "engines"}
"""The field of Settings that each keyword of ``check`` is."""


def choice(word: str, among: Sequence[str], *others: Sequence[str]) -> str:
    """Return the nearest word among several, or else further ones, and all of the first where none is near."""
    from gradcheck.functions import nearest

    closest = next((one for one in (nearest(word, list(each)) for each in (among, *others)) if one), None)
    return f"did you mean `{closest}`?" if closest else f"choose from {', '.join(among) or 'none'}"
