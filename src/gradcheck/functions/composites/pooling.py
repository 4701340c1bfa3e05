"""Pools over windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from math import prod
from typing import Any

from gradcheck.functions.composites.windows import Windows, added, check_amount, each, image, in_turn
from gradcheck.functions.rows import Composite
from gradcheck.functions.sorting import EITHER
from gradcheck.program import Param, Shape

Reads = list[list[int]]
"""The places in an image that each window reads."""


def _windows(
    axes: int, sizes: Shape, kernel: Param, stride: Param, padding: Param, ceil: Param, dilation: Param = 1
) -> Windows:  # fmt: skip
    size, around = each(kernel, axes, "kernel_size"), each(padding, axes, "padding", 0)
    if any(2 * pad > one for pad, one in zip(around, size, strict=True)):
        raise ValueError("padding is at most half of kernel_size")
    steps = size if stride in (None, ()) else each(stride, axes, "stride")
    return Windows(
        sizes, size, steps, tuple((one, one) for one in around), each(dilation, axes, "dilation"), bool(ceil)
    )


def _reads(windows: Windows) -> Reads:
    every = zip(*windows.taps(), strict=True)
    return [[place for place in one if place is not None] for one in every]


def _pooled(axes: int, x: Shape, name: str) -> tuple[Shape, Shape]:
    """Return the shape with the batch and the channels in one axis, and the image in another, and the image's sizes."""
    samples, channels, sizes = image(x, axes, name)
    return (samples * channels, prod(sizes)), sizes


# --- averages -------------------------------------------------------------------------------------


def _averages(flat: Shape, reads: Reads, divisors: Sequence[int], made: Shape) -> str:
    """Return the sums of what windows read, over a divisor for each."""
    *lines, total = added("z", flat, reads, False).splitlines()
    below = str(divisors[0]) if len(set(divisors)) == 1 else in_turn(divisors)
    return "\n".join([f"z = reshape(x, {flat})", *lines, f"s = {total}", f"reshape(s/{below}, {made})"])


def _avg_pool(
    axes: int, x: Shape, kernel_size: Param, stride: Param = None, padding: Param = 0, ceil_mode: Param = False,
    count_include_pad: Param = True, divisor_override: Param = None,
) -> str:  # fmt: skip
    """Return the averages; padding counts as elements that are 0, but not what lies behind it (Pool.h, AvgPoolKernel.cpp)."""
    flat, sizes = _pooled(axes, x, f"avg_pool{axes}d")
    windows = _windows(axes, sizes, kernel_size, stride, padding, ceil_mode)
    _fits(windows)
    reads = _reads(windows)
    counts = [len(one) for one in reads]
    if divisor_override is not None:
        if not isinstance(divisor_override, int) or divisor_override == 0:
            raise ValueError("divisor_override is a whole number other than 0")
        counts = [divisor_override] * len(reads)
    elif count_include_pad:
        around = Windows(
            tuple(size + before + after for size, _, _, (before, after), _ in windows.axes),
            windows.kernel, windows.stride, ((0, 0),), windows.dilation,
        )  # fmt: skip
        counts = [sum(place is not None for place in one) for one in zip(*around.taps(windows.counts), strict=True)]
    return _averages(flat, reads, counts, (*x[:-axes], *windows.counts))


def _fits(windows: Windows) -> None:
    """Demand of three axes that no window is larger than the image without its padding (Pool.h, pool3d_shape_check)."""
    larger = [one for one in zip(windows.kernel, windows.image, strict=True) if one[0] > one[1]]
    if len(windows.image) == 3 and larger:
        raise ValueError("a window of {} is larger than an image of {} elements".format(*larger[0]))


def _adaptive(axes: int, x: Shape, output_size: Param, name: str) -> tuple[Shape, Reads, Shape]:
    """Return a flat shape, what windows read, and the result's shape (AdaptivePooling.h): None keeps a size."""
    flat, sizes = _pooled(axes, x, name)
    items = output_size if isinstance(output_size, tuple) else (output_size,) * axes
    if len(items) == axes:
        items = tuple(size if one is None else one for one, size in zip(items, sizes, strict=True))
    made = each(items, axes, "output_size", single=False)
    check_amount(prod(size + count for size, count in zip(sizes, made, strict=True)), "elements in all windows")
    reads: list[list[tuple[int, ...]]] = [[()]]
    for size, count in zip(sizes, made, strict=True):
        reads = [[(*place, at) for place in one for at in more] for one in reads for more in _spans(size, count)]
    strides = [prod(sizes[k + 1 :]) for k in range(axes)]
    places = [[sum(a * b for a, b in zip(place, strides, strict=True)) for place in one] for one in reads]
    return flat, places, (*x[:-axes], *made)


