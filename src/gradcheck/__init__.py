"""gradcheck tells whether a gradient PyTorch computed is right, by how much it is off, and why.

>>> import gradcheck
>>> run = gradcheck.check("2*x**4 + x**3 + 3*x**2 + 5*x + 1", x=2)
>>> run.verdict.value, run.gradients["x"].formula, run.gradients["x"].torch
('agree', '8*x**3 + 3*x**2 + 6*x + 5', array(93.))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.errors import GradcheckError
    from gradcheck.explanation.model import Explanation
    from gradcheck.outcome import Run
    from gradcheck.settings import DEFAULT_ULPS, Settings

__version__ = "0.1.0"

_HOMES = {"GradcheckError": "errors", "DEFAULT_ULPS": "settings", "Settings": "settings"}


def __getattr__(name: str) -> object:
    """Return what is imported on first use: whoever only finds the package installed pays for none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gradcheck.{_HOMES[name]}"), name)


def check(
    program: str,
    at: str | Sequence[str] | Mapping[str, object] | None = None,
    *,
    settings: Settings | None = None,
    **points: object,
) -> Run:
    """Return the outcomes of one program: the very same that the command prints.

    ``at`` takes the texts of ``--at``, or a mapping of inputs; ``points`` are inputs by name: numbers, nested lists,
    NumPy arrays, torch tensors, or texts. ``settings`` hold dtypes, device, tolerance in ULP, inputs to differentiate
    by, and an expected derivative. A disagreement is a verdict in the outcome; a program or a point that cannot be
    understood raises GradcheckError.

    The run holds an outcome for each point and dtype, and ``gradients`` by the names of the inputs: ``torch``,
    ``lower`` and ``upper`` (proven bounds of the exact numbers), ``ulps`` and ``verdicts`` are arrays of the input's
    shape, with the points along a first axis where there are several.

    >>> from gradcheck import Settings, check
    >>> run = check("x*exp(-x**2)", "x=-3:3:7", settings=Settings(dtypes=("float64", "bfloat16")))
    >>> len(run), run.passed, run.of("bfloat16").gradients["x"].torch
    (14, True, array([-0.00210571, -0.12792969, -0.3671875 ,  1.        , -0.3671875 ,
           -0.12792969, -0.00210571]))
    """
    from gradcheck import case  # torch, SymPy and FLINT are loaded with the first check

    return case.check(program, at, settings=settings, **points)


def explain(
    program: str,
    at: str | Sequence[str] | Mapping[str, object] | None = None,
    *,
    settings: Settings | None = None,
    accumulate: bool = False,
    freeze: Sequence[str] = (),
    **points: object,
) -> Explanation:
    """Return where the gradient of a program comes from: forward pass, derivation, chain rule and graph at one point.

    It takes what ``check`` takes, at a single point, and a single dtype. With ``accumulate`` several points follow each
    other without zeroing; inputs in ``freeze`` have ``requires_grad=False``. A notebook shows the result as a page.
    Raises GradcheckError for what cannot be understood or is too large to explain.

    >>> found = explain("y = 3*x + 2; z = 2*y**2; out = mean(z)", x=[[1, 2, 3], [3, 2, 1]])
    >>> str(found.chains[0].closed), "<math" in found._repr_html_()
    ('6*x[i, j] + 4', True)
    """
    from dataclasses import replace

    from gradcheck import explanation
    from gradcheck.report.lesson import NOTEBOOK

    made = explanation.explain(program, at, settings=settings, accumulate=accumulate, freeze=freeze, **points)
    return replace(made, writers=NOTEBOOK)


__all__ = ["DEFAULT_ULPS", "GradcheckError", "Settings", "check", "explain"]
