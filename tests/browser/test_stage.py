"""The lab before an audience: what a projector's window holds, and what a teacher's hand reaches there."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from test_main_path import FIVE, read_back, settled, slider, titles
from test_reach import grave

from core import data, models
from core.attacks import ATTACKS, run
from core.data import imagenet
from pages.parts.inputs import choose

pytestmark = pytest.mark.browser

DIGIT = "model=mnist-c4-ce&iterations=10"
PHOTOGRAPH = "model=imagenet-efficientnet-lite0&attack=fgsm"
PROJECTOR = {"width": 1280, "height": 720}


def attacked(page: Page) -> Page:
    """The page with what its attack has given."""
    settled(page)
    page.get_by_role("button", name="Run").click()
    expect(titles(page)).to_have_text(FIVE)
    settled(page)
    page.mouse.move(5, 5)
    return page


def apart(page: Page) -> list[str]:
    """The numbers below the pictures that do not stand beside their sliders."""
    return page.locator('.stMain [class*="-number"]:has(.stSlider)').evaluate_all(
        """all => all.filter(e => {
            const [slider, box] = [".stSlider", ".stNumberInput"].map(s => e.querySelector(s).getBoundingClientRect());
            return box.top >= slider.bottom || box.left < slider.right;
        }).map(e => e.className)"""
    )


def height(page: Page, selector: str) -> float:
    """Of the lowest edge of any of them."""
    return max(box["y"] + box["height"] for each in page.locator(selector).all() if (box := each.bounding_box()))


@pytest.mark.parametrize(
    ("what", "present"),
    [
        pytest.param(DIGIT, "", id="digit-lab", marks=pytest.mark.slow),
        pytest.param(DIGIT, "&present=1", id="digit-present"),
        pytest.param(PHOTOGRAPH, "&present=1", id="photograph-present", marks=pytest.mark.slow),
        pytest.param(PHOTOGRAPH, "", id="photograph-lab", marks=pytest.mark.slow),
    ],
)
def test_five_pictures_and_the_steps_without_scrolling(open_page: Callable[..., Page], what: str, present: str):
    page = attacked(open_page(f"/Attack_lab?{what}{present}", **PROJECTOR))
    assert page.locator(".viewer canvas").count() == 5
    for part in (".viewer canvas", ".viewer .steps", ".stMain button[kind=primary]", ".ss-verdict"):
        assert 0 < height(page, part) <= 720


def test_on_a_phone_what_has_come_of_it_stands_above_the_pictures(open_page: Callable[..., Page]):
    page = attacked(open_page(f"/Attack_lab?{DIGIT}", width=390, height=844))
    verdict, far = page.locator(".ss-verdict"), page.locator(".ss-far")
    expect(far).to_have_text(f"L2 {table(page)['L2']}")
    picture, numbers = page.locator(".viewer canvas").first, page.locator(".ss-table").first
    tops = [each.bounding_box()["y"] for each in (verdict, far, picture, numbers)]
    assert tops == sorted(tops)
    page.set_viewport_size(PROJECTOR)
    expect(far).to_be_hidden()


@pytest.mark.slow
def test_present_full_screen_and_a_larger_window_enlarge(open_page: Callable[..., Page]):
    def size(page: Page) -> int:
        pixels, seen = read_back(page.locator('.viewer canvas[data-title="Original"]'))
        assert seen["shown"] == seen["size"]
        opaque = pixels[..., 3] == 255
        across = int(opaque.any(0).sum())
        scale = page.locator(".viewer .ratio").inner_text()
        assert scale == f"×{np.round(across / 224, 2):g}"  # as it is written
        return across

    page = attacked(open_page(f"/Attack_lab?{PHOTOGRAPH}", **PROJECTOR))
    usual = size(page)
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    settled(page)
    assert size(page) >= 1.15 * usual
    page.get_by_role("button", name="Full screen").click()
    page.get_by_role("button", name="Leave full screen (Esc)").wait_for()
    page.wait_for_timeout(300)
    assert size(page) >= 1.15 * usual
    # Outside, a larger window has larger pictures.
    page.get_by_role("button", name="Leave full screen (Esc)").click()
    page.get_by_role("button", name="Leave presentation").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})
    settled(page)
    page.wait_for_timeout(300)
    assert size(page) > 1.2 * 224


def test_present_keeps_the_sliders_that_a_teacher_pins(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{DIGIT}&pins=margin.alpha", **PROJECTOR)
    settled(page)
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    settled(page)
    seen = page.locator(".stMain .st-key-slid").get_by_test_id("stSlider")
    expect(seen).to_have_count(2)
    expect(seen.nth(0)).to_contain_text("Smoothing")
    expect(seen.nth(1)).to_contain_text("Margin")
    for each in seen.all():
        expect(each).to_be_in_viewport(ratio=1)
    margin = slider(page, "Margin")
    margin.focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".ss-verdict")).to_be_visible()
    expect(page.get_by_text("The settings have changed")).to_have_count(0)
    expect(page).to_have_url(re.compile("pins=margin.alpha"))
    page.get_by_role("button", name="Leave presentation").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    settled(page)
    expect(page.locator(".stMain .st-key-slid").get_by_test_id("stSlider")).to_have_count(0)
    expect(slider(page, "Margin")).not_to_have_value("1")  # what was slid has stayed


@pytest.mark.slow
def test_alpha_is_slid_where_it_matters(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{DIGIT}&alpha=0", **PROJECTOR)
    settled(page)
    alpha, margin = slider(page, "Smoothing"), slider(page, "Margin")
    expect(alpha).to_have_attribute("aria-valuetext", "0")
    expect(page.locator(".ss-marks").first).to_have_text("0.950.997")
    alpha.focus()
    for presses in range(1, 13):  # no press is lost while the page is busy, whatever comes back late from a box
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
        expect(alpha).to_have_value(str(presses))
    page.wait_for_timeout(1000)
    settled(page)
    expect(alpha).to_have_value("12")
    for _ in range(60):  # it was 997
        if alpha.get_attribute("aria-valuetext") == "0.997":
            break
        page.keyboard.press("ArrowRight")
    expect(alpha).to_have_attribute("aria-valuetext", "0.997")
    settled(page)
    margin.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    settled(page)
    expect(page).to_have_url(re.compile(r"alpha=0\.997.*margin=3\.5|margin=3\.5.*alpha=0\.997"))
    expect(alpha).to_have_attribute("aria-valuetext", "0.997")
    # A number that no hand would meet.
    box = page.get_by_role("spinbutton", name="Smoothing α, as a number")
    box.fill("0.98765")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"alpha=0\.98765"))
    settled(page)
    expect(slider(page, "Smoothing")).to_have_attribute("aria-valuetext", "0.98765")


@pytest.mark.slow
def test_a_target_is_searched_for_by_its_name(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{DIGIT}&attack=deepfool", **PROJECTOR)
    settled(page)
    target = page.get_by_role("combobox", name=re.compile("Target"))
    target.scroll_into_view_if_needed()
    target.focus()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("target=3"))
    attacked(page)
    expect(page.locator(".ss-verdict")).to_have_text(re.compile(r" is now 3$"))


def in_words(logits: torch.Tensor) -> str:
    """The three most probable classes of a digit's logits (K,)."""
    best = logits.double().softmax(0).topk(3)
    return ", ".join(f"“{c}” {100 * p:.1f} %" for c, p in zip(best.indices.tolist(), best.values.tolist(), strict=True))


