"""How a network is trained, as declared parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from core.models import check_name
from core.params import Parameters, parameter

GRAPH = "Graph smoothness loss, section 4.1"
REPORT = "MMC report, section 4.1"

ADVERSARIES = {
    "fgsm": "FGSM",
    "least-likely": "step l.l.",
    "fast": "fast FGSM",
    "pgd": "PGD",
    "smoothfool": "SmoothFool",
}
"""What a network was trained against, by `Recipe.adversarial`."""


def against(recipe: Mapping[str, Any]) -> str:
    """What a network whose card has this `recipe` was trained against, in a few words; empty if nothing."""
    adversary = str(recipe.get("adversarial") or "none")
    if adversary == "none":
        return ""
    return ADVERSARIES.get(adversary, adversary) + (" of an ensemble" if recipe.get("sources") else "")


class Recipe(Parameters):
    """Optimiser, schedule, augmentation and, if wished, adversarial training.

    The presets "paper, ..." are the papers' own. Where a paper is silent: the graph smoothness paper's augmentation is
    that of the implementation it names (mixup-cifar10: shifts of 4 pixels and mirroring); the MMC report's shifts are a
    tenth of the picture and its weight decay is 1e-4, both from the authors' code, of which the ZCA whitening is left
    out: the network normalises each channel instead, so that attacks see pictures.

    "CPU, CIFAR-10, whitened CNN" is no paper's of losses: it takes from Jordan 2024 ("94% on CIFAR-10 in 3.29 seconds
    on a single GPU", and the later Muon) what makes few epochs count, in smaller batches and with a cycle of the rate,
    and begins with small pictures. Accuracies on cards are of the pictures as they are; Jordan's are of six flipped and
    shifted views averaged.

    Adversarial training, of which the papers' defences are made: "fgsm" goes up the loss of the true label. Kurakin et
    al. ("Adversarial machine learning at scale", ICLR 2017) find that a network so trained can do better on such
    pictures than on clean ones, since the one step is a function of the label that it learns to read ("label leaking"),
    and take the class that the network finds least likely instead, X - epsilon sign(grad J(X, y_LL)): "least-likely",
    their "step l.l.", which section 5.4 of Smooth Adversarial Examples names. Departures from theirs: epsilon is fixed,
    not drawn anew for each picture, and attacked and clean pictures weigh the same.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "CPU, digits": {},
        "CPU, digits, SGD": {"optimiser": "sgd", "learning_rate": 0.03, "weight_decay": 5e-4},
        "CPU, CIFAR-10": {
            "epochs": 24,
            "batch_size": 128,
            "optimiser": "sgd",
            "learning_rate": 0.15,
            "weight_decay": 5e-4,
            "shift": 4,
            "flip": True,
            "first_size": 20,
        },
        # Learning rates and decays that move the weights about as cross-entropy's do: once its outputs have spread, the
        # graph loss's gradient is some 35 times smaller, that of MMC several times larger.
        "CPU, CIFAR-10, graph smoothness": {
            "epochs": 24,
            "batch_size": 128,
            "optimiser": "sgd",
            "learning_rate": 5.0,
            "weight_decay": 2e-5,
            "shift": 4,
            "flip": True,
            "first_size": 20,
        },
        "CPU, CIFAR-10, MMC": {
            "epochs": 24,
            "batch_size": 128,
            "optimiser": "sgd",
            "learning_rate": 0.02,
            "weight_decay": 2e-3,
            "shift": 4,
            "flip": True,
            "first_size": 20,
        },
        # One for all losses: Muon's and Adam's steps do not depend on the size of the gradients.
        "CPU, CIFAR-10, whitened CNN": {
            "epochs": 9,
            "batch_size": 500,
            "optimiser": "muon",
            "learning_rate": 0.12,
            "momentum": 0.6,
            "border": "reflect",
            "flip": True,
            "alternate": True,
            "first_size": 20,
        },
        "SmoothFool, SAT": {"adversarial": "smoothfool", "sigma_g": 1.0},
        "ten seconds": {
            "epochs": 40,
            "n": 800,
            "batch_size": 100,
            "learning_rate": 0.006,
            "shift": 1,
            "test_n": 200,
            "sample": 200,
        },
        "paper, graph smoothness": {
            "epochs": 200,
            "batch_size": 100,
            "optimiser": "sgd",
            "learning_rate": 0.1,
            "weight_decay": 1e-4,
            "schedule": "steps",
            "shift": 4,
            "flip": True,
        },
        # The same, but that a mirrored digit is none.
        "paper, graph smoothness, SVHN": {
            "epochs": 200,
            "batch_size": 100,
            "optimiser": "sgd",
            "learning_rate": 0.1,
            "weight_decay": 1e-4,
            "schedule": "steps",
            "shift": 4,
        },
        "paper, graph smoothness, CIFAR-100": {
            "epochs": 200,
            "batch_size": 100,
            "optimiser": "adam",
            "learning_rate": 0.001,
            "weight_decay": 1e-4,
            "schedule": "steps",
            "shift": 4,
            "flip": True,
        },
        "paper, MMC report, MNIST": {
            "epochs": 50,
            "batch_size": 50,
            "optimiser": "sgd",
            "learning_rate": 0.01,
            "weight_decay": 1e-4,
            "schedule": "steps",
            "shift": 3,
        },
        "paper, MMC report, CIFAR": {
            "epochs": 200,
            "batch_size": 50,
            "optimiser": "sgd",
            "learning_rate": 0.01,
            "weight_decay": 1e-4,
            "schedule": "steps",
            "shift": 3,
            "flip": True,
        },
    }

    epochs: int = parameter(
        12, ge=1, le=1000, step=1, slider=(1, 60), unit="epochs", help="Passes over the training set."
    )
    batch_size: int = parameter(
        256,
        ge=1,
        le=8192,
        slider=(16, 1024),
        log=True,
        unit="images",
        help="Images for each optimiser step, over all machines. The graph smoothness loss draws its graph over them.",
    )
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop", "muon"] = parameter(
        "adamw",
        paper=f"{GRAPH}; MMC report, Table 2; Jordan et al. 2024",
        help="AdamW decays weights apart from the gradient; SGD is that with Nesterov's momentum; Muon makes the "
        "momentum of convolutions orthogonal and leaves the rest to AdamW.",
    )
    learning_rate: float = parameter(
        0.003,
        gt=0,
        le=10,
        slider=(1e-4, 1),
        log=True,
        symbol="η",
        paper=GRAPH,
        help="The largest of the schedule.",
    )
    schedule: Literal["one-cycle", "steps", "constant"] = parameter(
        "one-cycle",
        paper=f"{GRAPH}; {REPORT}",
        help="One-cycle rises for 30 % of the run and falls to nothing; steps divides by 10 after half and after three "
        "quarters of the epochs (100 and 150 of the papers' 200).",
    )
    other_rate: float = parameter(
        0.01,
        gt=0,
        le=1,
        slider=(1e-4, 0.1),
        log=True,
        title="Learning rate of the rest",
        advanced=True,
        help="With Muon, the largest learning rate of biases, batch norms and linear layers, which are AdamW's.",
    )
    momentum: float = parameter(
        0.9, ge=0, lt=1, step=0.01, paper=GRAPH, advanced=True, help="Of SGD, RMSProp and Muon."
    )
    weight_decay: float = parameter(
        1e-4,
        ge=0,
        le=1,
        slider=(1e-6, 0.1),
        log=True,
        paper=GRAPH,
        advanced=True,
        help="Pull of the weights towards zero; biases, batch norms and centres are left alone.",
    )
    shift: int = parameter(
        2, ge=0, le=8, step=1, unit="pixels", help="Each training image is moved by up to this many pixels, both ways."
    )
    border: Literal["zeros", "reflect"] = parameter(
        "zeros",
        advanced=True,
        paper="Jordan 2024, section 3",
        help="What comes in where an image is moved: zeros, or the image mirrored at its border.",
    )
    flip: bool = parameter(False, help="Mirror every other training image, at random. Not for digits.")
    alternate: bool = parameter(
        False,
        title="Flip in turns",
        advanced=True,
        paper="Jordan 2024, section 3.6",
        help="Where images are mirrored: a random half in the first epoch, the others in the next, and so on, so that "
        "two epochs show both sides of each.",
    )
    first_size: int | None = parameter(
        None,
        ge=8,
        le=256,
        step=4,
        slider=(8, 32),
        unit="pixels",
        advanced=True,
        none="full size",
        help="Begin with pictures scaled down to this size, which is quicker, and reach their own by two thirds of the "
        "epochs; none trains at full size throughout. Only for networks that take any size.",
    )
    adversarial: Literal["none", "fgsm", "least-likely", "fast", "pgd", "smoothfool"] = parameter(
        "none",
        title="Adversarial training",
        paper="SmoothFool, Table 4; Smooth Adversarial Examples, section 5.4; Kurakin et al. 2017",
        help="What attacks every batch before the step. Fgsm: one step away from the true label, which the network may "
        "learn to read off the step itself (label leaking); least-likely: one towards the class it finds least likely "
        '("step l.l."), which tells nothing of the label. Fast: one step from a random start (Wong et al. 2020); '
        "pgd: several (Madry et al. 2018); smoothfool: SAT, costly.",
    )
    sources: str = parameter(
        "",
        title="Also attack",
        advanced=True,
        paper="SmoothFool, Table 4 (Ens.); Tramèr et al. 2018",
        help="Ensemble adversarial training: names of finished networks for the same images, separated by commas. Each "
        "batch is made on one of them or on the network itself, drawn at random. Empty: always on itself.",
    )
    epsilon: float = parameter(
        0.3,
        ge=0,
        le=1,
        step=0.005,
        symbol="ε",
        unit="colour, 0 to 1",
        advanced=True,
        help="Largest change of a value in adversarial training (not for smoothfool). 8/255 is 0.031.",
    )
    attack_steps: int = parameter(
        10,
        ge=1,
        le=100,
        step=1,
        unit="steps",
        advanced=True,
        paper="MMC report, section 3.1",
        help="Of pgd, each 2.5 ε / steps long; and the limit for smoothfool.",
    )
    sigma_g: float = parameter(
        2.0,
        ge=0.1,
        le=200,
        slider=(0.1, 20),
        log=True,
        symbol="σ_g",
        unit="pixels",
        title="Smoothness",
        advanced=True,
        paper="SmoothFool, section 4.2, Table 4",
        help="Width of SmoothFool's low-pass filter, for smoothfool. The paper's SAT has 1.",
    )
    adversarial_share: float = parameter(
        1.0,
        gt=0,
        le=1,
        step=0.1,
        advanced=True,
        help="Share of each batch that is attacked; half is what Goodfellow et al. 2015 weigh.",
    )
    precision: Literal["bfloat16", "float32"] = parameter(
        "bfloat16", advanced=True, help="Of the network's forward and backward pass; losses are always in float32."
    )
    n: int | None = parameter(
        None,
        ge=1,
        le=10_000_000,
        slider=(100, 60_000),
        log=True,
        unit="images",
        none="all",
        help="Train on this many images only; none means all.",
    )
    test_n: int | None = parameter(
        None,
        ge=1,
        le=10_000_000,
        slider=(100, 10_000),
        log=True,
        unit="images",
        advanced=True,
        none="all",
        help="Measure the accuracy after each epoch on this many test images only; that of the checkpoint is always of "
        "all.",
    )
    seed: int = parameter(0, ge=0, le=2**31 - 1, step=1, slider=(0, 100), help="Of weights, order and augmentation.")
    sample: int = parameter(
        1000,
        ge=0,
        le=10_000,
        step=100,
        slider=(0, 5000),
        unit="images",
        advanced=True,
        help="Test images whose features are kept after every epoch, for the Embeddings page.",
    )
    sample_every: int = parameter(
        1,
        ge=1,
        le=1000,
        step=1,
        slider=(1, 20),
        unit="epochs",
        advanced=True,
        help="Keep those features after every so many epochs, and after the last.",
    )

    @property
    def named_sources(self) -> tuple[str, ...]:
        """The networks that `sources` names."""
        return tuple(self.sources.split(",")) if self.sources else ()

    @field_validator("sources")
    @classmethod
    def _names(cls, sources: str) -> str:
        if len(sources) > 300:  # what a card holds of a parameter
            raise ValueError(f"sources must have at most 300 letters; got {len(sources)}.")
        return ",".join(check_name(name.strip()) for name in sources.split(",") if name.strip())

    @model_validator(mode="after")
    def _attack_sources(self) -> Self:
        if self.sources and self.adversarial == "none":
            raise ValueError("sources must be left out where nothing is attacked; choose what attacks (adversarial).")
        return self
