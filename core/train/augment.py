"""What happens to a batch before the network sees it: shifts, mirroring, scaling down, and attacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from core.attacks import SmoothFool
from core.attacks.fgsm import SignDescent
from core.losses import Loss
from core.models import Classifier
from core.train.recipe import Recipe


def shifted(images: Tensor, shift: int, generator: torch.Generator, border: str = "zeros") -> Tensor:
    """Each image moved by its own random whole number of pixels, at most `shift`.

    border: what comes in, "zeros" or the picture mirrored there, without its last row ("reflect").
    """
    if not shift:
        return images
    n, _, h, w = images.shape
    padded = F.pad(images, (shift,) * 4, mode="constant" if border == "zeros" else "reflect")
    dy, dx = torch.randint(0, 2 * shift + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(h) + dy)[:, None, :, None]
    columns = (torch.arange(w) + dx)[:, None, None, :]
    batch = torch.arange(n)[:, None, None, None]
    channel = torch.arange(images.shape[1])[None, :, None, None]
    return padded[batch, channel, rows, columns]


def flipped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability one half."""
    return mirrored(images, torch.randint(0, 2, (len(images), 1, 1, 1), generator=generator, dtype=torch.bool))


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """The images mirrored left to right where `which` (N booleans, of any shape) says so."""
    return torch.where(which.view(-1, 1, 1, 1).to(images.device), images.flip(3), images)


def alternating(n: int, epoch: int, seed: int) -> Tensor:
    """(n,) which of all images are mirrored in epoch `epoch` (from 1): a random half, then the others, in turns.

    Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", section 3.6: two epochs show both sides of every image.
    """
    half = torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(seed), dtype=torch.bool)
    return half if epoch % 2 else ~half


def size_in(epoch: int, recipe: Recipe, full: int) -> int:
    """Pixels of the pictures in epoch `epoch` (from 1): from `first_size` up to `full` by two thirds of the run.

    Multiples of 4, so that networks that halve twice lose no border.
    """
    if recipe.first_size is None or recipe.first_size >= full:
        return full
    share = min(1.0, 1.5 * (epoch - 1) / recipe.epochs)
    size = recipe.first_size + share * (full - recipe.first_size)
    return full if share == 1 else 4 * round(size / 4)


def scaled(images: Tensor, size: int) -> Tensor:
    """`images` scaled to `size` x `size` pixels, antialiased."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


def attacked(
    model: Classifier,
    loss: Loss,
    recipe: Recipe,
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    sources: Sequence[tuple[Classifier, Loss]] = (),
) -> Tensor:
    """The batch as adversarial training wants it: the first `adversarial_share` of `images` attacked, in [0, 1].

    The ball attacks go up the slope of the loss's own adaptive objective (`Loss.attack`), or for "least-likely" down
    that of the class with the smallest logit on the clean image (step l.l., Kurakin et al. 2017, section 3). They keep
    their last iterate, also of images that are fooled already (Madry et al. 2018, eq. 2.1). The network is in eval mode
    meanwhile, so that the attack leaves its batch statistics alone.

    sources: other networks with the losses that trained them; each batch is made on one of them or on `model`, every
    one as likely (Tramèr et al. 2018, "Ensemble adversarial training", as their code draws it for MNIST).
    """
    if recipe.adversarial == "none":
        return images
    if sources:
        drawn = int(torch.randint(len(sources) + 1, (1,), generator=generator, device=generator.device))
        if drawn < len(sources):
            return attacked(*sources[drawn], recipe, images, labels, generator)
    count = max(1, round(recipe.adversarial_share * len(images)))
    clean, rest, y = images[:count], images[count:], labels[:count]
    training = model.training
    model.eval()
    if recipe.adversarial == "smoothfool":
        x = clean
        published = {"push": False, "remember": False, "come_back": False}
        attack = SmoothFool(projections=recipe.attack_steps, sigma_g=recipe.sigma_g, **published)
        for step in attack.steps(model, clean, y, generator):
            x = step.best
    else:
        steps = recipe.attack_steps if recipe.adversarial == "pgd" else 1
        length = {"fast": 1.25, "pgd": 2.5 / steps}.get(recipe.adversarial, 1.0) * recipe.epsilon
        ball = SignDescent(recipe.epsilon, length, random_start=recipe.adversarial in ("fast", "pgd"))
        x, sign = ball.start(clean, generator), -1
        if recipe.adversarial == "least-likely":
            with torch.no_grad():
                y, sign = model.head(features(model, clean, recipe)).argmin(1), 1
        for _ in range(steps):
            x = x.detach().requires_grad_()
            z = features(model, x, recipe)
            (gradient,) = torch.autograd.grad(loss.attack(model.head, z, y).sum(), x)
            x = ball.move(x.detach(), sign * gradient, clean)
    model.train(training)
    return torch.cat([x.detach(), rest])


def precision(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The context in which a network computes in the recipe's precision on `device`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


def features(model: Classifier, images: Tensor, recipe: Recipe) -> Tensor:
    """(N, d) float32 features, computed in the recipe's precision."""
    with precision(recipe, images.device):
        z: Tensor = model.features(images)
    return z.float()
