"""Networks as columns: one attack, made on one network, and what others say of its picture through a defence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from driver import TIMEOUT, levels, panels, viewers
from test_compare import MNIST, Compare

from core import models
from core.attacks import ATTACKS, AttackResult, run
from core.data import quantize
from core.defenses import DEFENSES, JPEG, BitDepth, Defended, Defense, Median
from core.magnify import display_scale, magnify
from core.metrics import l2, roughness
from pages.parts.engine.bounded import Bounded
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Stop
from pages.parts.views import example
from pages.parts.views.compare import networks
from pages.parts.views.compare.networks import Column, titles, verdict
from pages.parts.work import attacks
from pages.parts.work.attacks import Asked, Asker, Finished

START = {"compare": "networks", "iterations": "10", "search_steps": "2"}


class Networks(Compare):
    """The Compare page with networks as columns."""

    def __init__(self, start: Mapping[str, str] = START, **address: str) -> None:
        super().__init__(**{**start, **address})

    def finish(self) -> None:
        while (running := self.app.session_state.get("compare.networks.running")) is not None:
            assert running.job.wait(TIMEOUT)
            self.rerun()

    def run(self) -> None:
        self.press("Run")
        self.finish()

    @property
    def shown(self) -> Any:
        return self.app.session_state.get(networks.ANSWERS)

    @property
    def notes(self) -> list[str]:
        """Below the upper picture of each column but the original."""
        (viewer,) = viewers(self.app)
        return [panel["note"] for panel in viewer["panels"][:: viewer["stack"]]][1:]


def computed(row: int = 0) -> AttackResult:
    attack = ATTACKS["scw"](iterations=10, search_steps=2)
    return run(attack, models.load("mnist-c4-ce"), MNIST.images[row : row + 1], MNIST.labels[row : row + 1])


def test_where_the_attack_is_known_the_networks_are_asked_at_once(monkeypatch: pytest.MonkeyPatch):
    page = Networks({"compare": "networks"}, model="imagenet-efficientnet-lite0")
    page.finish()
    (_, known, _) = example.runs(page.shown.asking.choice, along=False)[0]
    assert page.shown.run.result.adversarial.equal(known.result.adversarial)
    assert page.shown.run.result.attack == "scw"
    assert len(page.shown.answers) == len(page.shown.asking.columns) == 4
    assert page.notes[0].endswith("\nfooled")
    page.app.session_state[networks.ANSWERS] = None
    monkeypatch.setattr(networks, "_answers", Bounded(64))
    page.rerun()  # but once only: who stops it is not asked again
    assert page.app.session_state.get("compare.networks.running") is None
    assert page.shown is None


def test_pictures_and_numbers_are_of_what_each_network_sees():
    page = Networks(**{"view.perturbations": "1", "2.network": "mnist-lenet-ce", "3.quality": "30", "columns": "4"})
    assert page.app.session_state.get(networks.ANSWERS) is None
    page.run()
    result = computed()
    clean, picture = result.images, result.adversarial_8bit
    asked: list[tuple[str, str, str, Defense | None]] = [
        ("CE, C4", "CE, C4", "mnist-c4-ce", None),
        ("CE, LeNet", "CE, LeNet", "mnist-lenet-ce", None),
        ("CE, C4, JPEG 30", "JPEG 30", "mnist-c4-ce", JPEG(quality=30)),
        ("CE, C4, Median filter 3", "Median filter 3", "mnist-c4-ce", Median()),
    ]
    pairs = [(clean, picture) if defense is None else (defense(clean), defense(picture)) for _, _, _, defense in asked]
    shown = panels(page.app)
    assert viewers(page.app)[0]["row"] is True
    gain = 0.5 / max(float((after - before).abs().max()) for before, after in pairs)
    shades = [magnify(x, 0.8, 3.0, 0.2) for x in (clean, *(after for _, after in pairs))]
    scale = display_scale(shades)
    np.testing.assert_array_equal(shown["Original"].levels, levels(clean[0]))
    truth = int(MNIST.labels[0])
    for (title, short, name, defense), (before, after), shade in zip(asked, pairs, shades[1:], strict=True):
        np.testing.assert_array_equal(shown[title].levels, levels(after[0]))
        left = after - before
        amplified = (0.5 + left / torch.tensor(1 / gain)).clamp(0, 1)
        np.testing.assert_array_equal(shown[f"{short}, perturbation"].levels, levels(amplified[0]))
        np.testing.assert_array_equal(shown[f"{short}, magnified"].levels, levels(scale.apply(shade)[0]))
        model = models.load(name) if defense is None else Defended(models.load(name), defense)
        with torch.no_grad():
            p_before, p_after = (model(x)[0].double().softmax(0) for x in (clean, picture))
        answer = f"“{MNIST.classes[int(p_after.argmax())]}”, {100 * float(p_after.max()):.1f} %"
        fooled = {True: "not fooled", False: "fooled"}[int(p_after.argmax()) == truth]
        assert shown[title].note == f"{answer}\n{fooled}"
        told = page.facts[f"{short}, magnified"]
        before_answer = f"“{MNIST.classes[int(p_before.argmax())]}”, {100 * float(p_before.max()):.1f} %"
        assert told.pop("Clean picture") == before_answer
        assert told.pop("Truth, clean") == f"{100 * float(p_before[truth]):.1f} %"
        assert told.pop("Truth, attacked") == f"{100 * float(p_after[truth]):.1f} %"
        assert told.pop("L2 between both") == f"{l2(left)[0]:.3f}"
        rough = 1e3 * float(roughness(left, 1.0, normalised=True)[0])
        assert float(told.pop("Ω / L2² × 10³").replace(",", "")) == pytest.approx(rough, rel=6e-3)
        assert told.pop("L2 of the defence") == f"{l2(before - clean)[0]:.3f}"
        assert not told, "a number that no test compares"
    assert page.notes[0].endswith("\nfooled")
    assert f"L2 {l2(picture - clean)[0]:.3f} in 8 bits" in page.words


def test_the_page_is_its_link_and_knows_at_once_what_was_asked():
    page = Networks(**{"1.network": "mnist-fc2-ce", "3.defense": "bilateral", "3.sigma_domain": "1.5", "seed": "2"})
    page.run()
    assert {"1.network", "3.defense", "3.sigma_domain", "seed", "compare"} <= page.address.keys()
    again = Networks(**page.address)
    assert again.address == page.address
    assert again.facts == page.facts  # without pressing anything
    # Another defence: the attack is known, and the networks alone are asked.
    again.app.selectbox(key="compare.networks.mnist.3.defense").set_value("bit_depth")
    again.rerun()
    assert "The settings have changed since this run" in again.words
    again.press("Run")
    again.finish()
    assert again.shown.run is page.shown.run
    assert "have changed" not in again.words
    assert [panel["title"] for panel in viewers(again.app)[0]["panels"]][6].endswith("Bit depth 5")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("2.network", "imagenet-efficientnet-lite0", "there is no such network here"),
        ("2.network", "nobody", "there is no such network here"),
        ("3.defense", "paint", "there is no such defense here"),
        ("3.quality", "500", "quality must be at most 95; got 500"),
        ("columns", "7", "it must be a whole number from 1 to 6"),
    ],
)
def test_what_is_wrong_in_a_link_is_left_out_and_said(name: str, text: str, complaint: str):
    page = Networks(**{name: text})
    assert complaint in page.words
    assert name not in page.address


def test_only_networks_that_take_the_same_pictures_are_offered():
    page = Networks()
    offered = page.app.selectbox(key="compare.networks.mnist.1.network").options
    assert offered[0] == "The attacked network"
    assert len(offered) == 1 + sum(card.dataset == "mnist" for card in models.cards().values())
    assert all(title.startswith("MNIST") for title in offered[1:])
    page.app.selectbox(key="compare.networks.mnist.1.network").set_value("mnist-fc2-ce")
    page.app.selectbox(key="compare.model").set_value("cifar10-resnet32-ce")
    page.rerun()
    assert all(
        "CIFAR-10" in title for title in page.app.selectbox(key="compare.networks.cifar10.1.network").options[1:]
    )


def test_a_photograph_behind_defences():
    page = Networks(model="imagenet-efficientnet-lite0", attack="fgsm", columns="6")
    page.run()
    titles = [panel["title"] for panel in viewers(page.app)[0]["panels"]][::2]
    through = ["JPEG 75", "Median filter 3", "Bilateral filter 0.5, 0.2", "Bit depth 5"]
    assert titles == ["Original", "No defence", *through, "No defence (2)"]
    assert page.notes[0] == page.notes[-1]


def test_an_attack_that_is_stopped_is_shown_to_all_as_far_as_it_came():
    images, labels = MNIST.images[:1], MNIST.labels[:1]
    here = Network.of(models.card("mnist-c4-ce"))
    askers = [Asker(here, None), Asker(here, BitDepth(bits=1))]
    work = attacks.transfer(ATTACKS["ddn"](passes=50), here, askers, images, labels, 0)
    next(work)
    with pytest.raises(StopIteration) as end:
        work.throw(Stop())
    finished, bare, squeezed = end.value.value
    assert isinstance(finished, Finished)
    assert finished.result.stopped
    assert torch.equal(bare.adversarial, quantize(finished.result.adversarial))
    assert torch.equal(bare.logits, finished.result.logits_8bit[0])
    assert torch.equal(squeezed.adversarial, BitDepth(bits=1)(bare.adversarial))


def test_a_stop_between_two_networks_keeps_what_was_answered():
    images, labels = MNIST.images[:1], MNIST.labels[:1]
    here = Network.of(models.card("mnist-c4-ce"))
    work = attacks.transfer(ATTACKS["fgsm"](), here, [Asker(here, None)] * 3, images, labels, 0)
    parts: list[object] = []
    while len(parts) < 2:
        parts += filter(None, [next(work).part])
    with pytest.raises(StopIteration) as end:
        work.throw(Stop())
    assert [type(part) for part in (*parts, *end.value.value)] == [Finished, Asked]


def asked(before: int, after: int) -> Asked:
    picture = torch.zeros(1, 1, 2, 2)
    return Asked(picture, picture, torch.eye(4)[before], torch.eye(4)[after])


def test_what_counts_as_fooled():
    assert verdict(asked(0, 0), 0, None) == "not fooled"
    assert verdict(asked(0, 1), 0, None) == "fooled"
    assert verdict(asked(1, 1), 0, None) == "wrong on the clean picture already"
    assert verdict(asked(1, 0), 0, None) == "wrong on the clean picture already"
    assert verdict(asked(0, 2), 0, 2) == "fooled"
    assert verdict(asked(0, 1), 0, 2) == "fooled, but not as the target"


def test_titles_say_what_differs_and_are_told_apart():
    c4, fc2, adv = (models.card(name) for name in ("mnist-c4-ce", "mnist-fc2-ce", "mnist-c4-ce-fgsm"))
    assert titles([Column(c4, None), Column(fc2, None), Column(c4, None)]) == ["CE, C4", "CE, FC2", "CE, C4 (2)"]
    assert titles([Column(c4, JPEG()), Column(c4, None)]) == ["JPEG 75", "No defence"]
    assert titles([Column(adv, JPEG(quality=5)), Column(c4, None)]) == ["CE + FGSM, C4, JPEG 5", "CE, C4"]
    twice = [Column(c4, JPEG()), Column(fc2, JPEG()), Column(fc2, Median()), Column(fc2, None)]
    assert networks.shorts(twice, list("abcd")) == ["a", "b", "Median filter 3", "d"]
    own = c4.model_copy(update={"name": "mine"})
    assert titles([Column(c4, None), Column(own, None)]) == ["mnist-c4-ce", "mine"]
    assert {networks.through(cls()) for cls in DEFENSES.values()} == {
        "JPEG 75",
        "Bit depth 5",
        "Median filter 3",
        "Bilateral filter 0.5, 0.2",
        "MagNet 0.001",
        "Guided denoiser (HGD)",
    }
