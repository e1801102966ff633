"""The Attack lab's "Seen through": what is attacked and what is shown behind a defence is what core says of it."""

import io
import json
import zipfile

import pytest
import torch
from driver import Lab, unescaped

from core import data, models
from core.attacks import ATTACKS, run
from core.defenses import BitDepth, Defended, MagNet
from core.export import archive, reproduce
from core.magnify import MagnifyParameters
from pages.parts.engine.networks import Network, load
from pages.parts.views import attacking
from pages.parts.views.lab import through

MNIST = data.gallery.read("mnist")
SHORT = {"updates": 10, "step_size": 0.1, "epsilon": 0.45}
MODEL = models.load("mnist-c4-ce")


def direct(model, row=0):
    return run(ATTACKS["ifgsm"](**SHORT), model, MNIST.images[row : row + 1], MNIST.labels[row : row + 1], 0)


def behind(lab: Lab) -> str:
    """What is said below a result of the network behind the defence."""
    (told,) = [unescaped(each.value) for each in lab.app.markdown if each.value.startswith("**Seen through")]
    return told


def percent(logits: torch.Tensor) -> str:
    return f"{100 * float(logits.softmax(0).max()):.1f} %"


def test_white_box_attacks_the_network_behind_the_defence():
    defended = Defended(MODEL, BitDepth(bits=1))
    lab = Lab({"attack": "ifgsm", "through": "bit_depth", "through.bits": "1", "image": _name(0)})
    lab.run(**SHORT)
    expected = direct(defended)
    assert torch.equal(lab.result.adversarial, expected.adversarial)
    assert torch.equal(lab.result.logits, expected.logits)
    assert lab.shown.choice.defense == BitDepth(bits=1)
    told = behind(lab)
    assert "Seen through Bit depth 1" in told
    assert "white box" in told
    pictures = lab.pictures
    seen = BitDepth(bits=1)(expected.adversarial_8bit)
    torch.testing.assert_close(pictures["Attacked, as it is seen"].values, seen[0])
    assert set(pictures["Attacked, as it is seen"].values.unique().tolist()) <= {0.0, 1.0}
    logits = defended(expected.adversarial_8bit)[0]
    assert pictures["Attacked, as it is seen"].note.endswith(percent(logits))
    assert ("**fooled**" in told) == (int(logits.argmax()) != int(MNIST.labels[0]))
    assert any("behind Bit depth" in unescaped(caption.value) for caption in lab.app.caption)
    assert "lab.over.on" not in [toggle.key for toggle in lab.app.toggle]  # what is measured there are bare networks


def test_gray_box_attacks_the_bare_network_and_shows_it_to_the_defended():
    lab = Lab({"attack": "ifgsm", "through": "bit_depth", "through.bits": "1", "box": "gray", "image": _name(0)})
    lab.run(**SHORT | {"epsilon": 0.2})
    expected = run(ATTACKS["ifgsm"](**SHORT | {"epsilon": 0.2}), MODEL, MNIST.images[:1], MNIST.labels[:1], 0)
    assert torch.equal(lab.result.adversarial, expected.adversarial)
    assert lab.result.status == ("fooled",)
    assert "gray box" in behind(lab)
    assert "**not fooled**" in behind(lab)
    # The same attack on the defended network is another attack, and neither is taken for the other.
    before = lab.result
    lab.move("box", "white")
    lab.press("Run")
    lab.finish()
    assert not torch.equal(lab.result.adversarial, before.adversarial)
    lab.move("box", "gray")
    assert torch.equal(lab.result.adversarial, before.adversarial)  # known
    lab.move("mnist.through", "none")
    assert not [each for each in lab.app.markdown if each.value.startswith("**Seen through")]
    assert torch.equal(lab.result.adversarial, before.adversarial)


def test_what_magnet_refuses_is_said():
    lab = Lab({"attack": "fgsm", "through": "magnet", "box": "gray", "image": _name(0)})
    lab.run(epsilon=0.3)
    assert bool(MagNet().refuses(lab.result.adversarial_8bit)[0])
    assert "**refused**" in behind(lab)
    assert "refused" in lab.pictures["Attacked, as it is seen"].note
    assert "refused" not in lab.pictures["Clean, as it is seen"].note
    assert not lab.app.text_input  # which trained defence it is, nobody is asked


def test_a_defence_is_offered_only_for_its_own_pictures():
    lab = Lab({"model": "cifar10-resnet32-ce"})
    there = lab.app.selectbox(key="lab.cifar10.through").options
    assert there == ["nothing", "JPEG", "Bit depth", "Median filter", "Bilateral filter"]


def _name(row: int) -> str:
    return str(int(MNIST.indices[row]))


def test_a_network_travels_with_its_defence_and_its_results_have_keys_of_their_own():
    bare, defended = Network.of(MODEL.card), Network.of(MODEL.card, BitDepth(bits=2))
    x, y = MNIST.images[:1], MNIST.labels[:1]
    assert torch.equal(load(defended)(x), MODEL(BitDepth(bits=2)(x)))
    assert torch.equal(load(bare)(x), MODEL(x))
    attack = ATTACKS["fgsm"]()
    keys = {
        attacking.key(attack, model, x, y, 0)
        for model in (MODEL, Defended(MODEL, BitDepth(bits=2)), Defended(MODEL, BitDepth(bits=3)))
    }
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("clean", "attacked", "refused", "words"),
    [
        (1, 1, None, "not fooled"),
        (1, 2, None, "fooled"),
        (1, 2, False, "fooled"),
        (1, 2, True, "refused"),
        (2, 2, None, "wrong on the clean picture already"),
    ],
)
def test_outcomes(clean, attacked, refused, words):
    def answer(named, refused):
        return through.Answer(torch.zeros(1, 1, 2, 2), torch.eye(3)[named], refused)

    assert through.outcome(answer(clean, None), answer(attacked, refused), 1) == words


def test_what_is_taken_home_is_made_again_behind_its_defence(tmp_path):
    defense = BitDepth(bits=1)
    result = direct(Defended(MODEL, defense))
    item = archive.Item("mine", result, MODEL.card.sha256, torch.get_num_threads(), defense=defense)
    with zipfile.ZipFile(io.BytesIO(archive.package([item], MNIST.classes, MagnifyParameters()))) as zipped:
        zipped.extractall(tmp_path)
    told = json.loads((tmp_path / "parameters.json").read_text())
    assert told["runs"]["mine"]["defense"] == {"name": "bit_depth", "parameters": {"bits": 1}}
    assert reproduce.main(tmp_path) == 0
    told["runs"]["mine"]["defense"] = None
    (tmp_path / "parameters.json").write_text(json.dumps(told))
    assert reproduce.main(tmp_path) == 1  # on the bare network it is another