def _spans(size: int, count: int) -> list[range]:
    """Return what so many windows read along an axis."""
    return [range(k * size // count, -(-(k + 1) * size // count)) for k in range(count)]


def adaptive_avg_pool(axes: int, x: Shape, output_size: Param) -> str:
    """Return the averages of so many windows along each axis, which may overlap."""
    flat, reads, made = _adaptive(axes, x, output_size, f"adaptive_avg_pool{axes}d")
    return _averages(flat, reads, [len(one) for one in reads], made)


def _averages_in_turn(x: Shape, output_size: Param) -> str:
    """Return averages as torch has them of three axes: added in the format, and divided by one size after the other.

    aten/src/ATen/native/AdaptiveAveragePooling3d.cpp; that of all elements is their mean.
    """
    flat, reads, made = _adaptive(3, x, output_size, "adaptive_avg_pool3d")
    if len(reads) == 1:
        return adaptive_avg_pool(3, x, output_size)
    *lines, total = added("z", flat, reads, True).splitlines()
    spans = [_spans(size, count) for size, count in zip(x[-3:], made[-3:], strict=True)]
    sizes = zip(*(map(len, one) for one in product(*spans)), strict=True)
    below = "/".join(in_turn(one) for one in sizes)
    return "\n".join([f"z = reshape(x, {flat})", *lines, f"reshape(({total})/{below}, {made})"])


# --- the greatest ---------------------------------------------------------------------------------

GREATER = "maximum({0}, {1})"
FIRST = f"where(({{0}} > {{1}}) | ({{0}} == {{1}}) & {EITHER}, {{0}}, {{1}})"
"""The greater as torch has it: of two that tie one has all of the slope, and not each a half."""


def _greatest(pair: str, flat: Shape, reads: Reads, made: Shape) -> str:
    """Return the greatest of what each window reads, by pairs; windows of one size are taken together."""
    sizes = sorted({len(one) for one in reads})
    if sizes[0] == 0:
        raise ValueError("a window reads nothing but padding")
    lines, found, order = [f"z = reshape(x, {flat})"], [], []
    for size in sizes:
        own = [k for k, one in enumerate(reads) if len(one) == size]
        order += own
        places = [reads[k][tap] for tap in range(size) for k in own]
        lines.append(f"t_{size}_{size} = reshape(z[:, {places}], {(flat[0], size, len(own))})")
        last, left = f"t_{size}_{size}", size
        while left > 1:
            half = left // 2
            low, high = f"{last}[:, :{half}]", f"{last}[:, {half}:{2 * half}]"
            new = f"t_{size}_{left - half}"
            odd = f", {last}[:, {2 * half}:]" if left % 2 else ""
            lines.append(
                f"{new} = cat([{pair.format(low, high)}{odd}], dim=1)" if odd else f"{new} = {pair.format(low, high)}"
            )
            last, left = new, left - half
        found.append(f"{last}[:, 0]")
    if len(found) == 1:
        return "\n".join([*lines, f"reshape({found[0]}, {made})"])
    turn = sorted(range(len(order)), key=order.__getitem__)
    return "\n".join([*lines, f"reshape(cat([{', '.join(found)}], dim=1)[:, {turn}], {made})"])


def _max_pool(
    axes: int, pair: str, x: Shape, kernel_size: Param, stride: Param = None, padding: Param = 0, dilation: Param = 1,
    ceil_mode: Param = False,
) -> str:  # fmt: skip
    flat, sizes = _pooled(axes, x, f"max_pool{axes}d")
    windows = _windows(axes, sizes, kernel_size, stride, padding, ceil_mode, dilation)
    return _greatest(pair, flat, _reads(windows), (*x[:-axes], *windows.counts))


def _adaptive_max_pool(axes: int, pair: str, x: Shape, output_size: Param) -> str:
    return _greatest(pair, *_adaptive(axes, x, output_size, f"adaptive_max_pool{axes}d"))


# --- powers ---------------------------------------------------------------------------------------


def _lp_pool(
    axes: int, x: Shape, norm_type: Param, kernel_size: Param, stride: Param = None, ceil_mode: Param = False
) -> str:  # fmt: skip
    """Return the root of the sums of powers."""
    if not isinstance(norm_type, int | Fraction) or isinstance(norm_type, bool) or norm_type == 0:
        raise ValueError("norm_type is a number other than 0")
    if isinstance(kernel_size, tuple) and (axes == 1 or len(kernel_size) == 1):
        raise ValueError(f"kernel_size of lp_pool{axes}d is a whole number{f', or {axes} of them' if axes > 1 else ''}")
    flat, sizes = _pooled(axes, x, f"lp_pool{axes}d")
    windows = _windows(axes, sizes, kernel_size, stride, 0, ceil_mode)
    _fits(windows)
    *lines, total = added("z", flat, _reads(windows), False).splitlines()
    made = (*x[:-axes], *windows.counts)
    root = Fraction(1) / Fraction(norm_type)
    return "\n".join([f"z = reshape(x, {flat})**({norm_type})", *lines, f"reshape(({total})**({root}), {made})"])


def _run(name: str) -> Callable[..., Any]:
    """Return what runs a pool of torch.nn.functional."""
    return lambda m, x, *args, **params: getattr(m.nn.functional, name)(x, *args, **params)


SAMPLES = (
    ("reshape(b, (1, 1, -1))", "reshape(a, (1, 2, -1))", "reshape(b, (1, -1))"),
    ("reshape(b, (1, 1, 3, 4))", "reshape(b, (1, 3, 4))", "reshape(b, (1, 2, -1))"),
    ("reshape(b, (1, 1, 2, 2, -1))", "reshape(b, (1, 1, 2, 3, 2))", "reshape(b, (1, 1, 2, -1))"),
)
"""Images of one to three axes."""
KERNELS = ("2", "2", "(1, 2, 1)")
"""Windows that fit into the first of them."""


def _averaging(axes: int) -> tuple[Composite, ...]:
    one, other, third = SAMPLES[axes - 1]
    plain = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
    # of three axes torch adds in the format, and rounds every quotient
    stored: dict[str, Any] = {"as_torch": _averages_in_turn} if axes == 3 else {"fused": "s out"}
    return (
        Composite(f"avg_pool{axes}d", ("x",), (*plain, "divisor_override")[: 5 + (axes > 1)], partial(_avg_pool, axes),
                  (f"avg_pool{axes}d({one}, {KERNELS[axes - 1]}, 1)", f"avg_pool{axes}d({other}, 2, padding=1, ceil_mode=True, count_include_pad=False)"),
                  adds=True, fused="s out", dtypes=("float64", "float32") if axes == 3 else (), torch=_run(f"avg_pool{axes}d"), summary=f"the averages of windows over {_axes(axes)}"),
        Composite(f"adaptive_avg_pool{axes}d", ("x",), ("output_size",), partial(adaptive_avg_pool, axes),
                  (f"adaptive_avg_pool{axes}d({third}, 2)",), adds=True, **stored, torch=_run(f"adaptive_avg_pool{axes}d"), summary=f"the averages of so many windows along {_axes(axes)}"),
    )  # fmt: skip


def _maximal(axes: int) -> tuple[Composite, ...]:
    one, other, third = SAMPLES[axes - 1]
    return (
        Composite(f"max_pool{axes}d", ("x",), ("kernel_size", "stride", "padding", "dilation", "ceil_mode"), partial(_max_pool, axes, GREATER),
                  (f"max_pool{axes}d({one}, {KERNELS[axes - 1]}, 1)", f"max_pool{axes}d({other}, 2, padding=1, ceil_mode=True)"),
                  as_torch=partial(_max_pool, axes, FIRST), torch=_run(f"max_pool{axes}d"), summary=f"the greatest elements of windows over {_axes(axes)}"),
        Composite(f"adaptive_max_pool{axes}d", ("x",), ("output_size",), partial(_adaptive_max_pool, axes, GREATER), (f"adaptive_max_pool{axes}d({third}, 2)",),
                  as_torch=partial(_adaptive_max_pool, axes, FIRST), torch=_run(f"adaptive_max_pool{axes}d"), summary=f"the greatest elements of so many windows along {_axes(axes)}"),
    )  # fmt: skip


def _powers(axes: int) -> Composite:
    return Composite(
        f"lp_pool{axes}d", ("x",), ("norm_type", "kernel_size", "stride", "ceil_mode"), partial(_lp_pool, axes),
        (f"lp_pool{axes}d({SAMPLES[axes - 1][0]}, 4, {KERNELS[axes - 1]}, stride=1)",), adds=True, dtypes=("float64", "float32") if axes == 3 else (), torch=_run(f"lp_pool{axes}d"), summary=f"the norms of order norm_type of windows over {_axes(axes)}",
    )  # fmt: skip


def _axes(axes: int) -> str:
    return ("one axis", "two axes", "three axes")[axes - 1]


ROWS: tuple[Composite, ...] = (
    *(row for axes in (1, 2, 3) for row in (*_averaging(axes), *_maximal(axes))),
    *map(_powers, (1, 2, 3)),
)
