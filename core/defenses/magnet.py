"""MagNet: what does not look like a clean picture is refused, the rest is moved towards clean pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from core.defenses.trained import TrainedDefense
from core.params import parameter


class MagNet(TrainedDefense):
    """Two detectors and a reformer, of autoencoders that were trained on clean pictures alone.

    The reformer shows the network AE(x) in place of x. A detector refuses a picture that its autoencoder changes more
    than all but a share `drop_rate` of clean pictures: mean |x - AE(x)|^p >= t_p, p = 2 for the first, which is the
    reformer too, and 1 for the second (sections 4.2 and 4.3; for MNIST the paper takes no divergence of probabilities).
    t is the k-th largest error of 5,000 pictures kept from training, k = floor(5000 drop_rate), as in the authors'
    code; where k is 0, nothing is refused (theirs would refuse everything).
    """

    name = "magnet"
    title = "MagNet"
    paper = "Meng and Chen, MagNet: a two-pronged defense against adversarial examples, CCS 2017; SmoothFool, Table 4"
    data = ("mnist",)

    drop_rate: float = parameter(
        0.001,
        ge=0,
        le=0.2,
        step=0.001,
        slider=(0, 0.05),
        title="Clean pictures refused",
        unit="share",
        paper="Meng and Chen, section 5.2",
        help="Share of clean pictures that each of the two detectors may refuse. The more, the more attacked ones it "
        "refuses too.",
        first=True,
    )
    weights: str = parameter(
        "mnist-magnet",
        title="Trained as",
        advanced=True,
        help="Name of the trained defence, a folder with defense.json among the checkpoints.",
    )

    @torch.no_grad()
    def refuses(self, images: Tensor) -> Tensor:
        """(N,) whether one of the detectors refuses images (N, C, H, W)."""
        refused: Tensor = self.network(images).refuses(images, self.drop_rate)
        return refused
