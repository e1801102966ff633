"""HGD: a denoiser that learned what noise is from what it does to a network's answers."""

from __future__ import annotations

from core.defenses.trained import TrainedDefense
from core.params import parameter


class GuidedDenoiser(TrainedDefense):
    """The high-level representation guided denoiser: the picture less the noise that a U-net sees in it.

    It was trained on attacked and clean pictures so that a fixed network's logits of what it leaves are those of the
    clean picture, |f(D(x*)) - f(x)|_1: the paper's logits guided denoiser, LGD (section 3.3). `core.train.defending`
    trains it.
    """

    name = "hgd"
    title = "Guided denoiser (HGD)"
    paper = (
        "Liao et al., Defense against adversarial attacks using high-level representation guided denoiser, CVPR 2018; "
        "SmoothFool, Table 4"
    )
    data = ("mnist",)

    weights: str = parameter(
        "mnist-hgd",
        title="Trained as",
        advanced=True,
        help="Name of the trained defence, a folder with defense.json among the checkpoints.",
    )
