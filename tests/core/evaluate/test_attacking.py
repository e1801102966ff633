"""core.evaluate: which images are attacked, many at once as one by one, and the numbers of eq. 20."""

import json
import math

import pytest
import torch

from core import data, models
from core.attacks import ATTACKS, run
from core.evaluate import Outcome, attack_many, correct
from core.evaluate.attacking import drawn
from core.evaluate.report import AttackRecord
from core.metrics import l2, linf

QUICK = {"iterations": 20, "search_steps": 2}


@pytest.fixture(scope="module")
def digits():
    return data.gallery.read("mnist")


@pytest.fixture(scope="module")
def model():
    return models.load("mnist-c4-ce", "cpu")


def test_correct_picks_the_first_images_that_are_classified_correctly(model, digits):
    right = (model(digits.images).argmax(1) == digits.labels).nonzero()[:, 0]
    assert 900 < len(right) < len(digits)  # some are wrong, or this shows nothing
    n = int(
        (right < int((right != torch.arange(len(right))).nonzero()[0]) + 20).sum()
    )  # reaches beyond the first wrong
    chosen = correct(model, digits, n, batch_size=7)
    assert torch.equal(chosen.indices, digits.indices[right[:n]])
    assert torch.equal(chosen.images, digits.images[right[:n]])
    assert torch.equal(correct(model, digits, n).indices, chosen.indices)
    assert len(correct(model, digits, len(right))) == len(right)
    with pytest.raises(
        ValueError, match=rf"n must be at most {len(right)}, .* of mnist classified correctly; got 1000"
    ):
        correct(model, digits, 1000)


def test_images_of_another_shape_are_refused(model):
    with pytest.raises(ValueError, match=r"mnist-c4-ce takes .* \(1, 28, 28\); those of cifar10 have \(3, 32, 32\)"):
        correct(model, data.gallery.read("cifar10"), 1)


@pytest.mark.parametrize("name", ["cw", "scw"])
def test_many_images_fare_as_they_do_alone(model, digits, name):
    wrong = int((model(digits.images).argmax(1) != digits.labels).nonzero()[0])
    images = digits[[*range(4), wrong]]
    attack = ATTACKS[name](**QUICK)
    outcome = attack_many(attack, model, images, batch_size=2)
    alone = [run(attack, model, images.images[i : i + 1], images.labels[i : i + 1]) for i in range(5)]
    assert outcome.status == tuple(result.status[0] for result in alone)
    assert outcome.status[4] == "already misclassified"
    assert "fooled" in outcome.status
    for field in ("labels", "predictions_clean", "predictions", "predictions_8bit"):
        assert torch.equal(getattr(outcome, field), torch.cat([getattr(result, field) for result in alone]))
    torch.testing.assert_close(outcome.l2, torch.cat([result.l2 for result in alone]), rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(outcome.linf, torch.cat([result.linf for result in alone]), rtol=1e-1, atol=1e-2)
    assert outcome.parameters == attack.values()


def test_the_outcome_is_that_of_the_images_themselves(model, digits):
    """L2, Linf and predictions can be measured anew on the adversarial images."""
    outcome = attack_many(ATTACKS["cw"](**QUICK), model, digits[:3], batch_size=3)
    adversarial = run(ATTACKS["cw"](**QUICK), model, digits.images[:3], digits.labels[:3]).adversarial
    assert torch.equal(outcome.l2, l2(adversarial - digits.images[:3]))
    assert torch.equal(outcome.linf, linf(adversarial - digits.images[:3]))
    assert torch.equal(outcome.predictions, model(adversarial).argmax(1))
    assert torch.equal(outcome.predictions_8bit, model((adversarial * 255).round() / 255).argmax(1))


def test_progress_rises_to_one(model, digits):
    heard = []
    attack_many(ATTACKS["cw"](**QUICK), model, digits[:5], batch_size=2, on_progress=heard.append)
    assert heard == sorted(heard)
    assert 0 < heard[0] < 0.1
    assert heard[-1] == 1


def test_nothing_to_attack_and_no_batch_are_refused(model, digits):
    with pytest.raises(ValueError, match="images is empty"):
        attack_many(ATTACKS["cw"](), model, digits[:0])
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"batch_size must be at least 1; got {size}"):
            attack_many(ATTACKS["cw"](), model, digits[:2], batch_size=size)


