"""Laplacian smoothing guided by an image (Smooth Adversarial Examples, section 3).

>>> import torch
>>> images = torch.rand(2, 3, 16, 16)
>>> smoother = Smoother(PixelGraph(images, bandwidth=0.2), alpha=0.95)
>>> r = smoother(torch.randn_like(images))
>>> r.shape
torch.Size([2, 3, 16, 16])
>>> bool(torch.allclose(smoother(torch.full_like(images, 0.5)), torch.tensor(0.5)))
True
"""

from core.graph.energy import GraphEnergy
from core.graph.pixel_graph import GraphParameters, PixelGraph
from core.graph.smoothing import Smoother
from core.graph.solvers import ConvergenceWarning, SolveReport

__all__ = ["ConvergenceWarning", "GraphEnergy", "GraphParameters", "PixelGraph", "Smoother", "SolveReport"]
