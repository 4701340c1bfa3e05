"""What flows back through operations on tensors, as textbooks write it: one row for one operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from math import prod

from gradcheck.explanation.shown import at, letter, over, quotient
from gradcheck.explanation.simplify import simplified
from gradcheck.functions import WHERE
from gradcheck.functions.params import axes, axis, broadcast, key, order
from gradcheck.program import Call, Layer, Name, Node, Number, Param, Shape, call, number

LETTERS = "ijklmnopqrstuvw"
ANYWHERE = "the same numbers in another shape: each slope goes back to the place of its number"
PICKED = "each element takes the slopes of all the places that it was copied to; what was not picked gets 0"
SORTED = "each slope goes back to the place that its number came from"
TIES = "elements that tie for the extreme share it equally"


@dataclass(frozen=True, slots=True)
class Flow:
    """What one operation adds to the derivative by one element of what it reads: a formula, a sentence, or both.

    ``whole`` is the same in whole matrices, without indices.
    """

    formula: Node | None
    said: str | None = None
    whole: Node | None = None


@dataclass(frozen=True)
class Use:
    """One operation on tensors ``above``, and the argument ``k`` by an element of which the output is differentiated.

    ``own`` are the letters of that element, ``out`` what is differentiated; the derivative by an element of ``above``
    is 1 where that is the output, the ``seed``.
    """

    above: str
    operation: Call
    k: int
    own: tuple[str, ...]
    out: Node
    shapes: Mapping[str, Shape]
    seed: bool
    called: str

    # --- what textbooks call them ---

    @property
    def a(self) -> Node:
        """Return the element itself."""
        return self.element(self.k, self.here)

    def b(self, indices: Sequence[Node]) -> Node:
        """Return an element of the result."""
        return at(self.called, indices)

    def g(self, indices: Sequence[Node]) -> Node:
        """Return the derivative by an element of the result."""
        return number(1) if self.seed else quotient(self.out, self.b(indices))

    def element(self, k: int, indices: Sequence[Node]) -> Node:
        """Return an element of an argument; a number is itself."""
        arg = self.operation.args[k]
        return at(arg.id, indices) if isinstance(arg, Name) else arg

    # --- shapes and letters ---

    def size(self, k: int) -> Shape:
        """Return the shape of an argument."""
        arg = self.operation.args[k]
        return self.shapes[arg.id] if isinstance(arg, Name) else ()

    @property
    def shape(self) -> Shape:
        """Return the shape of the argument."""
        return self.size(self.k)

    @property
    def result(self) -> Shape:
        """Return the shape of the result."""
        return self.shapes[self.above]

    @property
    def here(self) -> list[Node]:
        """Return the element's own indices."""
        return [letter(one) for one in self.own]

    @cached_property
    def fresh(self) -> list[str]:
        """Return letters that are not among the element's own."""
        return [one for one in LETTERS if one not in self.own]

    def param(self, name: str, default: Param = None) -> Param:
        """Return a parameter of the operation."""
        return self.operation.param(name, default)

    # --- reductions ---

    @property
    def over(self) -> tuple[int, ...]:
        """Return the axes that a reduction is over."""
        return axes(self.param("dim"), len(self.shape))

    @property
    def count(self) -> int:
        """Return how many elements of the argument make one of the result."""
        return prod(self.shape[one] for one in self.over)

    def reduced(self, indices: Sequence[Node]) -> list[Node]:
        """Return the indices of the result of a reduction."""
        kept = [number(0) if k in self.over else one for k, one in enumerate(indices)]
        return kept if self.param("keepdim") else [one for k, one in enumerate(kept) if k not in self.over]

    def renamed(self, along: Sequence[int]) -> tuple[list[str], list[Node]]:
        """Return new letters for some of the element's axes, and all its indices with them."""
        new = dict(zip([k for k in along if self.shape[k] != 1], self.fresh, strict=False))
        return [*new.values()], [letter(new[k]) if k in new else one for k, one in enumerate(self.here)]


Form = Callable[[Use], Flow]


def has_form(operation: Call) -> bool:
    """Tell whether textbooks write what flows back through a call; of mse_loss they know the plain mean alone.

    >>> from gradcheck.parse import parse
    >>> [has_form(parse(text).layers[0].expression) for text in ("mse_loss(a, b)", "mse_loss(a, b, reduction='sum')")]
    [True, False]
    """
    plain = operation.op != "mse_loss" or (isinstance(operation.args[2], Number) and not operation.params)
    return operation.op in FORMS and plain


