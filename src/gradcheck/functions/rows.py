"""What a row of the table is: one function with its meaning in every lane, its domain, kinks and samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcheck.functions.machine import Machine
from gradcheck.functions.sums import FUSED, SUMS, Accumulation, Depths
from gradcheck.program import Call, Node, Param, Shape

Sample = tuple[str, ...]
"""One text of the language for each argument."""


@dataclass(frozen=True, slots=True)
class Elementwise:
    """A function of real numbers, applied to each element with broadcasting.

    ``exact`` gets the arguments as balls. ``sympy`` gets the SymPy module and expressions; where it is, or returns, None the
    function stays opaque to SymPy, and ``partials`` give its derivatives, one text of the language for each argument.
    ``as_torch`` gives what torch adds to each argument's gradient, a formula of ``grad``, the arguments and the stored
    ``result`` as in its derivatives.yaml, where that loses other digits than the product with SymPy's form; the rounding
    enclosure uses it. With ``fused`` one kernel computes it, in float32 for the half types.
    ``domain`` and ``kinks`` are conditions in the language on the arguments: where the value exists, and where within
    the domain the derivative does not; with ``jumps`` the function itself may be discontinuous there. ``removable``
    gives, for each partial, where its text is 0/0 and its value there. With ``signed_zeros`` the sign of an argument
    that is 0 decides about the value. ``spares`` says for each argument of a sum or product what number as it, "zero" or
    "power of two", leaves all the digits of the other, and ``absorbing`` names the places of those that make 0 of it
    where they are. ``powers`` are formulas for the value where the last argument is that plain number.
    ``machine`` says how the row is evaluated in machine intervals; a row without it is left to balls.
    ``native`` rows evaluate whole arrays of balls at once. ``budget`` is what torch's result may be off by, in unit
    roundoffs (half ULPs); 1 says that it is rounded correctly. In the half types it counts in float32, where their
    kernels compute, and ``halves`` counts the roundings to the half type itself. ``coarse`` is an absolute error that
    comes on top of it in the half types and within fused kernels, and ``forward`` a formula for the value, where no
    relative error is small because torch subtracts on the way. Where that is inside of one kernel, ``absolute`` is the
    error that comes on top, in unit roundoffs of 1; with ``one_kernel`` a half type computes all of ``forward`` in float32,
    and rounds once. ``dtypes`` are those that torch has kernels for, forward and back, where these are not all.
    ``smooth`` says where it is smooth whose corner neither domain nor kinks tell. With equal arguments it is one and the
    same number, or one of them, where ``equals`` is "constant" or "either". ``compares`` names the pairs of arguments
    whose order decides. ``safe`` is an argument with a value and a slope, and ``grows`` says that it overflows from
    arguments of ordinary size. The arguments behind the first are ``bounds`` where torch takes these as plain numbers
    alone; by those that are ``fixed`` torch does not differentiate, and their partial is empty. ``adds`` says that errors grow in it by cancellation, and ``of_number`` how torch computes it where the first
    argument alone is a plain number.
    ``faults`` says where torch's own gradient is known to be wrong, and not excused: what tests of the enclosures leave out.
    ``lacks`` names the steps, ``rev`` or ``fwd``, that torch has not implemented.
    ``oracle`` is an independent mpmath function, used by the tests alone.

    >>> from gradcheck.functions import lookup
    >>> row = lookup("log")
    >>> row.args, row.domain, row.samples[:2]
    (('x',), 'x > 0', (('0.01',), ('0.3',)))
    """

    name: str
    args: tuple[str, ...]
    exact: Callable[..., Any]
    oracle: Callable[..., Any]
    samples: tuple[Sample, ...]
    sympy: Callable[..., Any] | None = None
    partials: tuple[str, ...] = ()
    as_torch: tuple[str, ...] = ()
    torch: Callable[..., Any] | None = None
    removable: tuple[tuple[str, str], ...] = ()
    machine: Machine | None = None
    native: bool = False
    budget: float = 4.0
    halves: float = 1.0
    fused: bool = False
    coarse: float = 0.0
    absolute: float = 0.0
    dtypes: tuple[str, ...] = ()
    forward: str | None = None
    one_kernel: bool = False
    domain: str | Callable[[Call], str | None] | None = None
    kinks: str | None = None
    jumps: bool = False
    signed_zeros: bool = False
    smooth: str | None = None
    equals: str = ""
    compares: tuple[tuple[int, int], ...] = ()
    safe: float = 1
    grows: bool = False
    bounds: bool = False
    fixed: tuple[str, ...] = ()
    adds: bool = False
    of_number: str | None = None
    spares: tuple[str, ...] = ()
    absorbing: tuple[int, ...] = ()
    powers: Mapping[float, str] = field(default_factory=dict, hash=False)
    outside: tuple[Sample, ...] = ()
    faults: str | None = None
    lacks: tuple[str, ...] = ()
    summary: str = ""

    @property
    def moving(self) -> tuple[str, ...]:
        """Return the arguments that torch differentiates by."""
        return tuple(one for one in self.args if one not in self.fixed)

    @property
    def divides(self) -> bool:
        """Return whether it has no value just where its last argument is 0."""
        return self.domain == f"{self.args[-1]} != 0"

    @property
    def stored(self) -> bool:
        """Return whether torch computes the gradient from the stored, rounded result."""
        return any(f"{self.name}(" in text or "result" in text for text in self.as_torch)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A linear (or multilinear) tensor operation with its transpose.

    ``canonical`` gets the argument shapes and the params that the user wrote, and returns them all in one form, or the
    text of an equal expression. ``shape`` gets the argument shapes and canonical params and returns the result's. Both
    raise ValueError with a message in the user's words. ``exact`` gets NumPy itself and arrays of balls. ``transpose`` gets the cotangent, the call, and the shapes of its
    arguments and result, and returns the cotangent of the argument at ``position``, as an expression of the language.
    With ``multilinear`` it is linear in each argument where the others stand still, as a product is; any other is linear
    in all of them together. It is the ``identity`` wherever it keeps the "shape", or just that of "scalars".
    Where terms are added up, ``depth`` says how many roundings one goes through, and ``accumulation`` in which format.

    >>> from gradcheck.functions import lookup
    >>> lookup("sum").shape((2, 3), dim=(1,), keepdim=False)
    (2,)
    """

    name: str
    args: tuple[str, ...]
    params: tuple[str, ...]
    canonical: Callable[..., dict[str, Param] | str]
    shape: Callable[..., Shape]
    exact: Callable[..., Any]
    transpose: Callable[[Node, Call, Sequence[Shape], Shape, int], Node]
    samples: tuple[str, ...]
    depth: Depths | None = None
    accumulation: Accumulation = SUMS
    keeps_constants: bool = False
    multilinear: bool = False
    identity: str | None = None
    torch: Callable[..., Any] | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Composite:
    """A function of torch that is defined by lines of the language.

    ``definition`` is the text, or a callable that gets the params (static arguments) and the argument shapes and
    returns it. The exact lane expands it; torch runs its own function. ``as_torch`` is an equal definition that loses as
    many digits as torch's own formulas do, forward and backward, where ``definition`` would lose others; the rounding
    enclosure uses it. In it ``value + (x - detach(x))*slope`` has a value and a slope that torch computes apart.
    What is differentiated more than once takes ``again`` in its place, a callable that gets the order before the rest.
    ``stored`` says that torch computes the gradient from the stored, rounded result. ``fused`` names the lines of
    ``as_torch`` whose values one kernel of torch computes without rounding them to the format, in the formats of
    ``accumulation``, and ``pulled`` those whose cotangents it so computes on the way back; the last line is ``out``.
    ``adds`` says that errors grow in it by cancellation, ``bounds`` that its params are bounds, which torch refuses where
    the dtype cannot hold them.
    ``order`` is that of torch's positional arguments where it is not the tensors first.
    ``optional`` gives for each tensor that need not be given the number that stands for it in the definition; torch gets
    None. Of these only the ``scalars`` may have no dims where the first tensor has some. ``masks`` names the arguments that are conditions, ``fixed`` those that torch differentiates nothing by, and ``indices`` the params that hold whole numbers, which
    may be the name of an input. ``words`` gives for each param that is a word the words that it may be; a number among
    them says that numbers are taken as well, and none at all that any text is. ``soft`` names the row that a call is of
    which these numbers are not written, or held by an input, but computed, or no whole ones.
    A function of several results has ``results``: their names, or one name with a star for a list of any length. A
    definition gets as ``result`` which of them is wanted, counted from 0; without the param ``single`` there is one alone.
    ``wrong`` names the steps, ``rev`` or ``fwd``, in which torch's own derivative is off at ordinary points, or
    ``second`` where that of order two is off by less than rounding in the half types. ``faulty`` gives the params with
    which torch's value itself is known to be wrong, and not excused. ``lacks`` names the steps that torch has not
    implemented.
    ``numbers`` names the arguments that torch takes as plain numbers where they are some.
    With ``many`` it takes any number of tensors in the place of its one argument. ``dtypes`` are those in
    which torch's function works on the CPU, where these are not all: in the others it raises, or is wrong throughout.

    >>> from gradcheck.functions import lookup
    >>> lookup("silu").definition
    'x*sigmoid(x)'
    """

    name: str
    args: tuple[str, ...]
    params: tuple[str, ...]
    definition: str | Callable[..., str]
    samples: tuple[str, ...]
    as_torch: str | Callable[..., str] | None = None
    again: Callable[..., str] | None = None
    stored: bool = False
    fused: str = ""
    pulled: str = ""
    accumulation: Accumulation = FUSED
    adds: bool = False
    bounds: bool = False
    defaults: dict[str, Param] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    optional: dict[str, int] = field(default_factory=dict)
    scalars: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    words: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict, hash=False)
    soft: str = ""
    results: tuple[str, ...] = ()
    single: str = ""
    wrong: tuple[str, ...] = ()
    faulty: Mapping[str, Param] = field(default_factory=dict, hash=False)
    lacks: tuple[str, ...] = ()
    many: bool = False
    numbers: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    torch: Callable[..., Any] | None = None
    summary: str = ""


Row = Elementwise | Tensor | Composite
