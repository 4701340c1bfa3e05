"""Which input elements reach the places where a program may jump or have a corner, whatever the cotangents there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from gradcheck.exact.elements import Values
from gradcheck.exact.evaluate import as_array, evaluate
from gradcheck.exact.precision import working_precision
from gradcheck.functions import COMPARISONS, DETACH, ELEMENTWISE, TENSOR, WHERE
from gradcheck.functions.tensor import numpy_key
from gradcheck.lower import Core, condition
from gradcheck.program import Call, Layer, Name, Node, Number, names, postorder, substitute

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Masks = dict[str, Mask]
"""For names, which of their elements are meant."""
Labels = np.ndarray[Any, np.dtype[np.object_]]


def jumping(core: Core, values: Values, bits: int) -> Masks:
    """Return the input elements along which the output may jump: those that reach an operation at one of its jumps.

    A cotangent of 0 hides nothing here: beside the point another branch may be taken. Only a branch that is not taken
    in a neighbourhood counts for nothing, as long as what decides that does not jump itself.
    """
    with working_precision(bits):
        loose = {layer.name: at for layer in core.program.layers if (at := _loose(layer, core, values))}
        if not loose:
            return {}
        live = _backwards(core, values, {core.program.output: np.ones(core.shapes[core.program.output], dtype=bool)})
        found: Masks = {}
        for name, jumps in loose.items():
            for part, mask in jumps if name in live else ():
                if (mask & live[name]).any():
                    for read in _deciding(part):
                        _join(found, read, _unspread(mask & live[name], core.shapes[read]))
        reached = _backwards(core, values, found)
    return {name: mask for name, mask in reached.items() if name in core.program.inputs and mask.any()}


def may_jump(core: Core) -> bool:
    """Return whether any operation of a program has jumps at all.

    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> may_jump(lower(parse("floor(x)"), {"x": ()})), may_jump(lower(parse("abs(x)"), {"x": ()}))
    (True, False)
    """
    return any(_may_jump(part) for layer in core.program.layers for part in postorder(layer.expression))


def _may_jump(node: Node) -> bool:
    if not isinstance(node, Call) or node.op not in ELEMENTWISE:
        return isinstance(node, Call) and node.op == WHERE
    return ELEMENTWISE[node.op].jumps or (node.op == "pow" and not isinstance(node.args[1], Number))


def _loose(layer: Layer, core: Core, values: Values) -> list[tuple[Call, Mask]]:
    """Return the operations of a layer that may be at a jump, with the elements where they may."""
    found = []
    for part in postorder(layer.expression):
        if isinstance(part, Call) and _may_jump(part):
            mask = ~_holding(_steady(part), values, core.shapes[layer.name])
            found += [(part, mask)] if mask.any() else []
    return found


def jumps_off(node: Node) -> Iterator[tuple[Node, bool]]:
    """Yield where no operation of an expression is at a jump, as conditions with their truth there."""
    for part in postorder(node):
        if isinstance(part, Call) and _may_jump(part):
            yield from _steady(part)


def _deciding(node: Call) -> set[str]:
    """Return the names on which it depends whether an operation jumps."""
    read = node.args[:1] if node.op == WHERE else node.args
    return {name for arg in read for name in names(arg)}


def _backwards(core: Core, values: Values, start: Masks) -> Masks:
    """Return every element that reaches some elements, those included."""
    masks = dict(start)
    for layer in reversed(core.program.layers):
        mask, node = masks.get(layer.name), layer.expression
        if mask is None or not mask.any() or (isinstance(node, Call) and node.op == DETACH):
            continue
        for name, part in _sources(node, core, values, mask):
            _join(masks, name, part)
    return masks


def _join(masks: Masks, name: str, mask: Mask) -> None:
    masks[name] = masks[name] | mask if name in masks else mask


def _sources(node: Node, core: Core, values: Values, mask: Mask) -> Iterator[tuple[str, Mask]]:
    if isinstance(node, Call) and node.op in TENSOR:
        yield from _tensor_sources(node, core, mask)
    elif isinstance(node, Call) and node.op == WHERE:
        yield from _taken(node, core, values, mask)
    else:
        for name in names(node):
            yield name, _unspread(mask, core.shapes[name])


def _taken(node: Call, core: Core, values: Values, mask: Mask) -> Iterator[tuple[str, Mask]]:
    """Yield what a choice reads: its condition, and of the branches only the one taken where the choice is firm."""
    firm = _holding(_steady(node), values, mask.shape)
    truth = np.broadcast_to(as_array(evaluate(node.args[0], values)), mask.shape)
    yes = np.array([one is True for one in truth.ravel()], dtype=bool).reshape(mask.shape)
    for arg, part in zip(node.args, (mask, mask & (yes | ~firm), mask & (~yes | ~firm)), strict=True):
        for name in names(arg):
            yield name, _unspread(part, core.shapes[name])


def _unspread(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Return which elements of a smaller shape were broadcast to the marked ones."""
    mask = np.asarray(mask.any(axis=tuple(range(mask.ndim - len(shape)))), dtype=bool)
    over = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return np.broadcast_to(mask.any(axis=over, keepdims=True), shape) if over else mask


