"""The exact lane: FLINT behind one door."""

from __future__ import annotations

import flint

from gradcheck.exact.demand import enclose_some
from gradcheck.exact.digits import MAX_BITS, sharpen
from gradcheck.exact.elements import Values, ball, balls, ends, middles, sign_at_infinity
from gradcheck.exact.evaluate import START_BITS, constant, enclose, from_float
from gradcheck.exact.infinity import at_infinity, has_infinity
from gradcheck.exact.ladder import Truth, Truths
from gradcheck.exact.machine.rounded import enclose_rounded as bound_rounded
from gradcheck.exact.machine.steady import unsteady
from gradcheck.exact.many import Gradients, Place, combined, directions, orders, toward
from gradcheck.exact.ray import needed
from gradcheck.exact.reach import groups, jumping, may_jump
from gradcheck.exact.reasons import pole
from gradcheck.exact.rounding import enclose_rounded
from gradcheck.exact.sensitivity import moved, moved_floats
from gradcheck.exact.sides import Beside, Form, Side, Sides, Surroundings, beside

VERSION = flint.__version__

__all__ = [
    "MAX_BITS", "START_BITS", "VERSION", "Beside", "Form", "Gradients", "Place", "Side", "Sides", "Surroundings",
    "Truth", "Truths", "Values", "at_infinity", "ball", "balls", "beside", "bound_rounded", "combined", "constant",
    "directions", "enclose", "enclose_rounded", "enclose_some", "ends", "from_float", "groups", "has_infinity",
    "jumping", "may_jump", "middles", "moved", "moved_floats", "needed", "orders", "pole", "sharpen",
    "sign_at_infinity", "toward", "unsteady",
]  # fmt: skip
