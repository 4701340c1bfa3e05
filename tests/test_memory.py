"""Which operations of torch share memory, held against torch itself."""

from __future__ import annotations

import pytest
import torch

from gradcheck.autograd.lane import Lane
from gradcheck.groups import at_shapes
from gradcheck.parse import parse
from gradcheck.parse.memory import SHARING
from gradcheck.program import Call, Name
from table import TENSORS, texts


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", texts())
def test_what_shares_its_memory_in_torch_is_known_to(text: str) -> None:
    """Of every function: where a sample's result lies in the memory of an argument, a change of it is one of both."""
    program = parse(text)
    program = at_shapes(program, {name: TENSORS[name].shape for name in program.inputs})
    node = program.layers[-1].expression
    assert isinstance(node, Call)
    leaves = {name: torch.tensor(TENSORS[name]) for name in program.inputs}
    made = Lane(leaves, torch.float64, "cpu", text).run(program)[program.output]
    read = [leaves[one.id] for one in node.args if isinstance(one, Name) and one.id in leaves]
    if any(made.untyped_storage().data_ptr() == one.untyped_storage().data_ptr() for one in read):
        assert node.op in SHARING
