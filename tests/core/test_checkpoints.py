"""What comes with the project: every checkpoint is attacked through `model(x) -> logits`, and what it keeps fits it."""

import re

import pytest
import torch
from safetensors.torch import load_file

from core import data, models
from core.attacks import ATTACKS, run
from core.data import gallery, photos
from core.evaluate import correct
from core.train import Recipe

COMMITTED = sorted(path.parent.name for path in models.CHECKPOINTS.glob("*/card.json"))
# What a digit's network needs takes long at 224 pixels: there, a few steps must do.
ATTACKED_BY = {
    "scw": {"iterations": 25},
    "smoothfool": {},
    "ifgsm": {"epsilon": 0.3, "step_size": 0.05, "updates": 10, "random_start": True},
}


LARGE = ("imagenet-efficientnet-lite1", "imagenet-efficientnet-lite2")
"""Of the kind of another and slower: attacked briefly where time is short, as those are that differ by their loss."""
ALIKE = re.compile("lenet|whitened|cifar10-resnet18|resnet32-mmc|vggf|2d|-adv|-fgsm|preactresnet18-(graph|mmc)")


def pictures(card):
    return photos.load(card.input_shape[1:]) if card.dataset == "imagenet" else gallery.read(card.dataset)


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        pytest.param(
            name, attack, marks=[pytest.mark.slow] * (attack != "ifgsm" and (name in LARGE or bool(ALIKE.search(name))))
        )
        for name in COMMITTED
        for attack in ATTACKED_BY
    ],
)
def test_every_committed_checkpoint_is_attacked(name, attack):
    model = models.load(name, "cpu")
    n = 1 if model.card.dataset == "imagenet" else 8
    chosen = correct(model, pictures(model.card)[:40], n)
    result = run(ATTACKS[attack](**ATTACKED_BY[attack]), model, chosen.images, chosen.labels)
    assert set(result.status) <= {"fooled", "failed"}
    if "adversarial" not in model.card.recipe or model.card.recipe["adversarial"] == "none":
        assert result.success.float().mean() >= 0.5, result.status


@pytest.mark.parametrize("name", [n for n in COMMITTED if (models.CHECKPOINTS / n / models.EMBEDDINGS).exists()])
def test_the_kept_features_are_those_of_the_network(name):
    """The last epoch's, for the images of the sample that the gallery holds."""
    model, kept = models.load(name, "cpu"), load_file(models.CHECKPOINTS / name / models.EMBEDDINGS)
    images = gallery.read(model.card.dataset)
    place = {int(index): row for row, index in enumerate(images.indices)}
    rows = [(row, place[int(index)]) for row, index in enumerate(kept["indices"]) if int(index) in place]
    assert len(rows) > 0.9 * len(kept["indices"])
    here, there = (list(side) for side in zip(*rows, strict=True))
    assert torch.equal(kept["labels"][here], images.labels[there])
    with torch.no_grad():
        z = model.features(images.images[there])
        named = model.head(z).argmax(1)
    difference = (kept["features"][-1][here].float() - z).norm() / z.norm()
    assert difference < 0.03  # training computes in bfloat16, the checkpoint may be stored in float16
    assert (named == kept["predictions"][-1][here]).float().mean() > 0.97
    # A training that kept nothing was asked when it had ended (core.evaluate.maps.keep_features).
    assert kept["epochs"].tolist()[0] == (0 if model.card.recipe.get("sample") else model.card.recipe["epochs"])
    if not model.card.start:
        assert kept["epochs"].tolist()[-1] == model.card.recipe["epochs"]
        return
    # The epochs of what it began with go before its own.
    commands = re.findall(r"python -m core train[^;]*", model.card.source)
    epochs = [re.search(r"--epochs (\d+)", command) for command in commands]
    assert kept["epochs"].tolist()[-1] == sum(int(found[1]) if found else Recipe().epochs for found in epochs)


def test_together_they_are_small():
    assert sum(path.stat().st_size for path in models.CHECKPOINTS.rglob("*") if path.is_file()) < 80e6
    assert data.DATASETS  # the cards name data sets of this registry
    assert {models.card(name).dataset for name in COMMITTED} <= {*data.DATASETS, "imagenet"}