def outcome(status, predictions_8bit, distortion):
    n = len(status)
    return Outcome(
        parameters={},
        labels=torch.zeros(n, dtype=torch.int64),
        status=status,
        predictions_clean=torch.tensor([int(s == "already misclassified") for s in status]),
        predictions=torch.tensor([int(s != "failed") for s in status]),
        predictions_8bit=torch.tensor(predictions_8bit),
        l2=torch.tensor(distortion),
        linf=torch.tensor(distortion) / 10,
        seconds=6.0,
    )


def test_eq_20_by_hand():
    """Five images: one was wrong from the start, so N = 4; two fooled at distortions 1 and 3, one failed, one NaN."""
    made = outcome(
        ("fooled", "failed", "already misclassified", "fooled", "not finite"),
        [1, 0, 1, 0, 0],
        [1.0, 9.0, 0.0, 3.0, 0.0],
    )
    assert made.n == 4
    assert made.fooled.tolist() == [True, False, False, True, False]
    assert made.summary() == {
        "n": 4,
        "success": 0.5,
        "success_8bit": 0.25,  # the second success is lost by rounding
        "mean_l2": 2.0,  # of successes alone
        "std_l2": pytest.approx(math.sqrt(2)),
        "mean_linf": pytest.approx(0.2),
        "seconds_per_image": 1.5,
    }


@pytest.mark.parametrize(
    ("status", "success"), [(("failed",), 0.0), (("already misclassified",), None), (("fooled",), 1.0)]
)
def test_what_has_no_mean_has_none(status, success):
    made = outcome(status, [1], [2.0])
    summary = made.summary()
    assert summary["success"] == success
    assert summary["mean_l2"] == (2.0 if success else None)
    assert summary["std_l2"] is None
    assert json.loads(json.dumps(summary)) == summary


def test_columns_hold_every_image():
    made = outcome(("fooled", "failed"), [1, 0], [1.0, 9.0])
    found = {name: list(values) for name, values in made.columns().items()}
    assert found["status"] == ["fooled", "failed"]
    assert found["l2"] == [1.0, 9.0]
    assert found["linf"] == [pytest.approx(0.1), pytest.approx(0.9)]
    assert (found["prediction_clean"], found["prediction"], found["prediction_8bit"]) == ([0, 0], [1, 0], [1, 0])


def test_a_record_holds_the_numbers_of_the_outcome(model, digits):
    attack, chosen = ATTACKS["cw"](**QUICK), digits[:6]
    done = attack_many(attack, model, chosen)
    record = AttackRecord.of(attack, model, chosen, done, 3, "make it")
    summary = done.summary()
    assert (record.n, record.success.value, record.success_8bit.value) == tuple(
        summary[name] for name in ("n", "success", "success_8bit")
    )
    assert (record.mean_l2, record.deviation_l2, record.mean_linf) == tuple(
        summary[name] for name in ("mean_l2", "std_l2", "mean_linf")
    )
    assert record.protocol.is_of(attack)
    assert record.rows["index"].tolist() == chosen.indices.tolist()
    assert record.rows["status"].tolist() == list(done.status)
    assert (record.network.sha256, record.data.seed, record.seed) == (model.card.sha256, 3, 3)
    for change, words in (
        ({"fooled": record.fooled - 1}, "fooled must be the number of rows"),
        ({"n": record.fooled - 1}, "must be in this order"),
    ):
        with pytest.raises(ValueError, match=words):
            AttackRecord(**{**dict(record), **change})


@pytest.mark.parametrize("seed", [0, 5])
def test_images_are_drawn_by_their_seed(seed):
    assert torch.equal(drawn("mnist", seed).indices, data.load("mnist", n=1000, seed=seed).indices)
    assert drawn("mnist", seed).source == "gallery"
    assert len(drawn("photos", seed)) == len(data.photos.PHOTOS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cw", "scw"])
def test_the_papers_setting_fools_the_mnist_network(model, digits, name):
    """Table 1 of Smooth Adversarial Examples: success of 100 correctly classified digits, at the paper's parameters."""
    attack = ATTACKS[name].preset("paper, MNIST")
    summary = attack_many(attack, model, correct(model, digits, 100)).summary()
    assert summary["n"] == 100
    assert summary["success"] >= 0.99
    assert summary["mean_l2"] < 4
