"""How much of PyTorch's own list of operations is in the language? `python benchmarks/coverage.py`.

The list is that of torch's tests, of which those count that autograd supports and that are a closed real formula. One
is covered where its own name is a row, so that torch's own function runs; the reason for every one left out is printed.
Of the core ATen set those count that have a derivative, by the names that people call them.
"""

from __future__ import annotations

import argparse
import sys
import unittest
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from fnmatch import fnmatchcase
from types import ModuleType

from gradcheck.functions import ALIASES
from gradcheck.functions.pages import pages

REASONS = {
    "complex numbers": "fft.* cdouble cfloat chalf complex view_as_complex view_as_real polar imag angle istft stft "
                       "linalg.eig linalg.eigvals",
    "draws numbers": "bernoulli normal nn.functional.dropout* nn.functional.alpha_dropout "
                     "nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool* pca_lowrank svd_lowrank "
                     "nn.functional.rrelu native_dropout_backward",
    "no function of the mathematics: it changes dtype or layout": "bfloat16 double float half to to_sparse nextafter "
                                                                    "frexp zero_ nn.functional.one_hot",
    "inside torch, and nothing that people call": "_* torch.ops.* max_pool2d_with_indices_backward "
                                                   "sparse.sampled_addmm native_batch_norm masked.*",
    "an operator of Python": "__*__",
}  # fmt: skip
"""Why an operation does not count, with patterns of names."""
MISSING = {
    "several matrices that are one only up to signs or to an order of rows": "lu linalg.lu linalg.lu_factor* lu_unpack "
                                                                              "linalg.eigh linalg.svd svd ormqr",
    "its result is float64 whatever goes in": "float_power",
    "a sum over all alignments, with lengths as inputs": "nn.functional.ctc_loss",
    "places that another call returned": "nn.functional.max_unpool*",
    "a module with a dozen tensors, and to be written in layers": "nn.functional.multi_head_attention_forward",
    "under the name that people call": "native_layer_norm native_group_norm grid_sampler_2d grid_sampler_3d slice",
}  # fmt: skip
"""Why an operation that counts is not in the table, with patterns of names."""
OTHERWISE = {"__getitem__": "index", "__radd__": "add", "__rdiv__": "div", "__rmatmul__": "matmul",
             "__rmod__": "remainder", "__rmul__": "mul", "__rpow__": "pow", "__rsub__": "sub"}  # fmt: skip

CALLED = {
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d", "_adaptive_avg_pool3d": "adaptive_avg_pool3d", "_softmax": "softmax",
    "_cdist_forward": "cdist", "_embedding_bag": "embedding_bag", "_log_softmax": "log_softmax", "alias": "clone",
    "_native_batch_norm_legit": "batch_norm", "_native_batch_norm_legit_no_training": "batch_norm", "col2im": "fold",
    "_pdist_forward": "pdist", "_to_copy": "clone", "convolution": "conv2d", "copy": "clone", "slice": "index",
    "grid_sampler_2d": "grid_sample", "index": "index", "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d", "native_dropout": "dropout", "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm", "upsample_bilinear2d": "interpolate", "upsample_nearest2d": "interpolate",
    **{f"{kind}_pad{k}d": "pad" for kind in ("reflection", "replication") for k in (1, 2, 3)},
}  # fmt: skip
"""Operations of the core ATen set that people call by another name."""
CONSTANT = {
    "complex numbers": "_fft_*",
    "a backward pass of its own": "*_backward",
    "no derivative: truth values, places, bits": "any arg* is* nonzero bitwise_* logical_* *_is_*",
    "new numbers, and none of an input's": "arange empty empty_strided full full_like rand* scalar_tensor resize_",
    "sizes, and numbers of Python": "sym_* _local_scalar_dense",
}
"""Why an operation of the core ATen set has no derivative to check, with patterns of names."""


def core() -> list[str]:
    """Return the names of the core ATen set, into which compilers take programs apart."""
    import torch

    found = set[str]()
    for whole in torch._C._dispatch_get_all_op_names():
        name, _, overload = whole.removeprefix("aten::").partition(".")
        one = getattr(getattr(torch.ops.aten, name, None), overload or "default", None)
        if one is not None and torch.Tag.core in one.tags:
            found.add(name)
    return sorted(found)


def operations() -> list[str]:
    """Return the names of torch's operations that autograd supports."""
    # torch's tests import a library for expected outputs that nothing here needs.
    stub = ModuleType("expecttest")
    stub.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stub)
    from torch.testing._internal.common_methods_invocations import op_db

    return sorted({one.name for one in op_db if one.supports_autograd})


def reason(name: str, reasons: Mapping[str, str]) -> str | None:
    """Return the reason whose patterns fit a name; None where there is none."""
    for why, patterns in reasons.items():
        if any(fnmatchcase(name, one) for one in patterns.split()):
            return why
    return None


def main() -> int:
    """Print the coverage, and return 1 where it is less than is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=0.0, help="percent that must be covered")
    asked = parser.parse_args()
    rows = {*pages(), *OTHERWISE.values()}
    share = told("operations under their own names", operations(), rows, OTHERWISE, REASONS)
    told("operations of the core ATen set", core(), rows, CALLED, CONSTANT)
    return int(share < asked.least)


def told(
    what: str, names: Sequence[str], rows: Set[str], called: Mapping[str, str], reasons: Mapping[str, str]
) -> float:
    """Print how many of the names are rows and why others are not; return the percentage of those that count."""
    covered, missing, other = list[str](), defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for name in names:
        own = called.get(name, name.rpartition(".")[2])
        if {name, own, ALIASES.get(own)} & rows:
            covered.append(name)
        elif name not in called and (why := reason(name, reasons)) is not None:
            other[why].append(name)
        else:
            missing[reason(name, MISSING) or "without a reason"].append(name)
    count = len(covered) + sum(map(len, missing.values()))
    share = 100 * len(covered) / count
    print(f"{len(covered)} of {count} {what} ({share:.1f} %)")
    for kind, found in (("missing", missing), ("not counted", other)):
        for why, some in found.items():
            print(f"{kind}, {why} ({len(some)}): {', '.join(some)}")
    return share


if __name__ == "__main__":
    sys.exit(main())
