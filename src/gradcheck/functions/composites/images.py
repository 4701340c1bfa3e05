"""Padding, resampling and sampling of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from math import floor, prod
from typing import Any

from gradcheck.functions.composites.pooling import adaptive_avg_pool
from gradcheck.functions.composites.windows import check_amount, each, flat, in_turn, pick
from gradcheck.functions.params import shape_text
from gradcheck.functions.rows import Composite
from gradcheck.functions.sums import ALONE
from gradcheck.program import Param, Shape

# --- padding --------------------------------------------------------------------------------------


def _pairs(x: Shape, pad: Param) -> list[tuple[int, int]]:
    """Return what is added before and after each of the last axes; torch names the last axis first."""
    items = pad if isinstance(pad, tuple) else (pad,)
    whole = [one for one in items if isinstance(one, int) and not isinstance(one, bool)]
    if len(whole) != len(items) or len(whole) % 2 or len(whole) > 2 * len(x):
        raise ValueError(f"pad has two whole numbers for each of the last axes of {shape_text(x)}")
    pairs = list(zip(whole[::2], whole[1::2], strict=True))[::-1]
    for size, (before, after) in zip(x[len(x) - len(pairs) :], pairs, strict=True):
        if size + min(before, 0) + min(after, 0) < 1:
            raise ValueError(f"an axis of {size} elements is empty before the padding ({before}, {after}) adds any")
    return pairs


def _constant_pad(x: Shape, pad: Param, value: Param = 0) -> str:
    pairs = _pairs(x, pad)
    lines, last, shape = [], "x", list(x)
    for at, (before, after) in enumerate(pairs, len(x) - len(pairs)):
        start, stop = max(-before, 0), shape[at] - max(-after, 0)
        kept = f"{last}[{':, ' * at}{start}:{stop}]" if (start, stop) != (0, shape[at]) else last
        shape[at] = stop - start
        parts = [kept if one is None else f"expand({value}, {(*shape[:at], one, *shape[at + 1 :])})"
                 for one in (max(before, 0), None, max(after, 0)) if one != 0]  # fmt: skip
        shape[at] += max(before, 0) + max(after, 0)
        lines.append(f"z_{at} = cat([{', '.join(parts)}], dim={at})" if len(parts) > 1 else f"z_{at} = {kept}")
        last = f"z_{at}"
    return "\n".join([*lines, last])


def _reflected(at: int, size: int, _kept: range) -> int:
    return -at if at < 0 else 2 * size - 2 - at if at >= size else at


FOLLOWS: dict[str, Callable[[int, int, range], int]] = {
    "reflect": _reflected,
    "replicate": lambda at, size, _kept: min(max(at, 0), size - 1),
    "circular": lambda at, _size, kept: kept[(at - kept.start) % len(kept)],
}
"""Which element of an axis stands at a place outside of it; what padding takes away does not come round again."""
FURTHEST: dict[str, int] = {"reflect": -1, "circular": 0}
"""How much farther than the size of an axis its padding may go."""


def _pad(x: Shape, pad: Param, mode: Param = "constant", value: Param = None) -> str:
    if mode == "constant":
        return _constant_pad(x, pad, 0 if value is None else value)
    assert isinstance(mode, str)
    pairs = _pairs(x, pad)
    axes = len(pairs)
    if value not in (None, 0):
        raise ValueError(f"padding of mode {mode} takes no value")
    if axes > 3 or len(x) not in (axes + 1, axes + 2):
        raise ValueError(
            f"padding of mode {mode} is for the last 1 to 3 axes behind channels, and not for {axes} of {len(x)} axes"
        )
    sizes = x[-axes:]
    for size, pair in zip(sizes, pairs, strict=True):
        if mode in FURTHEST and max(pair) > size + FURTHEST[mode]:
            raise ValueError(
                f"padding of mode {mode} is at most {size + FURTHEST[mode]} for an axis of {size} elements, and not {max(pair)}"
            )
        if mode == "circular" and max(pair) > (kept := size + min(0, *pair)):
            raise ValueError(
                f"padding of mode circular by {max(pair)} with the {kept} elements that are left is not supported: torch reads "
                "what it has not written"
            )
    along = [
        [FOLLOWS[mode](at, size, range(max(-before, 0), size - max(-after, 0))) for at in range(-before, size + after)]
        for size, (before, after) in zip(sizes, pairs, strict=True)
    ]
    places = [flat(place, sizes) for place in product(*along)]
    shape = (prod(x[:-axes]), prod(sizes))
    return f"z = reshape(x, {shape})\nreshape({pick('z', shape, places)}, {(*x[:-axes], *map(len, along))})"


# --- pixels and channels --------------------------------------------------------------------------


def _whole(value: Param, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is a whole number from 1")
    return value


def _pixel_shuffle(x: Shape, upscale_factor: Param) -> str:
    r = _whole(upscale_factor, "upscale_factor")
    if len(x) < 3 or x[-3] % r**2:
        raise ValueError(
            f"pixel_shuffle needs a multiple of {r**2} channels, and an image of two axes; this is {shape_text(x)}"
        )
    lead, (c, h, w) = x[:-3], x[-3:]
    n = prod(lead)
    return f"reshape(permute(reshape(x, {(n, c // r**2, r, r, h, w)}), (0, 1, 4, 2, 5, 3)), {(*lead, c // r**2, h * r, w * r)})"


def _pixel_unshuffle(x: Shape, downscale_factor: Param) -> str:
    r = _whole(downscale_factor, "downscale_factor")
    if len(x) < 3 or x[-2] % r or x[-1] % r:
        raise ValueError(
            f"pixel_unshuffle needs channels, and an image whose axes are multiples of {r}; this is {shape_text(x)}"
        )
    lead, (c, h, w) = x[:-3], x[-3:]
    n = prod(lead)
    return f"reshape(permute(reshape(x, {(n, c, h // r, r, w // r, r)}), (0, 1, 3, 5, 2, 4)), {(*lead, c * r**2, h // r, w // r)})"


def _channel_shuffle(x: Shape, groups: Param) -> str:
    g = _whole(groups, "groups")
    if len(x) < 3 or x[1] % g:
        raise ValueError(f"channel_shuffle needs a batch, and a multiple of {g} channels; this is {shape_text(x)}")
    rest = tuple(range(3, len(x) + 1))
    return f"reshape(permute(reshape(x, {(x[0], g, x[1] // g, *x[2:])}), {(0, 2, 1, *rest)}), {x})"


# --- resampling -----------------------------------------------------------------------------------


class _Axis:
    """One axis of an image that is resampled: how many elements there were and are made, and how far a step goes.

    The source of a place is ``step*(place + 1/2) - 1/2``, or ``step*place`` where corners are aligned; one before the
    first element is the first, but for cubic weights. aten/src/ATen/native/UpSample.h, area_pixel_compute_source_index.
    """

    def __init__(self, size: int, made: int, scale: Fraction | None, corners: bool, cubic: bool) -> None:
        self.size, self.made, self.corners, self.cubic = size, made, corners, cubic
        self.ratio: tuple[Fraction | int, Fraction | int] = (
            ((size - 1, made - 1) if made > 1 else (0, 1)) if corners else (1, scale) if scale else (size, made)
        )

    def sources(self) -> list[Fraction]:
        over, under = self.ratio
        half, step = Fraction(not self.corners, 2), Fraction(over) / Fraction(under)
        found = [step * (place + half) - half for place in range(self.made)]
        return found if self.cubic else [max(one, Fraction(0)) for one in found]

    def read(self, centers: Sequence[int]) -> list[int]:
        """Return the elements that are read where others are wanted: behind the ends of an axis the last ones."""
        return [min(max(at, 0), self.size - 1) for at in centers]

    def taps(self) -> list[list[int]]:
        """Return for each of the elements that a source lies between the places of these, one for each source."""
        reach = range(-1, 3) if self.cubic else range(2)
        return [[floor(one) + tap for one in self.sources()] for tap in reach]

    def near(self) -> list[list[int]]:
        """Return these with all that a source may lie between that is off by a rounding."""
        reach = range(-2, 3) if self.cubic else range(-1, 2)
        return [[round(one) + tap for one in self.sources()] for tap in reach]

    def weight(self, far: Fraction) -> Fraction:
        """Return the weight of an element that lies so far from a source."""
        d = abs(far)
        if not self.cubic:
            return max(1 - d, Fraction(0))
        if d < 1:
            return (Fraction(5, 4) * d - Fraction(9, 4)) * d * d + 1
        return ((Fraction(-3, 4) * d + Fraction(15, 4)) * d - 6) * d + 3 if d < 2 else Fraction(0)


CUBIC = "where(d_{k} < 1, (5/4*d_{k} - 9/4)*d_{k}*d_{k} + 1, where(d_{k} < 2, ((-3/4*d_{k} + 15/4)*d_{k} - 6)*d_{k} + 3, 0))"
"""The weight of an element at a distance; UpSample.h, cubic_convolution1 and cubic_convolution2 with A = -0.75."""


def _resampled(axes: Sequence[_Axis], x: Shape) -> str:
    """Return an image resampled along one axis after the other, with weights that are plain numbers."""
    shape = [prod(x[: -len(axes)]), *(axis.size for axis in axes)]
    lines, last = [f"x_0 = reshape(x, {tuple(shape)})"], "x_0"
    for k, axis in enumerate(axes, 1):
        taps, sources = axis.taps(), axis.sources()
        weights = [axis.weight(source - at) for centers in taps for source, at in zip(sources, centers, strict=True)]
        key = [place for centers in taps for place in axis.read(centers)]
        before, after = shape[:k], shape[k + 1 :]
        lines += [
            f"p_{k} = reshape({last}[{':, ' * k}{key}], {(*before, len(taps), axis.made, *after)})",
            f"w_{k} = reshape({in_turn(weights)}, {(len(taps), axis.made, *(1,) * len(after))})",
            f"x_{k} = sum(p_{k}*w_{k}, dim={k})",
        ]
        shape[k], last = axis.made, f"x_{k}"
    return "\n".join([*lines, f"reshape({last}, {(*x[: -len(axes)], *(axis.made for axis in axes))})"])


def _resampled_stored(axes: Sequence[_Axis], x: Shape) -> str:
    """Return an image resampled as torch has it: the sources are computed in floats, and so are the weights.

    aten/src/ATen/native/cpu/UpSampleKernel.cpp: in float32 for the half types, but that the weights are stored, and linear ones
    computed from the first that is;
    UpSampleMoreKernel.cpp adds the gradient up in float32, and rounds it once. A source that is off by a rounding may lie between two other elements.
    """
    n, rank = prod(x[: -len(axes)]), 2 * len(axes)
    lines, reads, weights = [f"z = reshape(x, {(n, prod(axis.size for axis in axes))})"], [], []
    for k, axis in enumerate(axes):
        near = axis.near()
        half = "" if axis.corners else " + 1/2"
        over, under = axis.ratio
        source = f"r_{k}*(i_{k}{half}){half.replace('+', '-')}"
        lines += [
            f"i_{k} = {in_turn(range(axis.made))}",
            f"r_{k} = expand({over}, (1,))/({under})",
            f"s_{k} = {source if axis.cubic else f'maximum({source}, 0)'}",
            f"c_{k} = reshape({in_turn([at for centers in near for at in centers])}, {(len(near), axis.made)})",
            f"d_{k} = abs(s_{k} - c_{k})",
            *([f"e_{k} = {CUBIC.format(k=k)}", f"w_{k} = e_{k}*1"] if axis.cubic else [f"w_{k} = relu(1 - d_{k})"]),
        ]
        reads.append([place for centers in near for place in axis.read(centers)])
        shape = tuple(
            size if at in (2 * k, 2 * k + 1) else 1 for at, size in enumerate((len(near), axis.made) * len(axes))
        )
        weights.append(f"reshape(w_{k}, {shape[:rank]})")
    places = [flat(place, [axis.size for axis in axes]) for place in product(*reads)]
    full = tuple(size for axis in axes for size in (len(axis.near()), axis.made))
    lines += [
        f"p = reshape(z[:, {places}], {(n, *full)})",
        f"t = sum(p*{'*'.join(weights)}, dim={tuple(range(1, rank, 2))})",
    ]
    return "\n".join([*lines, f"reshape(t, {(*x[: -len(axes)], *(axis.made for axis in axes))})"])


LINEAR = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
"""Modes with weights, and the axes of an image that they are for."""
MODES = ("nearest", "nearest-exact", "area", *LINEAR)


def _sizes(x: Shape, size: Param, scale: Param) -> tuple[Shape, list[Fraction | None]]:
    """Return the sizes that are made, and the scales that are given."""
    sizes = x[2:]
    if (size is None) == (scale is None):
        raise ValueError("interpolate takes either a size or a scale_factor")
    if size is not None:
        return each(size, len(sizes), "size", single=False), [None] * len(sizes)
    items = scale if isinstance(scale, tuple) else (scale,) * len(sizes)
    scales = [
        Fraction(one) for one in items if isinstance(one, int | Fraction) and not isinstance(one, bool) and one > 0
    ]
    if not len(scales) == len(items) == len(sizes):
        raise ValueError(f"scale_factor is one positive number, or {len(sizes)} of them")
    made = tuple(floor(float(one) * float(by)) for one, by in zip(sizes, scales, strict=True))
    if min(made) < 1:
        raise ValueError(f"the result would be {shape_text(made)}")
    return made, list(scales)


def _interpolate(
    stored: bool, x: Shape, size: Param = None, scale_factor: Param = None, mode: Param = "nearest",
    align_corners: Param = None, recompute_scale_factor: Param = None,
) -> str:  # fmt: skip
    """Return an image in another size. A scale that is given is also the one of the sources, unless it is recomputed."""
    if len(x) not in (3, 4, 5):
        raise ValueError(f"interpolate takes a batch, channels, and 1 to 3 axes of an image; this is {shape_text(x)}")
    sizes = x[2:]
    if mode in LINEAR and LINEAR[mode] != len(sizes):  # type: ignore[index]
        raise ValueError(f"{mode} is for images of {LINEAR[mode]} axes, and this has {len(sizes)}")  # type: ignore[index]
    if mode not in LINEAR and align_corners is not None:
        raise ValueError(f"align_corners is for modes with weights, and not for {mode}")
    made, scales = _sizes(x, size, scale_factor)
    check_amount(prod(made), "elements of the image")
    if recompute_scale_factor:
        scales = [None] * len(sizes)
    if mode == "area":
        return adaptive_avg_pool(len(sizes), x, made)
    if mode in LINEAR:
        axes = [_Axis(*one, bool(align_corners), mode == "bicubic") for one in zip(sizes, made, scales, strict=True)]
        return (_resampled_stored if stored else _resampled)(axes, x)
    half = Fraction(mode == "nearest-exact", 2)
    along = [
        [min(floor((at + half) * (1 / scale if scale else Fraction(have, want))), have - 1) for at in range(want)]
        for have, want, scale in zip(sizes, made, scales, strict=True)
    ]
    shape = (x[0] * x[1], prod(sizes))
    picked = pick("z", shape, [flat(one, sizes) for one in product(*along)])
    return f"z = reshape(x, {shape})\np = {picked}\nreshape(p, {(*x[:2], *made)})"


def _upsample_nearest(x: Shape, size: Param = None, scale_factor: Param = None) -> str:
    return _interpolate(False, x, size, scale_factor)


def _upsample_bilinear(stored: bool, x: Shape, size: Param = None, scale_factor: Param = None) -> str:
    return _interpolate(stored, x, size, scale_factor, "bilinear", True)


# --- grids ----------------------------------------------------------------------------------------


def _affine_grid(stored: bool, theta: Shape, size: Param, align_corners: Param = None) -> str:
    """Return where the pixels of an image come from: each is a product of an affine map with the pixel's coordinates.

    Coordinates go from -1 to 1, between the centers of the outer pixels where corners are aligned, else between their
    outer ends. ``stored`` computes them as aten/src/ATen/native/AffineGridGenerator.cpp does (linspace_from_neg_one).
    """
    axes = theta[-1] - 1 if theta else 0
    sizes = each(size, axes + 2, "size", single=False) if axes in (2, 3) else ()
    if theta != (*sizes[:1], axes, axes + 1) or not sizes:
        raise ValueError(
            f"affine_grid takes a batch of matrices of 2 x 3, or of 3 x 4, and a size; this is {shape_text(theta)}"
        )
    image_sizes, count = sizes[2:], prod(sizes[2:])
    lines, columns = [], []
    for k, size_k in enumerate(image_sizes):
        if stored and size_k > 1:
            ends = [f"s_{k}*i_{k} - 1", f"1 - s_{k}*({size_k - 1} - i_{k})"]
            middle = size_k // 2
            lines += [
                f"i_{k} = {in_turn(range(size_k))}",
                f"s_{k} = expand(2, (1,))/{size_k - 1}",
                f"g_{k} = cat([({ends[0]})[:{middle}], ({ends[1]})[{middle}:]], dim=0)"
                if middle
                else f"g_{k} = {ends[1]}",
            ]
            made = f"g_{k}" if align_corners else f"g_{k}*{size_k - 1}/{size_k}"
        else:
            outer = Fraction(1) if align_corners else Fraction(size_k - 1, size_k)
            made = in_turn([outer * (2 * Fraction(at, size_k - 1) - 1) if size_k > 1 else 0 for at in range(size_k)])
        shape = tuple(one if at == k else 1 for at, one in enumerate(image_sizes))
        lines.append(f"a_{k} = reshape(expand(reshape({made}, {shape}), {image_sizes}), {(count, 1)})")
        columns.append(f"a_{k}")
    # x goes along the last axis, and comes first
    joined = ", ".join([*reversed(columns), f"expand(1, {(count, 1)})"])
    return "\n".join(
        [*lines, f"base = cat([{joined}], dim=1)", f"reshape(base @ theta.mT, {(sizes[0], *image_sizes, axes)})"]
    )


TENT = "where({0} >= 0, where({0} < 1, 1 - {0}, 0), where({0} >= -1, 1 + {0}, 0))"
CLIPPED = "detach(clamp({0}, 0, {1})) + ({0} - detach({0}))*where(({0} > 0) & ({0} < {1}), 1, 0)"
"""What torch has at the corners of a tent, the slope on the right, and at a border: what flows back is multiplied by 0."""


def _grid_sample(
    stored: bool, x: Shape, grid: Shape, mode: Param = "bilinear", padding_mode: Param = "zeros",
    align_corners: Param = None,
) -> str:  # fmt: skip
    """Return an image read at places between its pixels: each pixel has the weight of a tent around it.

    Places go from -1 to 1, as in affine_grid (aten/src/ATen/native/GridSampler.h).
    """
    assert mode == "bilinear"
    if len(x) != 4 or len(grid) != 4 or grid[3] != 2 or grid[0] != x[0]:
        raise ValueError(
            f"grid_sample takes a batch of images with channels, and a grid of places of 2 numbers for each; these are {shape_text(x)} and {shape_text(grid)}"
        )
    n, channels, h, w = x
    count = grid[1] * grid[2]
    lines = []
    for k, size, name in ((0, w, "x"), (1, h, "y")):
        at = f"reshape(grid[:, :, :, {k}], {(n, count, 1)})"
        source = f"({at} + 1)*{Fraction(size - 1, 2)}" if align_corners else f"({at} + 1)*{Fraction(size, 2)} - 1/2"
        if padding_mode == "border" and stored:
            lines.append(f"s_{name} = {source}")
            source = CLIPPED.format(f"s_{name}", size - 1)
        elif padding_mode == "border":
            source = f"clamp({source}, 0, {size - 1})"
        lines += [f"at_{name} = {source}", f"o_{name} = at_{name} - {in_turn(range(size))}"]
        lines.append(f"w_{name} = {(TENT if stored else 'relu(1 - abs({0}))').format(f'o_{name}')}")
    if stored:
        return "\n".join([*lines, *_sampled_stored(x, count), f"reshape(y.mT, {(n, channels, *grid[1:3])})"])
    weights = f"reshape(w_y, {(n, count, h, 1)})*reshape(w_x, {(n, count, 1, w)})"
    lines.append(f"weights = reshape({weights}, {(n, count, h * w)})")
    return "\n".join([*lines, f"reshape(reshape(x, {(n, channels, h * w)}) @ weights.mT, {(n, channels, *grid[1:3])})"])


def _sampled_stored(x: Shape, count: int) -> list[str]:
    """Return the lines that read an image as torch does: the half types round every product, and add in the format.

    aten/src/ATen/native/cpu/GridSamplerKernel.cpp. A place has one pixel around it at most of those in the even rows
    and columns, and so on: four sums of one product each are added up, however large the image is.
    """
    n, channels, h, w = x
    lines = [f"z = reshape(x, {(n, 1, channels, h, w)})"]
    parts = []
    for i, j in product(range(min(h, 2)), range(min(w, 2))):
        rows, columns = list(range(i, h, 2)), list(range(j, w, 2))
        full = (n, count, channels, len(rows), len(columns))
        down = f"reshape(w_y[:, :, {rows}], {(n, count, 1, len(rows), 1)})"
        along = f"reshape(w_x[:, :, {columns}], {(n, count, 1, 1, len(columns))})"
        lines += [
            f"v_{i}{j} = expand({down}*{along}, {full})",
            f"z_{i}{j} = expand(z[:, :, :, {rows}][..., {columns}], {full})",
            f"y_{i}{j} = sum(z_{i}{j}*v_{i}{j}, dim=(3, 4))",
        ]
        parts.append(f"y_{i}{j}")
    return [*lines, f"y = {' + '.join(parts)}"]


def _run(name: str) -> Any:
    """Return what runs a function of torch.nn.functional."""
    return lambda m, *args, **params: getattr(m.nn.functional, name)(*args, **params)


WITH_WEIGHTS = " ".join(f"{name}_{k}" for name in "irscde" for k in range(3)) + " p t s out"
"""The lines that torch's kernels compute in float32 for the half types."""
OF_PIXELS = " ".join(f"{name}_{i}{j}" for name in "vz" for i in range(2) for j in range(2))
"""The lines whose gradients grid_sample adds up in the format itself: over its places, and over the channels."""
ADDED_UP = "z p t"
"""The lines whose gradients these add up in float32, in a buffer, and round once (upsample_*_backward)."""
ONE, TWO, THREE = "reshape(b, (1, 2, -1))", "reshape(b, (1, 1, 3, 4))", "reshape(b, (1, 1, 2, 2, 3))"

# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("pad", ("x",), ("pad", "mode", "value"), _pad, ("pad(a, (1, 2, -1, 1), value=0.5)", f"pad({TWO}, (1, 2, 2, 0), mode='reflect')", f"pad({TWO}, (3, 1, 1, 1), 'replicate')", "pad(c, (2, 1), mode='circular')"),
              words={"mode": ("constant", "reflect", "replicate", "circular")}, torch=_run("pad"), summary="with elements added around, or taken away"),
    Composite("constant_pad_nd", ("x",), ("pad", "value"), _constant_pad, ("constant_pad_nd(a, (1, 0, 0, 2), 3)",), summary="with a number added around"),
    Composite("pixel_shuffle", ("x",), ("upscale_factor",), _pixel_shuffle, ("pixel_shuffle(reshape(b, (4, 1, -1)), 2)",), summary="channels moved into a larger image"),
    Composite("pixel_unshuffle", ("x",), ("downscale_factor",), _pixel_unshuffle, ("pixel_unshuffle(reshape(b, (1, 2, -1)), 2)",), summary="an image moved into channels"),
    Composite("channel_shuffle", ("x",), ("groups",), _channel_shuffle, ("channel_shuffle(reshape(b, (1, 4, -1)), 2)",), summary="channels of groups in turn"),
    Composite("interpolate", ("x",), ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor"), partial(_interpolate, False),
              (f"interpolate({ONE}, 7)", f"interpolate({ONE}, scale_factor=1.5, mode='linear')", f"interpolate({TWO}, (5, 3), mode='bilinear', align_corners=True)",
               f"interpolate({TWO}, (4, 5), mode='bicubic')", f"interpolate({THREE}, (3, 2, 4), mode='trilinear')", f"interpolate({TWO}, (2, 3), mode='area')", f"interpolate({TWO}, (2, 6), mode='nearest-exact')"),
              words={"mode": MODES}, adds=True, as_torch=partial(_interpolate, True), fused=WITH_WEIGHTS, pulled=ADDED_UP, torch=_run("interpolate"), summary="an image in another size"),
    Composite("upsample_nearest", ("x",), ("size", "scale_factor"), _upsample_nearest, ("upsample_nearest(reshape(b, (1, 1, 2, -1)), scale_factor=2)",), pulled=ADDED_UP, torch=_run("upsample_nearest"), summary="an image in another size, of the nearest pixels"),
    Composite("upsample_bilinear", ("x",), ("size", "scale_factor"), partial(_upsample_bilinear, False), ("upsample_bilinear(reshape(b, (1, 1, 2, -1)), (5, 6))",), adds=True,
              as_torch=partial(_upsample_bilinear, True), fused=WITH_WEIGHTS, pulled=ADDED_UP, torch=_run("upsample_bilinear"), summary="an image in another size, of the pixels around, corners aligned"),
    Composite("affine_grid", ("theta",), ("size", "align_corners"), partial(_affine_grid, False), ("affine_grid(expand(a, (1, 2, 3)), (1, 1, 3, 2), align_corners=False)", "affine_grid(reshape(b, (1, 3, 4)), (1, 1, 2, 3, 2), True)"), adds=True,
              as_torch=partial(_affine_grid, True), torch=_run("affine_grid"), summary="where the pixels of an image come from under an affine map"),
    Composite("grid_sample", ("x", "grid"), ("mode", "padding_mode", "align_corners"), partial(_grid_sample, False), ("grid_sample(reshape(b, (1, 1, 2, -1)), reshape(c/4, (1, 1, -1, 2)), align_corners=False)", f"grid_sample({TWO}, reshape(c/3, (1, 2, 3, 2)), padding_mode='border', align_corners=True)"),
              words={"mode": ("bilinear",), "padding_mode": ("zeros", "border")}, adds=True, as_torch=partial(_grid_sample, True), pulled=OF_PIXELS, accumulation=ALONE, torch=_run("grid_sample"), lacks=("fwd",), summary="an image read at places between its pixels"),
)
# fmt: on
