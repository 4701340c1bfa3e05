"""Program to gradient program, in reverse or forward: the derivative of a program is a program."""

from gradcheck.differentiate.directions import along, direction
from gradcheck.differentiate.forward import Pushforward, push_forward
from gradcheck.differentiate.reverse import Pullback, differentiate, pull_back

__all__ = ["Pullback", "Pushforward", "along", "differentiate", "direction", "pull_back", "push_forward"]