# --- tensor operations ----------------------------------------------------------------------------------


def _tensor_sources(node: Call, core: Core, mask: Mask) -> Iterator[tuple[str, Mask]]:
    args = [one.id for one in node.args if isinstance(one, Name)]
    shapes = [core.shapes[one] for one in args]
    params: Mapping[str, Any] = dict(node.params)
    if node.op == "sum":
        kept = mask if params["keepdim"] else np.expand_dims(mask, params["dim"])
        yield args[0], np.broadcast_to(kept, shapes[0])
    elif node.op == "cumsum":
        turned = np.flip(mask, params["dim"])
        yield args[0], np.flip(np.logical_or.accumulate(turned, params["dim"]), params["dim"])
    elif node.op == "matmul":
        left, right = mask.any(axis=-1, keepdims=True), mask.any(axis=-2, keepdims=True)
        yield args[0], _unspread(np.broadcast_to(left, (*mask.shape[:-1], shapes[0][-1])), shapes[0])
        yield args[1], _unspread(np.broadcast_to(right, (*mask.shape[:-2], *shapes[1][-2:])), shapes[1])
    elif node.op == "add_at":
        yield args[0], mask[numpy_key(params["key"])]
    else:
        yield from zip(args, _moved_back(node, shapes, mask), strict=True)


def _moved_back(node: Call, shapes: Sequence[tuple[int, ...]], mask: Mask) -> list[Mask]:
    """Return the sources of an operation that only moves elements, from where it takes each one."""
    starts = np.cumsum([0, *(int(np.prod(shape, dtype=np.int64)) for shape in shapes)])
    numbered = [np.arange(a, b).reshape(shape) for a, b, shape in zip(starts, starts[1:], shapes, strict=False)]
    places = TENSOR[node.op].exact(np, *numbered, **dict(node.params), zero=0)
    marked = np.zeros(starts[-1], dtype=bool)
    marked[np.asarray(places)[mask]] = True
    return [marked[a:b].reshape(shape) for a, b, shape in zip(starts, starts[1:], shapes, strict=False)]


# --- where an operation is smooth --------------------------------------------------------------------------


def _holding(conditions: Iterator[tuple[Node, bool]], values: Values, shape: tuple[int, ...]) -> Mask:
    """Return for which elements all conditions certainly have the truth that is wanted."""
    made = np.ones(shape, dtype=bool)
    for one, wanted in conditions:
        truth = np.broadcast_to(as_array(evaluate(one, values)), shape)
        made &= np.array([each is wanted for each in truth.ravel()], dtype=bool).reshape(shape)
    return made


def _steady(node: Call) -> Iterator[tuple[Node, bool]]:
    """Yield where an operation has no jump, as conditions with their truth there."""
    if node.op == WHERE:
        for part in postorder(node.args[0]):
            if isinstance(part, Call) and part.op in COMPARISONS:
                yield Call("ne", part.args), True
    elif node.op == "pow":
        yield _on(node, "(x != 0) | (y > 0)"), True  # 0**0 is 1, and 0**y is 0 beside it
    elif (kinks := ELEMENTWISE[node.op].kinks) is not None:
        yield _on(node, kinks), False


