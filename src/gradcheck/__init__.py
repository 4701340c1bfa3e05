"""gradcheck tells whether a gradient PyTorch computed is right, by how much it is off, and why."""

__version__ = "0.1.0"