@pytest.mark.slow
def test_the_film_says_what_the_network_says_and_magnifies_its_key_frames(open_page: Callable[..., Page]):
    page = attacked(open_page(f"/Attack_lab?{DIGIT}", **PROJECTOR))
    torch.set_num_threads(1)  # as the server's
    digits, model = data.gallery.read("mnist"), models.load("mnist-c4-ce")
    told: list[str] = []
    result = run(
        ATTACKS["scw"](iterations=10),
        model,
        digits.images[:1],
        digits.labels[:1],
        on_step=lambda step: told.append(in_words(model(step.images.detach())[0].detach())),
    )
    slid, heading = page.get_by_role("slider", name="Step of the attack"), page.locator(".viewer .heading")
    total = len(told)
    expect(slid).to_have_attribute("max", str(total))
    expect(page.locator(".ss-table tr", has_text="Steps").locator("td").nth(1)).to_have_text(str(total))
    magnified = page.locator('.viewer canvas[data-title="Magnified adversarial"]')
    notes, pictures = [], []
    for step in range(1, total + 1):
        slid.fill(str(step))
        expect(heading).to_contain_text(f"Step {step} of {total}")
        is_result = "the result" in heading.inner_text()
        expected = in_words(result.logits_8bit[0]) if is_result else told[step - 1]
        expect(heading).to_have_text(f"Step {step} of {total}{', the result' if is_result else ''}")
        expect(page.locator(".viewer .said")).to_have_text(expected)
        assert f", {expected}, " in slid.get_attribute("aria-valuetext")
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        notes.append(page.locator(".viewer .note").nth(4).inner_text().partition(";")[0])
        pictures.append(read_back(magnified)[0].tobytes())
    expect(page.locator('.stMain [class*="-number"]')).to_have_count(3)
    assert apart(page) == []
    # What is magnified is a key frame, and says of which step it is.
    keys = [step for step, note in enumerate(notes, 1) if note == f"step {step}"]
    assert 4 <= len(keys) <= 6
    assert len({pictures[key - 1] for key in keys}) == len(keys)
    for step, note in enumerate(notes, 1):
        if note.startswith("nearest key frame: "):
            key = int(note.rpartition(" ")[2])
            assert abs(key - step) == min(abs(other - step) for other in [*keys, key])
            if key in keys:
                assert pictures[step - 1] == pictures[key - 1]


