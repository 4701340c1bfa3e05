"""Contractions: sums of products over the dims that two tensors or more have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from string import ascii_letters

from gradcheck.functions.params import axis
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

Labels = Sequence[int | str]
"""A name for each dim of a tensor; dims of one name are multiplied with each other."""


def _contracted(
    left: Labels, right: Labels, kept: Labels, a: Shape, b: Shape, names: tuple[str, str] = ("a", "b")
) -> str:
    """Return the sum of products over all labels that are not kept, as one product of two batches of matrices.

    Each label stands once in a tensor, and one that is not kept in both.
    """
    sizes = {**dict(zip(left, a, strict=True)), **dict(zip(right, b, strict=True))}
    both = [one for one in left if one in right]
    batch, summed = [one for one in both if one in kept], [one for one in both if one not in kept]
    rows, columns = [one for one in left if one not in both], [one for one in right if one not in both]
    parts = []
    for name, labels, first, last in ((names[0], left, rows, summed), (names[1], right, summed, columns)):
        order = tuple(list(labels).index(one) for one in (*batch, *first, *last))
        moved = f"permute({name}, {order})" if order else name
        size = tuple(prod(sizes[one] for one in group) for group in (batch, first, last))
        parts.append(f"reshape({moved}, {size})")
    made = [*batch, *rows, *columns]
    whole = f"reshape(matmul({parts[0]}, {parts[1]}), {tuple(sizes[one] for one in made)})"
    return f"permute({whole}, {tuple(made.index(one) for one in kept)})" if made else whole


def _einsum(*x: Shape, equation: Param) -> str:
    terms, kept = _labels(str(equation), x)
    lines, operands = [], []
    for k, (labels, shape) in enumerate(zip(terms, x, strict=True)):
        single, size, text = _diagonal(labels, shape, f"x_{k}")
        lines.append(f"y_{k} = {text}")
        operands.append((f"y_{k}", single, size))
    sizes: dict[str, int] = {}
    for _, labels, shape in operands:
        for one, found in zip(labels, shape, strict=True):
            if sizes.setdefault(one, found) != found:
                raise ValueError(f"{one} of the equation is {sizes[one]} in one tensor, and {found} in another")
    name, labels, shape = operands[0]
    for k, second in enumerate(operands[1:], start=1):
        later = {*kept, *(one for _, some, _ in operands[k + 1 :] for one in some)}
        a, left, shape = _summed(name, labels, shape, {*second[1], *later})
        b, right, wide = _summed(*second, {*left, *later})
        labels = "".join(one for one in dict.fromkeys(left + right) if one in later)
        lines.append(f"z_{k} = {_contracted(left, right, labels, shape, wide, (a, b))}")
        name, shape = f"z_{k}", tuple(sizes[one] for one in labels)
    last, labels, _ = _summed(name, labels, shape, set(kept))
    order = tuple(labels.index(one) for one in kept)
    return "\n".join([*lines, f"permute({last}, {order})" if order else last])


def _labels(equation: str, x: Sequence[Shape]) -> tuple[list[str], str]:
    """Return the letters of each tensor and of the result; dots become letters of their own."""
    inputs, arrow, result = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(x):
        there = f"are {len(x)} tensors" if len(x) > 1 else "is 1 tensor"
        raise ValueError(f"the equation has {len(terms)} term{'s' * (len(terms) > 1)}, and there {there}")
    spare = [one for one in reversed(ascii_letters) if one not in equation]
    found, widest = [], ""
    for term, shape in zip(terms, x, strict=True):
        letters = term.replace("...", "")
        if not set(letters) <= set(ascii_letters):
            raise ValueError(f"{term} of the equation is made of letters, and of ... in the place of further dims")
        further = len(shape) - len(letters)
        if further < 0 or (further and "..." not in term):
            raise ValueError(f"{term} of the equation has {len(letters)} letters for a tensor of {len(shape)} dims")
        dots = "".join(spare[:further][::-1])
        widest = max(widest, dots, key=len)
        found.append(term.replace("...", dots, 1))
    if not arrow:  # the letters that stand once, in their order
        every = "".join(found)
        result = "..." * bool(widest) + "".join(
            sorted(one for one in set(every) - set(widest) if every.count(one) == 1)
        )
    result = result.replace("...", widest, 1)
    if len(set(result)) < len(result) or not set(result) <= set("".join(found)):
        raise ValueError("each letter of the result stands there once, and in some tensor")
    return found, result


def _diagonal(labels: str, shape: Shape, name: str) -> tuple[str, Shape, str]:
    """Return the letters without repetitions, their sizes, and the text of the tensor that has its diagonal there."""
    single = "".join(dict.fromkeys(labels))
    if single == labels:
        return labels, shape, name
    sizes = {one: {shape[k] for k in range(len(shape)) if labels[k] == one} for one in single}
    if any(len(found) > 1 for found in sizes.values()):
        raise ValueError(f"a letter that stands twice in {labels} has dims of different sizes")
    size = tuple(sizes[one].copy().pop() for one in single)
    steps = [sum(prod(shape[k + 1 :]) for k in range(len(shape)) if labels[k] == one) for one in single]
    places = [sum(i * step for i, step in zip(index, steps, strict=True)) for index in _indices(size)]
    return single, size, f"reshape(reshape({name}, {(prod(shape),)})[{places}], {size})"


def _indices(shape: Shape) -> Iterator[tuple[int, ...]]:
    if not shape:
        yield ()
        return
    for first in range(shape[0]):
        yield from ((first, *rest) for rest in _indices(shape[1:]))


def _summed(name: str, labels: str, shape: Shape, needed: set[str]) -> tuple[str, str, Shape]:
    """Return a tensor summed over the labels that nothing else needs."""
    over = tuple(k for k, one in enumerate(labels) if one not in needed)
    if not over:
        return name, labels, shape
    rest = [k for k in range(len(labels)) if k not in over]
    return f"sum({name}, dim={over})", "".join(labels[k] for k in rest), tuple(shape[k] for k in rest)


def _tensordot(a: Shape, b: Shape, dims: Param = 2) -> str:
    if isinstance(dims, int) and not isinstance(dims, bool):
        if not 0 <= dims <= min(len(a), len(b)):
            raise ValueError(f"dims is a number up to {min(len(a), len(b))}, or two lists of dims")
        first, second = list(range(len(a) - dims, len(a))), list(range(dims))
    else:
        if not isinstance(dims, tuple) or len(dims) != 2 or not all(isinstance(one, tuple) for one in dims):
            raise ValueError("dims is a number, or two lists of dims; what else torch reads as such is not supported")
        first, second = ([axis(one, len(shape)) for one in some]  # type: ignore[union-attr]
                         for some, shape in zip(dims, (a, b), strict=True))  # fmt: skip
    if len(first) != len(second) or len({*first}) < len(first) or len({*second}) < len(second):
        raise ValueError("dims has as many dims of the one as of the other, and none twice")
    if [a[one] for one in first] != [b[one] for one in second]:
        raise ValueError(
            f"the dims to multiply are {[a[k] for k in first]} in one, and {[b[k] for k in second]} in the other"
        )
    left = list(range(len(a)))
    right: list[int] = [first[second.index(k)] if k in second else len(a) + k for k in range(len(b))]
    kept = [one for one in (*left, *right) if one not in first]
    return _contracted(left, right, kept, a, b)


def _inner(a: Shape, b: Shape) -> str:
    if not a or not b:
        return "a*b"
    if a[-1] != b[-1]:
        raise ValueError(f"inner takes rows of one length, not {a[-1]} and {b[-1]}")
    last = len(a) + len(b)
    free = range(len(a) - 1), range(len(a) - 1, last - 2)
    return _contracted((*free[0], last), (*free[1], last), (*free[0], *free[1]), a, b)


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("inner", ("a", "b"), (), _inner, ("inner(a, v)", "inner(a, c)"), adds=True, summary="the inner products of the rows of two tensors"),
    Composite("einsum", ("x",), ("equation",), _einsum, ("einsum('ij,jk->ik', a, b)", "einsum('bij,bj', c, a)", "einsum('ii->i', a[:, :2])"), many=True, order=("equation", "x"), words={"equation": ()}, adds=True, torch=lambda m, *x, equation: m.einsum(equation, *x), summary="sums of products over the letters of an equation"),
    Composite("tensordot", ("a", "b"), ("dims",), _tensordot, ("tensordot(a, c, dims=((0, 1), (1, 2)))", "tensordot(a, b, 1)"), adds=True, torch=lambda m, a, b, dims=(2,): m.tensordot(a, b, dims=dims if not isinstance(dims, tuple) or len(dims) > 1 else dims[0]), summary="sums of products over some dims of both"),
)
# fmt: on