def textbook(
    layer: Layer, below: str, own: tuple[str, ...], out: Node, shapes: Mapping[str, Shape], seed: str | None = None
) -> Flow:
    """Return what a layer of one tensor operation adds to the derivative by an element of a name that it reads.

    ``own`` are the letters of that element, ``out`` what is differentiated; ``seed`` is what the layer is called where
    it is the output.

    >>> from gradcheck.explanation.shown import Formula
    >>> from gradcheck.parse import parse
    >>> layer = parse("s = softmax(x, dim=0)").layers[0]
    >>> str(Formula(textbook(layer, "x", ("i",), Name("out"), {"x": (3,), "s": (3,)}).formula))
    's[i]*(d out/d s[i] - (sum over j of s[j]*(d out/d s[j])))'
    """
    operation = layer.expression
    assert isinstance(operation, Call)
    places = [k for k, one in enumerate(operation.args) if isinstance(one, Name) and one.id == below]

    def use(k: int) -> Use:
        return Use(layer.name, operation, k, own, out, shapes, seed is not None, seed or layer.name)

    flows = [FORMS[operation.op](use(k)) for k in places]
    return _added(flows)


def _added(flows: Sequence[Flow]) -> Flow:
    """Return what an operation adds that reads a name several times."""
    said = next((one.said for one in flows if one.said is not None), None)
    return Flow(_sum([one.formula for one in flows]), said, _sum([one.whole for one in flows]))


def _sum(nodes: Sequence[Node | None]) -> Node | None:
    known = [one for one in nodes if one is not None]
    if not known or len(known) < len(nodes):
        return None
    return simplified(reduce(lambda a, b: call("add", a, b), known))


# --- reductions -----------------------------------------------------------------------------------


def _reduction(slope: Callable[[Use, Node], Node], said: str | None = None) -> Form:
    """Return the form of a reduction: its slope by one element (of ``b``, the result), times what flows in."""

    def form(use: Use) -> Flow:
        place = use.reduced(use.here)
        return Flow(call("mul", slope(use, use.b(place)), use.g(place)), said)

    return form


def _variance(use: Use) -> Node:
    """Return the slope of the variance."""
    unbiased = use.param("unbiased", None)
    correction = use.param("correction", 1) if unbiased is None else int(bool(unbiased))
    assert isinstance(correction, int)
    mean = call("div", over(*_along(use, lambda there: use.element(use.k, there))), number(use.count))
    return call("div", call("mul", number(2), call("sub", use.a, mean)), number(use.count - correction))


def _along(use: Use, body: Callable[[list[Node]], Node]) -> tuple[list[str], Node]:
    """Return new letters along the axes of a reduction, and an expression of the elements there."""
    letters, there = use.renamed(use.over)
    return letters, body(there)


def _norm(use: Use, norm: Node) -> Node:
    """Return the slope of a norm, by its order."""
    p = use.param("p", 2)
    if p in (2, "fro"):
        return call("div", use.a, norm)
    sign, size = call("sign", use.a), call("abs", use.a)
    if p == 1:
        return sign
    if p == 0:
        return number(0)
    if p in ("inf", "-inf"):
        return call(WHERE, call("eq", size, norm), sign, number(0))
    assert isinstance(p, int | Fraction)
    return call("mul", sign, call("pow", call("div", size, norm), number(p - 1)))


def _norm_form(use: Use) -> Flow:
    return _reduction(_norm, TIES if use.param("p") in ("inf", "-inf") else None)(use)


def _others(use: Use, _product: Node) -> Node:
    """Return the product of all elements but one."""
    letters, there = use.renamed(use.over)
    differ = [call("ne", new, old) for new, old in zip(there, use.here, strict=True) if new is not old]
    differ = [one for one in differ if isinstance(one.args[0], Call) and one.args[0].param("name") in letters]
    if not differ:
        return number(1)
    condition = reduce(lambda a, b: call("logical_or", a, b), differ)
    return over(letters, use.element(use.k, there), condition, "product")


def _extreme(use: Use, extreme: Node) -> Node:
    """Return 1 where an element is the extreme, else 0."""
    return call(WHERE, call("eq", use.a, extreme), number(1), number(0))


def _softmax(use: Use) -> Flow:
    """Return s*(g - sum(s*g))."""
    letters, there = use.renamed([axis(use.param("dim", -1), len(use.shape))])
    brought = over(letters, call("mul", use.b(there), use.g(there)))
    return Flow(call("mul", use.b(use.here), call("sub", use.g(use.here), brought)))


def _log_softmax(use: Use) -> Flow:
    """Return g - exp(b)*sum(g)."""
    letters, there = use.renamed([axis(use.param("dim", -1), len(use.shape))])
    brought = over(letters, use.g(there))
    return Flow(call("sub", use.g(use.here), call("mul", call("exp", use.b(use.here)), brought)))


