"""The inputs that programs of the table are run at: each sample of a row reads some of them."""

from __future__ import annotations

from collections.abc import Iterable

DTYPES = ("float64", "float32", "bfloat16", "float16")

INPUTS = {
    "s": "0.6",
    "t": "1.4",
    "v": "[0.8,-1.3,2.1]",
    "w": "[0.35,1.2,-0.75]",
    "p": "[0.2,1.3,2.9]",
    "q": "[0.5,0.3,0.2]",
    "u": "[-0.7,1.6]",
    "a": "[[0.3,-1.1,1.9],[-0.45,0.9,2.4]]",
    "b": "[[1.2,-0.6,0.35,2.2],[-1.7,0.15,0.95,-0.25],[0.5,1.4,-2.3,0.75]]",
    "c": "[[[0.2,-1.4,0.65],[1.7,-0.35,1.05]],[[-2.1,0.55,-0.9],[1.25,2.6,-0.15]]]",
    "m": "[[1.4,0.3],[-0.2,0.9]]",
}
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