def _smooth(node: Call) -> Iterator[tuple[Node, bool]]:
    """Yield where an operation is smooth in a neighbourhood of its arguments."""
    if node.op == WHERE:
        yield from _steady(node)
        return
    row = ELEMENTWISE[node.op]
    if row.kinks is not None:
        yield _on(node, row.kinks), False
    inside = row.smooth or (row.domain(node) if callable(row.domain) else row.domain)
    if inside is not None:
        # the ends of a domain are left out; a power of any exponent is smooth for a positive base
        power = node.op == "pow" and not isinstance(node.args[1], Number)
        yield _on(node, "x > 0" if power else inside.replace(">=", ">").replace("<=", "<")), True


def _on(node: Call, text: str) -> Node:
    """Return a row's condition on the arguments of a call."""
    return substitute(condition(text), dict(zip(ELEMENTWISE[node.op].args, node.args, strict=True)))


# --- ties that meet -------------------------------------------------------------------------------------------


def groups(core: Core, values: Values, at: Sequence[tuple[str, int]], bits: int) -> list[list[int]]:
    """Return some input elements, by their places in ``at``, in groups.

    Two are together if an operation at a corner, a jump or the end of its domain depends on both, perhaps by way of
    others.
    """
    labels = _started(core, at)
    joined = _Union(len(at))
    with working_precision(bits):
        for layer in core.program.layers:
            node = layer.expression
            reads = [one for one in names(node) if one in labels]
            if reads and not (isinstance(node, Call) and node.op == DETACH):
                shape = core.shapes[layer.name]
                labels[layer.name] = np.broadcast_to(as_array(_labelled(node, labels, core)), shape)
                _join_at_corners(node, labels, values, shape, joined)
    return joined.groups()


def _started(core: Core, at: Sequence[tuple[str, int]]) -> dict[str, Labels]:
    labels: dict[str, Labels] = {}
    for place, (name, k) in enumerate(at):
        if name not in labels:
            labels[name] = np.zeros(core.shapes[name], dtype=object)
        labels[name].reshape(-1)[k] = 1 << place
    return labels


def _labelled(node: Node, labels: Mapping[str, Labels], core: Core) -> Any:
    """Return the labels that reach each element of an expression, as bits."""
    if not isinstance(node, Call) or node.op not in TENSOR:
        return reduce(np.bitwise_or, [labels[one] for one in names(node) if one in labels])
    read = [one.id for one in node.args if isinstance(one, Name)]
    args = [labels.get(one, np.zeros(core.shapes[one], dtype=object)) for one in read]
    params: Mapping[str, Any] = dict(node.params)
    if node.op == "sum":
        return np.bitwise_or.reduce(args[0], axis=params["dim"], keepdims=params["keepdim"])
    if node.op == "cumsum":
        return np.bitwise_or.accumulate(args[0], axis=params["dim"])
    if node.op == "matmul":
        left = np.bitwise_or.reduce(args[0], axis=-1, keepdims=True)
        return np.bitwise_or(left, np.bitwise_or.reduce(args[1], axis=-2, keepdims=True))
    return TENSOR[node.op].exact(np, *args, **params, zero=0)


def _join_at_corners(
    node: Node, labels: Mapping[str, Labels], values: Values, shape: tuple[int, ...], joined: _Union
) -> None:
    for part in postorder(node):
        if not isinstance(part, Call) or (part.op != WHERE and part.op not in ELEMENTWISE):
            continue
        if not (reads := [one for one in names(part) if one in labels]):
            continue
        rough = ~_holding(_smooth(part), values, shape)
        if rough.any():
            meeting = np.broadcast_to(reduce(np.bitwise_or, [labels[one] for one in reads]), shape)
            for bits in set(meeting[rough].tolist()):
                joined.join(bits)


class _Union:
    """Sets of places that grow together."""

    def __init__(self, size: int) -> None:
        self.parents = list(range(size))

    def root(self, place: int) -> int:
        while self.parents[place] != place:
            self.parents[place] = self.parents[self.parents[place]]
            place = self.parents[place]
        return place

    def join(self, bits: int) -> None:
        """Join all the places whose bits are set."""
        first = None
        while bits:
            place = (bits & -bits).bit_length() - 1
            bits &= bits - 1
            first = self.root(place) if first is None else first
            self.parents[self.root(place)] = first

    def groups(self) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for place in range(len(self.parents)):
            found.setdefault(self.root(place), []).append(place)
        return list(found.values())