def _cumsum(use: Use) -> Flow:
    """Return the sum of what flows into all later places."""
    along = axis(use.param("dim", 0), len(use.shape))
    if not use.shape or use.shape[along] == 1:
        return Flow(use.g(use.here))
    letters, there = use.renamed([along])
    return Flow(over(letters, use.g(there), call("ge", there[along], use.here[along])))


def _mse(use: Use) -> Flow:
    """Return 2/n*(a - b), summed over the axes along which the argument was broadcast."""
    shape = broadcast(use.size(0), use.size(1))
    letters, wide = _widened(use, shape)
    a, b = (use.element(k, _narrowed(wide, use.size(k))) for k in (0, 1))
    off = call("sub", a, b) if use.k == 0 else call("sub", b, a)
    slope = call("div", call("mul", number(2), off), number(prod(shape)))
    return Flow(over(letters, call("mul", slope, use.g([]))))


def _widened(use: Use, shape: Shape) -> tuple[list[str], list[Node]]:
    """Return the letters along which the argument was broadcast to a shape, and an index of that shape."""
    fresh, own = iter(use.fresh), [*(["0"] * (len(shape) - len(use.own))), *use.own]
    letters, index = [], []
    for name, size in zip(own, shape, strict=True):
        new = next(fresh) if name == "0" and size != 1 else None
        letters += [new] if new else []
        index.append(letter(new or name))
    return letters, index


def _narrowed(index: Sequence[Node], shape: Shape) -> list[Node]:
    """Return the index of a tensor that was broadcast to where an index is."""
    here = list(index)[len(index) - len(shape) :]
    return [number(0) if size == 1 else one for one, size in zip(here, shape, strict=True)]


# --- products -------------------------------------------------------------------------------------


def _matmul(use: Use) -> Flow:
    """Return what flows into a factor: in whole matrices g @ b.T and a.T @ g, element by element a sum."""
    a, b = use.size(0), use.size(1)
    fresh = iter(use.fresh)
    mine, other = (a, b) if use.k == 0 else (b, a)
    own = use.here
    inner = own[-1] if use.k == 0 or len(mine) == 1 else own[-2]
    edge = [own[-2] if use.k == 0 else own[-1]] if len(mine) > 1 else []
    free = next(fresh) if len(other) > 1 and other[-1 if use.k == 0 else -2] != 1 else None
    far = [letter(free or "0")] if len(other) > 1 else []
    batch = broadcast(a[:-2], b[:-2])
    letters, wide = _batched(use.own[:-2], batch, fresh)
    pair = [inner, *far] if use.k == 0 else [*far, inner]
    at_other = [*_narrowed(wide, other[:-2]), *pair] if len(other) > 1 else [inner]
    result = [*wide, *(edge + far if use.k == 0 else far + edge)]
    factors = (use.g(result), use.element(1 - use.k, at_other))
    formula = over([*letters, *([free] if free else [])], call("mul", *factors[:: 1 if use.k == 0 else -1]))
    return Flow(formula, whole=_matrices(use) if len(a) == len(b) == 2 and not use.seed else None)


def _batched(own: Sequence[str], batch: Shape, fresh: Iterator[str]) -> tuple[list[str], list[Node]]:
    """Return the letters of batches along which a factor was broadcast, and the index of the batch."""
    letters, index = [], []
    for name, size in zip([*(["0"] * (len(batch) - len(own))), *own], batch, strict=True):
        new = next(fresh) if name == "0" and size != 1 else None
        letters += [new] if new else []
        index.append(letter(new or name))
    return letters, index


def _matrices(use: Use) -> Node:
    flowing = quotient(use.out, Name(use.called))
    other = call("T", use.operation.args[1 - use.k])
    return call("matmul", *((flowing, other) if use.k == 0 else (other, flowing)))


def _dot(use: Use) -> Flow:
    return Flow(call("mul", use.g([]), use.element(1 - use.k, use.here)))


def _outer(use: Use) -> Flow:
    other = use.size(1 - use.k)
    letters = use.fresh[: sum(size != 1 for size in other)]
    there = [letter(letters[0] if letters else "0")]
    place = [*use.here, *there] if use.k == 0 else [*there, *use.here]
    return Flow(over(letters, call("mul", use.g(place), use.element(1 - use.k, there))))


# --- moving elements ------------------------------------------------------------------------------


def _expand(use: Use) -> Flow:
    letters, wide = _widened(use, use.result)
    return Flow(over(letters, use.g(wide)))


def _reshape(use: Use) -> Flow:
    """Return where an element went, as far as that is short: axes of size 1 come and go, or all become one."""
    long = [(one, size) for one, size in zip(use.here, use.shape, strict=True) if size != 1]
    if [size for _, size in long] == [size for size in use.result if size != 1]:
        names = iter([one for one, _ in long])
        return Flow(use.g([number(0) if size == 1 else next(names) for size in use.result]))
    return Flow(use.g([_flat(long)])) if len(use.result) == 1 else Flow(None, ANYWHERE)


