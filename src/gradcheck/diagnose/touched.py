"""What a wrong operation touches: the elements of the value, and of each gradient, that depend on a wrong number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.diagnose.graph import Graph, Site, Wrong
from gradcheck.pointwise import is_elementwise
from gradcheck.program import Shape

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Touched:
    """The elements that depend on a wrong number, of the output and of the gradient by each input."""

    output: Mask
    gradients: Mapping[str, Mask]


def touched(graph: Graph) -> Touched:
    """Return what depends on the numbers that the rulings call wrong: what does not is right as far as rounding goes.

    Element by element where operations go by elements; any other operation passes on whatever it gets to all of it.
    """
    everywhere = not all(graph.rulings[one.call].right for one in graph.plain)
    values: dict[Site, Mask] = {}
    for site in graph.sites:
        came = _value(site, values)
        values[site] = _marked(came, graph.rulings[site.call].value) | everywhere
    pulled: dict[tuple[Site, int], Mask] = {}
    for site in reversed(graph.sites):
        cotangent = np.zeros(site.torch.value.shape, np.bool_)
        for reader, position in site.readers:
            cotangent = cotangent | pulled[reader, position].reshape(cotangent.shape)
        back = _spread(site, cotangent | _value(site, values) | everywhere)
        for position, shape in _shapes(site).items():
            mask = _gathered(back, shape, site)
            pulled[site, position] = _marked(mask, graph.rulings[site.call].pulled.get(position))
    gradients = {name: _at_input(graph, name, pulled) for name in graph.readers}
    output = values[graph.output] if isinstance(graph.output, Site) else np.zeros((), np.bool_)
    return Touched(output, gradients)


def _at_input(graph: Graph, name: str, pulled: Mapping[tuple[Site, int], Mask]) -> Mask:
    mask = np.zeros(graph.point[name].shape, np.bool_)
    for reader, position in graph.readers[name]:
        mask = mask | pulled[reader, position].reshape(mask.shape)
    return mask


def _shapes(site: Site) -> dict[int, Shape]:
    """Return the shape of each argument that comes from somewhere."""
    args = enumerate(zip(site.sources, site.torch.args, strict=True))
    return {k: arg.shape for k, (source, arg) in args if source is not None and arg is not None}


def _value(site: Site, values: Mapping[Site, Mask]) -> Mask:
    """Return which elements of a value depend on wrong ones of the arguments."""
    shape = site.torch.value.shape
    masks = [values[source] for source in site.sources if isinstance(source, Site)]
    if not is_elementwise(site.call.op):
        return np.full(shape, any(one.any() for one in masks))
    made = np.zeros(shape, np.bool_)
    for one in masks:
        made = made | one
    return made


def _spread(site: Site, mask: Mask) -> Mask:
    """Return which elements of what flows back may depend on the marked ones, in the shape of the value."""
    return mask if is_elementwise(site.call.op) else np.full(mask.shape, mask.any())


def _gathered(mask: Mask, shape: Shape, site: Site) -> Mask:
    """Return which elements of an argument the marked ones of the value were broadcast from."""
    if not is_elementwise(site.call.op):
        return np.full(shape, mask.any())
    mask = np.asarray(mask.any(axis=tuple(range(mask.ndim - len(shape)))), np.bool_)
    over = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return np.asarray(mask.any(axis=over, keepdims=True) if over else mask, np.bool_)


def _marked(mask: Mask, found: Wrong | None) -> Mask:
    if found is None:
        return mask
    made = mask.copy()
    made.ravel()[list(found.at)] = True
    return made
