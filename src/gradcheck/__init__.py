"""gradcheck tells whether a gradient PyTorch computed is right, by how much it is off, and why.

>>> import gradcheck
>>> run = gradcheck.check("2*x**4 + x**3 + 3*x**2 + 5*x + 1", x=2)
>>> run.verdict.value, run.gradients["x"].formula, run.gradients["x"].torch
('agree', '8*x**3 + 3*x**2 + 6*x + 5', array(93.))
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.blame import Blame, Cause
    from gradcheck.errors import GradcheckError
    from gradcheck.explanation.model import Explanation
    from gradcheck.gradients import GradientOutcome
    from gradcheck.outcome import Outcome, Run
    from gradcheck.settings import DEFAULT_ULPS, Settings
    from gradcheck.verdict import Verdict

__version__ = "0.1.0"

_HOMES = {
    "Blame": "blame", "Cause": "blame", "DEFAULT_ULPS": "settings", "Explanation": "explanation.model",
    "GradcheckError": "errors", "GradientOutcome": "gradients", "Outcome": "outcome", "Run": "outcome",
    "Settings": "settings", "Verdict": "verdict",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Return what is imported on first use: whoever only finds the package installed pays for none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gradcheck.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})


def check(program: str, /, *at: object, settings: Settings | None = None, **given: object) -> Run:
    """Return the outcomes of one program: the very same that the command prints.

    Points are given by the names of the inputs (``x=2``), in the order in which the program first names them
    (``check("x*y", 2, 3)``), as a mapping, or as texts of ``--at``. A point is a number, a nested list, a NumPy array,
    a torch tensor, or a text; a list is a tensor, and ``"1,2,3"`` are three points. Fields of ``settings`` can be given
    by name as well, one dtype as ``dtype``; where the program has an input of such a name, that is meant. Without a
    dtype and a device tensors and arrays are checked in their own, all else in float32 on the cpu.

    The run holds an outcome for each point and dtype, and ``gradients`` by the names of the inputs: ``torch``,
    ``lower`` and ``upper`` (proven bounds of the exact numbers), ``ulps`` (errors in ULP of the dtype) and ``verdicts``
    are arrays of the input's shape, with the points along a first axis where there are several. ``print(run)`` shows
    the table. A disagreement is a verdict in the outcome; a program, a point or a setting that cannot be understood
    raises GradcheckError.

    >>> check("x**2", 2)
    <Run 'x**2' in float32: agree (1 agree)>
    >>> run = check("x*exp(-x**2)", "x=-3:3:7", dtype=("float64", "bfloat16"))
    >>> len(run), run.passed, run.of("bfloat16").gradients["x"].torch
    (14, True, array([-0.00210571, -0.12792969, -0.3671875 ,  1.        , -0.3671875 ,
           -0.12792969, -0.00210571]))
    >>> import torch
    >>> check("log(1 + exp(x))", torch.tensor([1.0, 720.0], dtype=torch.float64))
    <Run 'log(1 + exp(x))' in float64: disagree (1 agree, 1 disagree)>
    """
    from dataclasses import replace

    from gradcheck import case  # torch, SymPy and FLINT are loaded with the first check
    from gradcheck.errors import GradcheckError, as_argument
    from gradcheck.report.shown import WRITERS

    try:
        return replace(case.check(program, *at, settings=settings, **given), writers=WRITERS)
    except GradcheckError as problem:
        problem.dialect = as_argument
        raise problem.with_traceback(None) from None  # whose fault it is stands in the caller's line


def explain(
    program: str,
    /,
    *at: object,
    settings: Settings | None = None,
    accumulate: bool = False,
    freeze: str | Sequence[str] = (),
    **given: object,
) -> Explanation:
    """Return where the gradient of a program comes from: forward pass, derivation, chain rule and graph at one point.

    It takes what ``check`` takes, ``settings`` and their names included, at a single point and in a single dtype. With
    ``accumulate`` several points follow each other without zeroing; inputs in ``freeze`` have ``requires_grad=False``.
    A notebook shows the result as a page. Raises GradcheckError for what cannot be understood or is too large to
    explain.

    >>> found = explain("y = 3*x + 2; z = 2*y**2; out = mean(z)", x=[[1, 2, 3], [3, 2, 1]])
    >>> str(found.chains[0].closed), "<math" in found._repr_html_()
    ('6*x[i, j] + 4', True)
    >>> explain("x**2", 3, dtype="float64").meaning
    '6 is the slope at (3, 9): near x = 3, f is about 9 + 6*(x - 3)'
    """
    from dataclasses import replace

    from gradcheck import explanation
    from gradcheck.errors import GradcheckError, as_argument
    from gradcheck.report.lesson import NOTEBOOK

    try:
        made = explanation.explain(program, *at, settings=settings, accumulate=accumulate, freeze=freeze, **given)
    except GradcheckError as problem:
        problem.dialect = as_argument
        raise problem.with_traceback(None) from None
    return replace(made, writers=NOTEBOOK)


__all__ = [
    "DEFAULT_ULPS",
    "Blame",
    "Cause",
    "Explanation",
    "GradcheckError",
    "GradientOutcome",
    "Outcome",
    "Run",
    "Settings",
    "Verdict",
    "check",
    "explain",
]
