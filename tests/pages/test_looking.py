"""What a person is told to look for agrees with what was measured."""

import re

import pytest
import torch
from driver import Lab, opened

from core.attacks import ATTACKS, AttackResult
from core.filters import kernel, low_pass
from core.metrics import roughness
from pages.parts.views import looking

SHAPE = (1, 3, 64, 64)


def result(r: torch.Tensor, fooled: bool = True) -> AttackResult:
    clean = torch.full(SHAPE, 0.5)
    logits = torch.tensor([[1.0, 0.0]])
    return AttackResult(
        "cw",
        {},
        "",
        0,
        0.0,
        False,
        clean,
        torch.tensor([0]),
        clean + r,
        ("fooled" if fooled else "failed",),
        logits,
        logits.flip(1),
        logits.flip(1),
        {},
    )


def noise(size: float) -> torch.Tensor:
    return size * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)


def clouds(size: float) -> torch.Tensor:
    smooth = low_pass(noise(1.0), kernel("gaussian", 4.0))
    return size * smooth / smooth.abs().max()


@pytest.mark.parametrize("photograph", [False, True])
def test_it_is_called_what_it_is(photograph: bool):
    for r, kind in ((noise(0.01), "Noise"), (clouds(0.05), "Clouds")):
        told = looking.after(result(r), photograph)
        assert told.startswith(f"**{kind}:**")
        assert f"{float(roughness(r, 1.0, normalised=True)[0]):.2g}" in told
    mixed = noise(0.01) + clouds(0.07)
    assert looking.NOISE > float(roughness(mixed, 1.0, normalised=True)[0]) >= looking.CLOUDS
    assert looking.after(result(mixed), photograph).startswith("**Patches:**")


def test_how_much_is_to_be_seen_and_whether_it_fools():
    assert "more than 2.0 of 255 levels" in looking.after(result(noise(1 / 255)), True)
    assert "Up to 51 of 255 levels: Blink, then look at flat parts" in looking.after(result(noise(0.1)), True)
    assert "seen at once" in looking.after(result(noise(0.1)), False)
    assert looking.after(result(noise(0.1), fooled=False), True).endswith("though it does not fool the network.")
    assert "the same" in looking.after(result(torch.zeros(SHAPE)), True)


def test_columns_are_told_apart_by_what_they_are_held_equal_in():
    both = [result(noise(0.01)), result(clouds(0.2))]
    at_success = looking.compared(["rough one", "smooth one"], both, None)
    assert "as short as it came: rough one" in at_success
    at_norm = looking.compared(["rough one", "smooth one"], both, 3.0)
    assert "equally long, L2 = 3" in at_norm
    for told in (at_success, at_norm):
        assert "smooth one is the smoothest" in told
        assert "rough one the roughest" in told
    assert looking.compared(["alone"], both[:1], None) == ""


def test_without_smoothing_no_clouds_are_promised(lab: Lab):
    assert ATTACKS["scw"].look_for in lab.words
    lab.run(alpha=0.0, iterations=10)
    omega = float(roughness(lab.result.perturbation, 1.0, normalised=True)[0])
    told = re.search(r"\*\*Look for:\*\* (.*)", lab.words)
    assert told
    assert told[1].startswith("**Noise:**" if omega >= looking.NOISE else "**Patches:**")
    assert "loud" not in told[1]
    assert looking.before(ATTACKS["scw"](alpha=0.0)).startswith("With α = 0")
    assert looking.before(ATTACKS["scw"](alpha=0.5)) == ATTACKS["scw"].look_for


def test_the_start_page_leads_to_the_very_picture_and_attack():
    app = opened("")
    next(button for button in app.button if button.label == "Try it in the Attack lab").click().run(timeout=120)
    assert not app.exception
    assert app.session_state["lab.model"] == "imagenet-efficientnet-lite0"
    assert app.session_state["lab.attack"] == "scw"
    assert app.session_state["lab.imagenet.SmoothingParameters.alpha"] == 0.997
    assert app.session_state["lab.imagenet.CarliniWagnerBase.iterations"] == 50
    assert not app.warning
    assert any("china" in markdown.value for markdown in app.markdown)