def _flat(index: Sequence[tuple[Node, int]]) -> Node:
    """Return the place of an element in row-major order."""
    place: Node = number(0)
    for one, size in index:
        place = call("add", call("mul", number(size), place), one)
    return simplified(place)


def _moved(dims: Callable[[Use], Sequence[int]]) -> Form:
    """Return the form of an operation that puts the axes in another order."""
    return lambda use: Flow(use.g([use.here[k] for k in dims(use)]))


def _swapped(use: Use) -> Sequence[int]:
    rank = len(use.shape)
    found = [*range(rank)]
    if rank > 1:
        one, other = axis(use.param("dim0", rank - 2), rank), axis(use.param("dim1", rank - 1), rank)
        found[one], found[other] = found[other], found[one]
    return found


def _flip(use: Use) -> Flow:
    along = axes(use.param("dims"), len(use.shape))
    turned = [
        call("sub", number(size - 1), one) if k in along and size != 1 else one
        for k, (one, size) in enumerate(zip(use.here, use.shape, strict=True))
    ]
    return Flow(use.g(turned))


def _cat(use: Use) -> Flow:
    along = axis(use.param("dim", 0), len(use.result))
    start = sum(use.size(k)[along] for k in range(use.k))
    place = [simplified(call("add", one, number(start))) if k == along else one for k, one in enumerate(use.here)]
    return Flow(use.g(place))


def _stack(use: Use) -> Flow:
    along = axis(use.param("dim", 0), len(use.result))
    return Flow(use.g([*use.here[:along], number(use.k), *use.here[along:]]))


def _index(use: Use) -> Flow:
    """Return where an element went, or 0 where it was not picked; lists and steps are told in words."""
    items = key(use.param("key"), len(use.shape))
    assert isinstance(items, tuple)
    place: list[Node] = []
    picked: list[Node] = []
    names = iter(zip(use.here, use.shape, strict=True))
    for item in _whole_key(items, len(use.shape)):
        if item is None:
            place.append(number(0))
            continue
        one, size = next(names)
        if isinstance(item, slice) and item.step in (None, 1):
            start, stop, _ = item.indices(size)
            place.append(simplified(call("sub", one, number(start))) if stop - start > 1 else number(0))
            picked += [call("ge", one, number(start))] if start else []
            picked += [call("lt", one, number(stop))] if stop < size else []
        elif isinstance(item, int):
            picked += [call("eq", one, number(item % size))] if size != 1 else []
        else:
            return Flow(None, PICKED)
    if not picked:
        return Flow(use.g(place))
    condition = reduce(lambda a, b: call("logical_and", a, b), picked)
    return Flow(call(WHERE, condition, use.g(place), number(0)))


def _whole_key(items: tuple[Param, ...], rank: int) -> list[Param]:
    """Return a key that names every axis."""
    used = sum(item is not None and item != "..." for item in items)
    rest: list[Param] = [slice(None)] * (rank - used)
    if "..." not in items:
        return [*items, *rest]
    cut = items.index("...")
    return [*items[:cut], *rest, *items[cut + 1 :]]


# --- the table ------------------------------------------------------------------------------------

FORMS: dict[str, Form] = {
    "sum": _reduction(lambda _, __: number(1)),
    "mean": _reduction(lambda use, _: call("div", number(1), number(use.count))),
    "var": _reduction(lambda use, _: _variance(use)),
    "std": _reduction(lambda use, b: call("div", _variance(use), call("mul", number(2), b))),
    "norm": _norm_form,
    "prod": _reduction(_others),
    "amax": _reduction(_extreme, TIES),
    "amin": _reduction(_extreme, TIES),
    "logsumexp": _reduction(lambda use, b: call("exp", call("sub", use.a, b))),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cumsum": _cumsum,
    "mse_loss": _mse,
    "matmul": _matmul,
    "dot": _dot,
    "outer": _outer,
    "sort": lambda _: Flow(None, SORTED),
    "expand": _expand,
    "reshape": _reshape, "flatten": _reshape, "squeeze": _reshape, "unsqueeze": _reshape,
    "permute": _moved(lambda use: order(use.param("dims"), len(use.shape))),
    "transpose": _moved(_swapped), "mT": _moved(_swapped), "t": _moved(_swapped),
    "T": _moved(lambda use: [*range(len(use.shape))][::-1]),
    "flip": _flip,
    "cat": _cat,
    "stack": _stack,
    "index": _index,
}  # fmt: skip
"""What flows back through each operation on tensors that a user can write."""