def test_live_follows_a_hand_a_pin_keeps_and_a_link_knows(open_page: Callable[..., Page]):
    page = open_page("/Attack_lab?model=mnist-c4-ce&attack=fgsm&seed=31", **PROJECTOR)
    settled(page)
    live = page.get_by_role("switch", name=re.compile("Live"))
    expect(live).to_be_disabled()  # nobody has measured it here
    attacked(page)
    expect(live).to_be_enabled()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    page.locator(".st-key-press label", has_text="Live").click()
    expect(page).to_have_url(re.compile("live=1"))
    settled(page)
    before = page.locator(".ss-table").inner_text()
    epsilon = slider(page, "ε")
    epsilon.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    # It has run by itself: the pinned result stands beside the next, and nothing is out of date.
    expect(titles(page).filter(has_text="Pinned")).to_have_count(3)
    settled(page)
    expect(page.get_by_text("The settings have changed")).to_have_count(0)
    expect(page).to_have_url(re.compile("epsilon="))
    after = page.locator(".ss-table").inner_text()
    assert after != before
    # What is known is there at once where its link is opened, without Live and without a button.
    address = re.sub(r"&?live=1", "", page.url[page.url.index("/Attack_lab") :])
    fresh = open_page(address, **PROJECTOR)
    expect(titles(fresh)).to_have_text(FIVE)
    settled(fresh)
    assert fresh.locator(".ss-table").inner_text() == after
    expect(fresh.get_by_role("switch", name=re.compile("Live"))).not_to_be_checked()


def table(page: Page) -> dict[str, str]:
    """The numbers beside a result."""
    return dict(row.locator("td").all_inner_texts() for row in page.locator(".ss-table tr").all())


def seen(page: Page, title: str, size: int) -> np.ndarray:
    """(size, size, 3) levels of a picture that is at least as large on the screen."""
    pixels, about = read_back(page.locator(f'.viewer canvas[data-title="{title}"]'))
    assert about["size"][0] >= size
    middles = ((np.arange(size) + 0.5) * about["size"][0] / size).astype(int)
    return pixels[middles][:, middles, :3]


def agreed(page: Page, model: models.Classifier, classes: Sequence[str]) -> tuple[str, str]:
    """What a network calls the adversarial picture on the screen, and the headline, which ends with it.

    So do the probabilities and the picture's note agree; and what to look for is what the numbers say.
    """
    channels, size, _ = model.card.input_shape
    picture = torch.from_numpy(seen(page, "Adversarial", size)).permute(2, 0, 1)[None, :channels]
    truth, named = page.locator(".ss-bars .ss-name").first.inner_text(), classes[int(model(picture / 255).argmax())]
    headline = page.locator(".ss-verdict").inner_text()
    assert headline.endswith(f" {named}")
    assert page.locator(".ss-bars").nth(1).locator(".ss-name").first.inner_text() == named
    fools = named != truth
    note = f"shown in 8 bits: {'still' if fools else 'no longer'} fools"
    expect(page.locator(".viewer .note").nth(1)).to_have_text(note)
    numbers = table(page)
    assert numbers["Fools in 8 bits"] == ("yes" if fools else "no")
    omega = float(numbers["Ω / L2² × 10³"]) / 1000
    kind = "Noise" if omega >= 0.4 else "Patches" if omega >= 0.1 else "Clouds"
    assert page.locator("p", has_text="Look for").inner_text().startswith(f"Look for: {kind}:")
    return named, headline


