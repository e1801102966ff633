"""The Attack lab behind a defence, in a real Chromium: gray box, then white box, through MagNet and through one bit."""

import re

import pytest
import torch
from playwright.sync_api import Page, expect

from core import data, models
from core.attacks import ATTACKS, run
from core.defenses import BitDepth, Defended

pytestmark = pytest.mark.browser

MNIST = data.gallery.read("mnist")
VALUES = {"epsilon": 0.2, "updates": 10, "step_size": 0.05}
SEEN = ["Clean, as it is seen", "Attacked, as it is seen", "What is left of it"]


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.slow
def test_an_attack_on_a_defended_network_gray_and_white(open_page):
    bare = models.load("mnist-c4-ce")
    defended = Defended(bare, BitDepth(bits=1))
    attack = ATTACKS["ifgsm"](**VALUES)

    def outcome(model) -> str:
        """What the defended network makes of an attack on `model`."""
        made = run(attack, model, MNIST.images[:1], MNIST.labels[:1]).adversarial_8bit
        return "not fooled" if torch.equal(defended(made).argmax(1), MNIST.labels[:1]) else "fooled"

    values = "&".join(f"{name}={value}" for name, value in VALUES.items())
    image = int(MNIST.indices[0])
    page = open_page(f"/Attack_lab?attack=ifgsm&image={image}&{values}&through=bit_depth&through.bits=1&box=gray")
    settled(page)
    page.get_by_role("button", name="Run").click()
    told = page.get_by_test_id("stMarkdown").filter(has_text=re.compile("Seen through Bit depth 1"))
    expect(told).to_contain_text("made on the bare network (gray box)")
    expect(told).to_contain_text(f"The defended network is {outcome(bare)}.")
    expect(page.locator("figcaption").filter(has_text="as it is seen")).to_have_text(SEEN[:2])
    settled(page)

    page.get_by_role("radio", name="White box").click()
    settled(page)
    page.get_by_role("button", name="Run").click()
    expect(told).to_contain_text("made with the defence in view (white box)")
    expect(told).to_contain_text(f"The defended network is {outcome(defended)}.")
    # What is seen has one bit: black or white, on the screen too.
    levels = page.locator('.viewer canvas[data-title="Attacked, as it is seen"]').evaluate(
        """canvas => {
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return [...new Set(data.filter((_, i) => i % 4 === 0))].sort((a, b) => a - b);
        }"""
    )
    assert levels == [0, 255]
    assert "box=gray" not in page.url

    page.get_by_role("combobox", name=re.compile("Seen through")).click()
    page.get_by_role("option", name="MagNet").click()
    settled(page)
    page.get_by_role("radio", name="Gray box").click()
    settled(page)
    expect(page.get_by_test_id("stMarkdown").filter(has_text=re.compile("Seen through MagNet"))).to_contain_text(
        "gray box"
    )
    assert "through=magnet" in page.url
