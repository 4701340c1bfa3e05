"""The inputs that programs of the table are run at: each sample of a row reads some of them."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck.functions.pages import INPUTS as SAMPLED

DTYPES = ("float64", "float32", "bfloat16", "float16")

INPUTS = {**SAMPLED, "t": "1.4", "w": "[0.35,1.2,-0.75]", "p": "[0.2,1.3,2.9]", "q": "[0.5,0.3,0.2]",
          "m": "[[1.4,0.3],[-0.2,0.9]]"}  # fmt: skip
"""What the samples of the table and the formulas read: ``p`` is positive, ``q`` a distribution, ``m`` invertible."""


def at_the_inputs(names: Iterable[str]) -> str:
    """Return a point for these inputs.

    >>> at_the_inputs(["s", "u"])
    's=0.6,u=[-0.7,1.6]'
    """
    return ",".join(f"{name}={INPUTS[name]}" for name in names)


def squared(sample: str) -> str:
    """Return a program of one number for a sample of the table, whose cotangents are no ones."""
    return f"sum(({sample})**2)"