@pytest.mark.slow
def test_headline_numbers_and_words_are_of_the_picture_that_is_seen(open_page: Callable[..., Page]):
    torch.set_num_threads(1)  # as the server's
    model, digits, classes = models.load("imagenet-efficientnet-lite0"), models.load("mnist-c4-ce"), imagenet.classes()
    photograph = "model=imagenet-efficientnet-lite0&image="

    def ran(link: str) -> Page:
        page = open_page(f"/Attack_lab?{link}", width=1440, height=900)
        settled(page)
        page.get_by_role("button", name="Run").click()
        expect(titles(page).nth(4)).to_have_text("Magnified adversarial")
        settled(page)
        page.mouse.move(5, 5)
        return page

    # What stops at the boundary is pushed over it as far as the saved picture needs.
    named, headline = agreed(ran(f"{photograph}coffee&attack=smoothfool"), model, classes)
    assert headline == f"espresso is now {named}"
    # Without the push the headline says how what was found and what is seen differ.
    page = ran("model=mnist-c4-ce&image=898&attack=deepfool&push=False")
    named, headline = agreed(page, digits, [str(digit) for digit in range(10)])
    assert named == "7"
    assert re.fullmatch(r"7 was \d before rounding; as shown, in 8 bits, it is still 7", headline)
    expect(page.locator(".ss-bars").nth(2).locator(".ss-name").first).not_to_have_text(named)  # before rounding
    # A smooth perturbation is searched in float: what is said to be before rounding has more than a few levels.
    page = ran(f"{photograph}rocket&iterations=10")
    agreed(page, model, classes)
    expect(page.locator(".viewer .note").nth(2)).to_have_text(re.compile("^before rounding, amplified"))
    assert len(np.unique(seen(page, "Perturbation", 224)[..., 0])) > 64
    assert float(table(page)["Ω / L2² × 10³"]) < 100  # clouds, and no islands


LISTED = """list => {
    // Of the options that are there now: what is written, and how much of it is not cut off.
    const options = [...list.querySelectorAll("[role=option]")];
    return options.map(option => {
        const walker = document.createTreeWalker(option, NodeFilter.SHOW_TEXT);
        const text = walker.nextNode(), range = document.createRange();
        let whole = text.length;
        const fits = () => (range.setStart(text, 0), range.setEnd(text, whole),
            range.getBoundingClientRect().right <= option.getBoundingClientRect().right);
        while (whole && !fits()) whole -= 1;
        return [text.data, text.data.slice(0, whole)];
    });
}"""


@pytest.mark.slow
def test_the_menu_of_networks_is_grouped_and_can_be_read(open_page: Callable[..., Page]):
    page = open_page("/Attack_lab", **PROJECTOR)
    settled(page)
    box = page.get_by_role("combobox", name=re.compile("Network"))
    box.scroll_into_view_if_needed()
    box.focus()
    page.keyboard.press("ArrowDown")
    listed = page.get_by_role("listbox")
    listed.get_by_role("option").first.wait_for()
    seen: dict[str, str] = {}
    listed.evaluate("list => [list, ...list.querySelectorAll('*')].forEach(e => { e.scrollTop = 0; })")
    for _ in range(10):
        page.wait_for_timeout(100)
        seen |= dict(listed.evaluate(LISTED))
        listed.evaluate("list => [list, ...list.querySelectorAll('*')].forEach(e => { e.scrollTop += 200; })")
    assert sorted(seen) == sorted(choose.menu(models.cards()).values())
    groups = [data_set for data_set, _ in groupby(text.split()[0] for text in seen)]
    assert sorted(groups) == ["CIFAR-10", "ImageNet", "MNIST"]
    # In a narrow box data set, loss and defence are whole: what it cuts off is the architecture.
    assert [text for text, whole in seen.items() if not whole.startswith(text.partition(", ")[0])] == []


@pytest.mark.slow
def test_a_result_among_a_hundred(open_page: Callable[..., Page]):
    page = attacked(open_page("/Attack_lab?model=mnist-c4-ce&attack=cw&margin=0.0&iterations=10", **PROJECTOR))
    page.locator("label", has_text="Over 100 images").click()
    expect(page).to_have_url(re.compile("many=1"))
    told = page.locator("p", has_text=re.compile(r"^Of \d+ images [\d.]+ % .* the dotted line is the image above"))
    expect(told).to_be_visible()
    charts = page.locator(".js-plotly-plot:has(.bars):has(.shapelayer path)")  # with this image marked
    expect(charts).to_have_count(3)
    axes = [str(chart.locator(".xtitle").text_content()) for chart in charts.all()]
    assert [axis.partition(",")[0] for axis in axes] == ["L2", "Ω / L2²", "MAD"]
    assert grave(page) == []
    # What nobody has measured is measured now, as a job.
    page.get_by_role("spinbutton", name="Margin m, as a number").fill("0.123")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("button", name="Measure 100 images").click()
    expect(page.get_by_text(re.compile(r"\d+ of 100 images, \d+ s"))).to_be_visible()
    assert grave(page) == []  # meanwhile
    expect(page.locator("p", has_text=re.compile(r"^Of (99|100) images"))).to_be_visible()
    expect(charts).to_have_count(3)
