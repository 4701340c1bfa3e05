"""Convolutions, and what unfolds and folds an image for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod

from gradcheck.functions.composites.windows import Windows, added, each, image, pick
from gradcheck.functions.params import shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

Definition = Callable[..., str]


def _padding(padding: Param, axes: int, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[tuple[int, int], ...]:
    """Return what is added before and after each axis; "same" adds the odd one behind, as torch does."""
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        if stride != (1,) * axes:
            raise ValueError('padding="same" needs a stride of 1')
        both = [gap * (size - 1) for size, gap in zip(kernel, dilation, strict=True)]
        return tuple((one // 2, one - one // 2) for one in both)
    return tuple((one, one) for one in each(padding, axes, "padding", 0))


def _groups(groups: Param, of: int, what: str) -> int:
    if not isinstance(groups, int) or isinstance(groups, bool) or groups < 1:
        raise ValueError("groups is a whole number from 1")
    if of % groups:
        raise ValueError(f"{of} {what} cannot be shared by {groups} groups")
    return groups


def _checked_bias(bias: Shape, channels: int) -> None:
    if bias and bias != (channels,):
        raise ValueError(f"bias has a number for each of the {channels} channels of the result, not {shape_text(bias)}")


def _convolution(
    axes: int, stored: bool, x: Shape, weight: Shape, bias: Shape,
    stride: Param = 1, padding: Param = 0, dilation: Param = 1, groups: Param = 1,
) -> str:  # fmt: skip
    """Return a convolution: what each window reads is a column, and the weights are a matrix that is multiplied by it.

    aten/src/ATen/native/ConvolutionMM2d.cpp does the same, sample by sample, and col2im adds up on the way back; what
    oneDNN adds up in registers is no coarser. ``stored`` has the bias as one more term of the sums, which may begin
    with it, and for each sample weights of its own, whose gradients are added up in the format.
    """
    name = f"conv{axes}d"
    samples, channels, sizes = image(x, axes, name)
    if len(weight) != axes + 2:
        raise ValueError(f"the weights of {name} have {axes + 2} dimensions, and these are {shape_text(weight)}")
    out, kernel = weight[0], weight[2:]
    g = _groups(groups, out, "channels of the result")
    if weight[1] * g != channels:
        raise ValueError(
            f"these weights ({shape_text(weight)}) with groups={g} are for {weight[1] * g} channels, and x has {channels}"
        )
    _checked_bias(bias, out)
    steps, gaps = each(stride, axes, "stride"), each(dilation, axes, "dilation")
    windows = Windows(sizes, kernel, steps, _padding(padding, axes, kernel, steps, gaps), gaps)
    places = [place for tap in windows.taps() for place in tap]
    count, depth = prod(windows.counts), prod(weight[1:])
    flat = (samples, channels, prod(sizes))
    result = (*x[: -axes - 1], out, *windows.counts)
    lines = [
        f"z = reshape(x, {flat})",
        f"columns = reshape({pick('z', flat, places)}, {(samples, g, depth, count)})",
        f"w = reshape(weight, {(1, g, out // g, depth)})",
    ]
    product = "w @ columns"
    if stored and bias:
        lines += [f"ones = expand(1, {(samples, g, 1, count)})", f"b = reshape(bias, {(1, g, out // g, 1)})"]
        product = "v @ cat([columns, ones], dim=2)"
        lines += ["v = cat([w, b], dim=3)"]
    if stored and samples > 1:
        left, right = product.split(" @ ")
        product = f"{left}[{[0] * samples}] @ {right}"
    shift = "" if stored or not bias else f" + reshape(bias, {(out, *(1,) * axes)})"
    return "\n".join([*lines, f"reshape({product}, {result}){shift}"])


def _transposed(
    axes: int, stored: bool, x: Shape, weight: Shape, bias: Shape, stride: Param = 1, padding: Param = 0,
    output_padding: Param = 0, groups: Param = 1, dilation: Param = 1,
) -> str:  # fmt: skip
    """Return a transposed convolution: products of the channels, and for each element of the result those it gets.

    aten/src/ATen/native/NaiveConvolutionTranspose2d.cpp: a product of matrices, and col2im, which adds in the format,
    one place of the kernel after the other.
    """
    name = f"conv_transpose{axes}d"
    samples, channels, sizes = image(x, axes, name)
    if len(weight) != axes + 2:
        raise ValueError(f"the weights of {name} have {axes + 2} dimensions, and these are {shape_text(weight)}")
    g = _groups(groups, channels, "channels")
    if weight[0] != channels:
        raise ValueError(f"these weights ({shape_text(weight)}) are for {weight[0]} channels, and x has {channels}")
    kernel, each_out = weight[2:], weight[1]
    _checked_bias(bias, each_out * g)
    steps, gaps = each(stride, axes, "stride"), each(dilation, axes, "dilation")
    around, more = each(padding, axes, "padding", 0), each(output_padding, axes, "output_padding", 0)
    if any(one >= max(step, gap) for one, step, gap in zip(more, steps, gaps, strict=True)):
        raise ValueError("output_padding is smaller than the stride or the dilation")
    made = tuple(
        (size - 1) * step - 2 * pad + gap * (taps - 1) + extra + 1
        for size, step, pad, gap, taps, extra in zip(sizes, steps, around, gaps, kernel, more, strict=True)
    )
    if min(made) < 1:
        raise ValueError(f"the result would be {shape_text(made)}")
    taps, count = prod(kernel), prod(sizes)
    windows = Windows(made, kernel, steps, tuple((one, one) for one in around), gaps)
    parts = (samples, g * each_out, taps * count)
    rows = "w" if samples == 1 or not stored else f"w[{[0] * samples}]"
    *line, total = added("p", parts, windows.readers(sizes), stored).splitlines()
    shift = f" + reshape(bias, {(each_out * g, *(1,) * axes)})" if bias else ""
    return "\n".join([
        f"m = permute(reshape(weight, {(g, channels // g, each_out * taps)}), (0, 2, 1))",
        f"w = reshape(m, {(1, g, each_out * taps, channels // g)})",
        f"p = reshape({rows} @ reshape(x, {(samples, g, channels // g, count)}), {parts})",
        *line, f"reshape({total}, {(*x[: -axes - 1], each_out * g, *made)}){shift}",
    ])  # fmt: skip


def _unfold(x: Shape, kernel_size: Param, dilation: Param = 1, padding: Param = 0, stride: Param = 1) -> str:
    """Return what windows read, as columns."""
    samples, channels, sizes = image(x, 2, "functional.unfold")
    windows = _windows(sizes, kernel_size, dilation, padding, stride)
    flat = (samples, channels, prod(sizes))
    places = [place for tap in windows.taps() for place in tap]
    result = (*x[:-3], channels * prod(windows.kernel), prod(windows.counts))
    return f"z = reshape(x, {flat})\nreshape({pick('z', flat, places)}, {result})"


def _windows(sizes: Shape, kernel: Param, dilation: Param, padding: Param, stride: Param) -> Windows:
    return Windows(
        sizes, each(kernel, 2, "kernel_size", single=False), each(stride, 2, "stride", single=False),
        tuple((one, one) for one in each(padding, 2, "padding", 0, single=False)), each(dilation, 2, "dilation", single=False),
    )  # fmt: skip


def _fold(
    stored: bool, x: Shape, output_size: Param, kernel_size: Param, dilation: Param = 1, padding: Param = 0, stride: Param = 1
) -> str:  # fmt: skip
    """Return the sums of columns where windows overlap.

    ``stored`` has them as aten/src/ATen/native/im2col.h (col2im) has: in the format, one place of the kernel after
    the other.
    """
    if len(x) not in (2, 3):
        raise ValueError(
            f"fold takes a tensor of 3 dimensions (batch, columns, windows) or of 2, and not {shape_text(x)}"
        )
    sizes = each(output_size, 2, "output_size", single=False)
    windows = _windows(sizes, kernel_size, dilation, padding, stride)
    taps, count = prod(windows.kernel), prod(windows.counts)
    if x[-2] % taps or x[-1] != count:
        raise ValueError(
            f"columns of windows of {shape_text(windows.kernel)} over {shape_text(sizes)} have {taps} rows for each "
            f"channel, and there are {count} of them; this tensor is {shape_text(x)}"
        )
    channels, samples = x[-2] // taps, prod(x[:-2])
    parts = (samples, channels, taps * count)
    *line, total = added("p", parts, windows.readers(), stored).splitlines()
    return "\n".join([f"p = reshape(x, {parts})", *line, f"reshape({total}, {(*x[:-2], channels, *sizes)})"])


def _rows(axes: int, samples: tuple[str, ...], transposed: tuple[str, ...]) -> tuple[Composite, Composite]:
    args, after = ("x", "weight", "bias"), "a convolution over an image of" + f" {axes} ax{'e' if axes > 1 else 'i'}s"
    return (
        Composite(f"conv{axes}d", args, ("stride", "padding", "dilation", "groups"), partial(_convolution, axes, False), samples, as_torch=partial(_convolution, axes, True),
                  optional={"bias": 0}, words={"padding": ("same", "valid", 0)}, adds=True, summary=after),
        Composite(f"conv_transpose{axes}d", args, ("stride", "padding", "output_padding", "groups", "dilation"), partial(_transposed, axes, False), transposed, as_torch=partial(_transposed, axes, True),
                  optional={"bias": 0}, adds=True, summary=f"the transpose of {after}"),
    )  # fmt: skip


# fmt: off
ROWS: tuple[Composite, ...] = (
    *_rows(1, ("conv1d(reshape(b, (2, 2, -1)), reshape(a, (-1, 2, 1)))", "conv1d(a, reshape(b, (4, 1, 3)), b[0], padding=1, groups=2)"),
           ("conv_transpose1d(reshape(b, (2, 2, -1)), reshape(a, (2, -1, 1)))", "conv_transpose1d(a, reshape(b, (2, 2, 3)), b[0], stride=2, padding=1, output_padding=1, groups=2)")),
    *_rows(2, ("conv2d(reshape(b, (1, 1, 2, -1)), reshape(a, (1, 1, 2, -1)), v[:1], stride=(1, 2), padding=1)", "conv2d(reshape(c, (2, 1, 2, 3)), reshape(b[:2], (2, 1, 2, 2)), padding='same', dilation=(1, 2))"),
           ("conv_transpose2d(reshape(b, (1, 1, 2, -1)), reshape(a, (1, 1, 2, -1)), v[:1], stride=(1, 2), padding=1)",)),
    *_rows(3, ("conv3d(reshape(b, (1, 1, 2, 2, -1)), reshape(a, (1, 1, 1, 2, -1)), padding=(0, 0, 1))",),
           ("conv_transpose3d(reshape(b, (2, 1, 1, 2, -1)), reshape(a, (1, 1, 1, 2, -1)))",)),
    Composite("functional.unfold", ("x",), ("kernel_size", "dilation", "padding", "stride"), _unfold, ("functional.unfold(reshape(b, (1, 1, 2, -1)), (2, 3), padding=1, stride=2)",),
              torch=lambda m, x, *args, **params: m.nn.functional.unfold(x, *args, **params), summary="what windows over an image read, a column for each"),
    Composite("fold", ("x",), ("output_size", "kernel_size", "dilation", "padding", "stride"), partial(_fold, False), ("fold(reshape(b, (2, -1))[:, :2], (1, 3), (1, 2))", "fold(b, (2, 4), (1, 3), padding=(0, 1), dilation=(1, 2))",), as_torch=partial(_fold, True), adds=True,
              torch=lambda m, x, *args, **params: m.nn.functional.fold(x, *args, **params), summary="an image of the sums of columns where their windows overlap"),
)
# fmt: on
