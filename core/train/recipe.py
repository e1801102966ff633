"""How a network is trained, as declared parameters."""

from __future__ import annotations

from core.params import Parameters, parameter


class Recipe(Parameters):
    """Adam with a one-cycle learning rate, cross-entropy, random shifts."""

    epochs: int = parameter(12, ge=1, le=1000, step=1, unit="epochs", help="Passes over the training set.")
    batch_size: int = parameter(256, ge=1, le=8192, step=1, unit="images", help="Images for each optimiser step.")
    learning_rate: float = parameter(
        0.003, gt=0, le=10, log=True, symbol="η", help="Largest learning rate of the one-cycle schedule."
    )
    weight_decay: float = parameter(
        1e-4, ge=0, le=1, log=True, help="Decoupled weight decay (AdamW) of weights; biases are left alone."
    )
    label_smoothing: float = parameter(0.0, ge=0, lt=1, step=0.01, help="Share of the target spread over all classes.")
    shift: int = parameter(
        2, ge=0, le=8, step=1, unit="pixels", help="Each training image is moved by up to this many pixels, both ways."
    )
    n: int | None = parameter(None, ge=1, unit="images", help="Train on this many images only; none means all.")
    seed: int = parameter(0, ge=0, le=2**31 - 1, step=1, help="Of weights, order and shifts.")
