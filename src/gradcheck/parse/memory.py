"""Which names share the memory of a tensor: what changes one in place changes all, and none may be read after it."""

from __future__ import annotations

from gradcheck.errors import Words
from gradcheck.functions import DETACH
from gradcheck.program import RESULT, Call, Name, Node

SHARING = frozenset({
    "reshape", "permute", "index", "expand", "transpose", "T", "mT", "t", "flatten", "squeeze", "unsqueeze", DETACH,
    "chunk", "split", "unbind", "movedim", "narrow", "select", "diagonal", "unflatten", "unfold", "H", "mH", "real",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "ravel", "reshape_as",
    "view_as", "expand_as", "atleast_1d", "atleast_2d", "atleast_3d", "split_with_sizes", "unsafe_chunk",
    "unsafe_split", "tensor_split", "hsplit", "vsplit", "dsplit", "linalg.diagonal", "broadcast_tensors", "meshgrid",
})  # fmt: skip
"""Operations whose result may share its memory with their first argument, or each with that at its place."""


class Memory:
    """What shares its memory with what, and what was changed in place with what to write instead.

    >>> from gradcheck.parse import parse
    >>> memory = Memory()
    >>> memory.note("y", parse("x.T").layers[0].expression); memory.change("x", "write y = ...")
    >>> memory.changed["y"]
    'write y = ...'
    """

    def __init__(self) -> None:
        self.owners: dict[str, str] = {}
        self.sharing: dict[str, set[str]] = {}
        self.changed: dict[str, Words] = {}

    def owner(self, name: str) -> str:
        """Return the layer or input whose memory a name has."""
        return self.owners.get(name, name)

    def of(self, node: Node) -> str | None:
        """Return the layer or input whose memory an expression may share, None where it has its own."""
        while isinstance(node, Call) and node.op in SHARING:
            at = node.param(RESULT) if node.op in ("broadcast_tensors", "meshgrid") else 0
            node = node.args[at if isinstance(at, int) else 0]
        return self.owner(node.id) if isinstance(node, Name) else None

    def note(self, name: str, node: Node) -> None:
        """Note a new layer."""
        owner = self.of(node)
        if owner is not None:
            self.owners[name] = owner
            self.sharing.setdefault(owner, set()).add(name)

    def change(self, name: str, hint: Words) -> None:
        """Note that a layer or input is changed in place: neither it nor what shares its memory is what it was."""
        owner = self.owner(name)
        for one in (owner, *self.sharing.pop(owner, ())):
            self.changed[one] = hint
