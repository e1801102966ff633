"""Everything that computes in Smoothscope: data, networks, pixel graphs, attacks, magnification, metrics.

Images are float32 tensors of shape (N, C, H, W) with values in [0, 1] everywhere; normalisation is a layer inside the
model. Nothing in this package imports a user interface.
"""

__version__ = "0.1.0"
