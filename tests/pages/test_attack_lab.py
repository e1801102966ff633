"""The Attack lab: every picture and every number on the page is what core computes, and nothing is computed twice."""

import threading

import numpy as np
import pytest
import torch
from driver import Lab, levels

from core import data, models
from core.attacks import ATTACKS, AttackResult, Run, run
from core.magnify import display_scale, magnify, to_display
from core.metrics import l2, linf, mad, psnr, roughness, ssim
from pages.parts.engine.performing import Request
from pages.parts.engine.pool import Busy, Pool
from pages.parts.engine.progress import Progress
from pages.parts.shell import jobs
from pages.parts.shell.numbers import general
from pages.parts.views import attacking
from pages.parts.work import attacks

MNIST = data.gallery.read("mnist")
SHORT = {"iterations": 10, "search_steps": 2}


def computed(attack: str, row: int = 0, seed: int = 0, **values) -> AttackResult:
    """The same attack, run directly: no page, no thread, no cache."""
    made = ATTACKS[attack](**values)
    return run(made, models.load("mnist-c4-ce"), MNIST.images[row : row + 1], MNIST.labels[row : row + 1], seed)


def percent(logits: torch.Tensor) -> list[str]:
    return [f"{100 * p:.1f} %" for p in logits.double().softmax(0).sort(descending=True).values[:3].tolist()]


def amplified(r: torch.Tensor, gain: float) -> np.ndarray:
    return levels((0.5 + r / torch.tensor(1 / gain)).clamp(0, 1))


def on_one_scale(*pictures: torch.Tensor, **parameters) -> list[np.ndarray]:
    return [levels(shown[0]) for shown in to_display([magnify(picture, **parameters) for picture in pictures])]


def test_opens_with_a_picture_and_its_magnification(lab: Lab):
    assert list(lab.pictures) == ["Original", "Magnified original"]
    picture = MNIST.images[:1]
    np.testing.assert_array_equal(lab.pictures["Original"].levels, levels(picture[0]))
    (expected,) = on_one_scale(picture, beta=0.8, sigma_domain=3.0, sigma_range=0.2)
    np.testing.assert_array_equal(lab.pictures["Magnified original"].levels, expected)
    logits = models.load("mnist-c4-ce")(picture)[0]
    assert [value for _, value in lab.bars] == percent(logits)
    assert lab.verdict is None


@pytest.mark.parametrize(("attack", "values"), [("scw", SHORT), ("cw", {"iterations": 40, "search_steps": 2})])
def test_pictures_and_numbers_are_those_of_core(lab: Lab, attack: str, values: dict):
    if attack != lab.attack:
        lab.choose(attack)
    lab.move("gain", "×5")
    lab.run(**values)
    expected = computed(attack, **values)
    assert expected.status == ("fooled",)

    pictures = lab.pictures
    titles = ["Original", "Adversarial", "Perturbation", "Magnified original", "Magnified adversarial"]
    assert list(pictures) == titles
    eight_bit = (expected.adversarial * 255).round() / 255
    np.testing.assert_array_equal(pictures["Original"].levels, levels(expected.images[0]))
    np.testing.assert_array_equal(pictures["Adversarial"].levels, levels(eight_bit[0]))
    r = (expected.adversarial - expected.images)[0]
    np.testing.assert_array_equal(pictures["Perturbation"].levels, amplified(r, 5))
    assert "×5;" in pictures["Perturbation"].note
    pair = on_one_scale(expected.images, eight_bit, beta=0.8, sigma_domain=3.0, sigma_range=0.2)
    np.testing.assert_array_equal(pictures["Magnified original"].levels, pair[0])
    np.testing.assert_array_equal(pictures["Magnified adversarial"].levels, pair[1])
    limit = display_scale([magnify(x, 0.8, 3.0, 0.2) for x in (expected.images, eight_bit)]).limit
    assert f"+{limit:.1f} σ" in pictures["Magnified original"].note
    assert pictures["Magnified original"].note == pictures["Magnified adversarial"].note

    model = models.load("mnist-c4-ce")
    before, after = model(expected.images)[0], model(expected.adversarial)[0]
    names = MNIST.classes
    shown = model(eight_bit)[0]
    still = bool(shown.argmax() != expected.labels[0])
    assert still
    assert lab.verdict == f"{names[int(before.argmax())]} is now {names[int(shown.argmax())]}"
    assert after.argmax() == shown.argmax()
    assert [value for _, value in lab.bars] == percent(before) + percent(shown)
    assert pictures["Adversarial"].note == f"shown in 8 bits: {'still' if still else 'no longer'} fools"

    table = lab.table
    perturbation, images = r[None], expected.images
    assert table.pop("L2") == f"{l2(perturbation)[0]:.3f}"
    assert table.pop("L∞") == f"{255 * linf(perturbation)[0]:.1f}/255"
    assert table.pop("Ω × 10³") == general(1e3 * float(roughness(perturbation, 1.0)[0]))
    assert table.pop("Ω / L2² × 10³") == general(1e3 * float(roughness(perturbation, 1.0, normalised=True)[0]))
    assert table.pop("SSIM") == f"{ssim(images, expected.adversarial)[0]:.4f}"
    assert table.pop("PSNR") == f"{psnr(images, expected.adversarial)[0]:.1f} dB"
    assert table.pop("MAD") == general(float(mad(images, expected.adversarial)[0]))
    assert table.pop("Fools in 8 bits") == ("yes" if still else "no")
    assert table.pop("Converged") == ("yes" if expected.converged[0] else "no")
    assert table.pop("Steps") == str(len(expected.trace["step"]))
    assert table.pop("Time").endswith(" s")
    assert not table, "a number that no test compares"


@pytest.mark.parametrize("name", ["deepfool", "smoothfool"])
def test_headline_probabilities_and_picture_speak_of_the_picture_in_8_bits(lab: Lab, name: str):
    """Without its push, what fools in float may not when saved, and the headline says so; with it, it does."""
    model = models.load("mnist-c4-ce")
    values = {"push": False, "overshoot": 0.0}
    lost = run(ATTACKS[name](**values), model, MNIST.images[:20], MNIST.labels[:20])
    row = int((lost.success & ~lost.success_8bit).nonzero()[0, 0])
    lab = Lab(lab__row__mnist=row)
    lab.choose(name)
    lab.run(**values)
    answer, found = MNIST.classes[int(MNIST.labels[row])], MNIST.classes[int(lost.predictions[row])]
    assert lab.verdict == f"{answer} was {found} before rounding; as shown, in 8 bits, it is still {answer}"
    assert lab.pictures["Adversarial"].note == "shown in 8 bits: no longer fools"
    result = lab.result
    written = [percent(logits[0]) for logits in (result.logits_clean, result.logits_8bit, result.logits)]
    assert [value for _, value in lab.bars] == [value for three in written for value in three]
    assert "Push" not in lab.table
    lab.run(**values | {"push": True})
    assert lab.verdict == f"{answer} is now {MNIST.classes[int(lab.result.predictions_8bit)]}"
    assert lab.pictures["Adversarial"].note == "shown in 8 bits: still fools"
    assert lab.table["Push"] == f"×{float(lab.result.trace['push'][-1, 0]):.3f}"
    assert len(lab.bars) == 6


@pytest.mark.parametrize(("quantised", "note"), [(False, "before rounding"), (True, "in 8 bits")])
def test_which_perturbation_is_shown_is_said(lab: Lab, quantised: bool, note: str):
    lab.run(**SHORT, quantised=quantised)
    assert lab.pictures["Perturbation"].note.startswith(f"{note}, amplified ×")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The attacks that were started as jobs, by name, as long as the test goes on."""
    names: list[str] = []
    start = jobs.Slot.start

    def counted(slot, about, work, attack, *rest):
        names.append(attack.name)
        start(slot, about, work, attack, *rest)

    monkeypatch.setattr(jobs.Slot, "start", counted)
    return names


def test_display_controls_redraw_and_attack_nothing(lab: Lab, started: list[str]):
    lab.run(**SHORT)
    result = lab.result
    gain = 0.5 / float(result.perturbation.abs().max())
    np.testing.assert_array_equal(lab.pictures["Perturbation"].levels, amplified(result.perturbation[0], gain))
    assert f"×{general(gain)};" in lab.pictures["Perturbation"].note
    adversarial = (result.adversarial * 255).round() / 255
    chosen = {"beta": 0.8, "sigma_domain": 3.0, "sigma_range": 0.2}
    for name, value in (("beta", 0.3), ("sigma_domain", 6.0), ("sigma_range", 0.5)):
        chosen[name] = value
        lab.move(f"MagnifyParameters.{name}", value)
        pair = on_one_scale(result.images, adversarial, **chosen)
        np.testing.assert_array_equal(lab.pictures["Magnified original"].levels, pair[0])
        np.testing.assert_array_equal(lab.pictures["Magnified adversarial"].levels, pair[1])
    lab.move("gain", "×20")
    np.testing.assert_array_equal(lab.pictures["Perturbation"].levels, amplified(result.perturbation[0], 20))
    lab.move("sigma_h", 2.0)
    assert lab.table["Ω × 10³"] == general(1e3 * float(roughness(result.perturbation, 2.0)[0]))
    assert lab.table["Ω / L2² × 10³"] == general(1e3 * float(roughness(result.perturbation, 2.0, normalised=True)[0]))
    assert started == ["scw"]
    assert lab.result is result
    assert "have changed" not in lab.words


def test_a_search_that_has_not_converged_goes_on_from_where_it_stopped(lab: Lab):
    lab.choose("ddn")
    lab.run(passes=10)
    first = lab.result
    assert not first.converged[0]
    lab.press_key("lab.further")
    lab.finish()
    second = lab.result
    model = models.load("mnist-c4-ce")
    expected = run(lab.shown.attack, model, first.images, first.labels, first.seed, start=first.adversarial)
    torch.testing.assert_close(second.adversarial, expected.adversarial)
    assert float(second.l2[0]) <= float(first.l2[0])
    # No link repeats it, and it is not kept for an identical run; what is taken home says where it began.
    assert torch.equal(lab.shown.start, first.adversarial)
    assert "gone on from an earlier run" in lab.words
    assert lab.app.get("download_button")
    lab.press("Run")
    lab.finish()
    assert torch.equal(lab.result.adversarial, first.adversarial)


def test_what_has_no_shortest_to_look_for_does_not_go_on(lab: Lab):
    lab.choose("fgsm")
    lab.run()
    assert "lab.further" not in {button.key for button in lab.app.button}


def test_an_identical_run_is_there_at_once(lab: Lab, started: list[str]):
    lab.run(**SHORT)
    first = lab.pictures
    assert "identical" not in lab.words
    lab.press("Run")
    assert lab.running is None
    assert "kept from an identical run" in lab.words
    for title, seen in lab.pictures.items():
        np.testing.assert_array_equal(seen.levels, first[title].levels)
    assert started == ["scw"]

    other = Lab()  # another session of the same server
    other.run(**SHORT)
    assert "kept from an identical run" in other.words
    assert started == ["scw"]

    lab.move("seed", 1)
    lab.press("Run")
    assert started == ["scw", "scw"]
    lab.finish()
    assert lab.result.seed == 1


def test_a_link_to_what_is_known_shows_it_at_once(lab: Lab, started: list[str]):
    lab.run(**SHORT)
    other = Lab({name: str(value) for name, value in SHORT.items()})
    assert other.verdict == lab.verdict
    assert torch.equal(other.result.adversarial, lab.result.adversarial)
    assert started == ["scw"]
    other.set(alpha=0.5)
    other.rerun()  # not known
    assert "have changed" in other.words
    other.set(alpha=0.95)
    other.rerun()
    assert "have changed" not in other.words
    assert started == ["scw"]


def test_live_begins_when_a_slider_rests_and_begins_once(lab: Lab, started: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attacking, "AT_ONCE", 1000.0)  # on a machine that does other things too
    lab.set(**SHORT)
    lab.rerun()
    assert lab.widget("lab.live").disabled  # nobody has measured it yet
    assert "Press Run once" in lab.widget("lab.live").help
    lab.run()
    assert lab.result.parameters["iterations"] == 10
    assert not lab.widget("lab.live").disabled
    lab.app.toggle(key="lab.live").set_value(True).run()
    lab.set(alpha=0.5)
    lab.rerun()
    lab.finish()
    assert lab.result.parameters["alpha"] == 0.5
    assert "have changed" not in lab.words
    lab.rerun()
    assert started == ["scw", "scw"]
    assert lab.app.query_params["live"] in ("1", ["1"])


def test_live_rests_where_a_run_was_measured_to_be_slow(lab: Lab, started: list[str], monkeypatch: pytest.MonkeyPatch):
    """Per network and attack, by the time that the last run took where it was computed."""
    lab.run(**SHORT)
    seconds = lab.result.seconds
    assert attacking.measured(lab.shown.attack, lab.shown.choice.card) == seconds
    monkeypatch.setattr(attacking, "AT_ONCE", seconds / 2)
    lab.rerun()
    switch = lab.widget("lab.live")
    assert switch.disabled
    assert f"took {seconds:.2g} s" in switch.help
    # From a link it is on: it rests and says so, and can be turned off.
    other = Lab({"live": "1"} | {name: str(value) for name, value in SHORT.items()})
    other.set(alpha=0.5)
    other.rerun()
    assert started == ["scw"]
    assert "rests: " in other.words
    assert not other.widget("lab.live").disabled
    # Another attack has not been measured: it begins once, and is.
    other.choose("fgsm")
    other.finish()
    assert started == ["scw", "fgsm"]
    assert attacking.measured(other.shown.attack, other.shown.choice.card) == other.result.seconds
    assert attacking.measured(other.shown.attack, models.card("mnist-fc2-ce")) is None


def test_live_asks_no_server_again_and_again_that_refuses(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def refuse(*rest: object) -> None:
        asked.append(rest)
        raise Busy("Everyone is here.")

    monkeypatch.setattr(Pool, "submit", refuse)
    lab = Lab({"live": "1"})
    lab.rerun()
    lab.rerun()
    assert len(asked) == 1


def test_a_pinned_result_stays_beside_the_next_on_one_scale(lab: Lab):
    lab.run(**SHORT)
    first = lab.result
    lab.press("Pin")
    assert "Pinned" not in lab.pictures  # beside itself it says nothing
    lab.run(alpha=0.5)
    second, pictures = lab.result, lab.pictures
    gain = 0.5 / max(float(each.perturbation.abs().max()) for each in (first, second))
    np.testing.assert_array_equal(pictures["Pinned"].levels, levels(first.adversarial_8bit[0]))
    np.testing.assert_array_equal(pictures["Pinned, perturbation"].levels, amplified(first.perturbation[0], gain))
    np.testing.assert_array_equal(pictures["Perturbation"].levels, amplified(second.perturbation[0], gain))
    shown = (first.images, second.adversarial_8bit, first.adversarial_8bit)
    scale = on_one_scale(*shown, beta=0.8, sigma_domain=3.0, sigma_range=0.2)
    for title, expected in zip(("original", "adversarial"), scale[:2], strict=True):
        np.testing.assert_array_equal(pictures[f"Magnified {title}"].levels, expected)
    np.testing.assert_array_equal(pictures["Pinned, magnified"].levels, scale[2])
    assert "α = 0.95" in pictures["Pinned"].note
    lab.press_key("lab.next")
    lab.run()
    assert "Pinned" not in lab.pictures  # another picture
    lab.press_key("lab.previous")
    assert "Pinned" in lab.pictures
    lab.press("Unpin")
    assert "Pinned" not in lab.pictures


def test_changed_settings_are_announced(lab: Lab):
    lab.run(**SHORT)
    pictures = lab.pictures
    announcement = "The settings have changed since this run; press Run to see their effect."
    assert announcement not in lab.words
    lab.set(alpha=0.5)
    lab.rerun()
    assert announcement in lab.words
    for title, seen in lab.pictures.items():
        np.testing.assert_array_equal(seen.levels, pictures[title].levels)
    lab.run()
    assert announcement not in lab.words
    assert lab.result.parameters["alpha"] == 0.5
    lab.choose("cw")
    assert announcement in lab.words


def test_another_picture_drops_the_result(lab: Lab):
    lab.run(**SHORT)
    assert lab.verdict is not None
    lab.press_key("lab.next")
    assert list(lab.pictures) == ["Original", "Magnified original"]
    np.testing.assert_array_equal(lab.pictures["Original"].levels, levels(MNIST.images[1]))
    assert lab.verdict is None
    assert not lab.table
    lab.run(**SHORT)
    expected = computed("scw", 1, **SHORT)
    assert torch.equal(lab.result.adversarial, expected.adversarial)


def test_next_previous_and_random(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    def shows(row: int) -> bool:
        return np.array_equal(lab.pictures["Original"].levels, levels(MNIST.images[row]))

    assert shows(0)
    lab.press_key("lab.previous")
    assert shows(999)
    lab.press_key("lab.next")
    assert shows(0)
    monkeypatch.setattr("random.randrange", lambda n: 123 if n == 1000 else pytest.fail(f"of {n}?"))
    lab.rerun()
    lab.press_key("lab.random")
    assert shows(123)
    assert f"test image {int(MNIST.indices[123])}: {MNIST.classes[int(MNIST.labels[123])]}" in lab.words


def test_the_gallery_opens(lab: Lab):
    lab.press("Gallery")
    (classes,) = [group for group in lab.app.get("button_group") if group.label == "Class"]
    assert list(classes.options) == list(MNIST.classes)


def test_a_misclassified_picture_is_not_called_a_success(started: list[str]):
    model = models.load("mnist-c4-ce")
    wrong = (model(MNIST.images).argmax(1) != MNIST.labels).nonzero()[:, 0].tolist()
    lab = Lab(lab__row__mnist=wrong[0])
    lab.run(**SHORT)
    assert lab.result.status == ("already misclassified",)
    assert "wrong on the clean image" in lab.words
    assert lab.verdict is None
    assert "is now" not in lab.words
    assert not lab.table
    assert "Adversarial" not in lab.pictures


def test_an_attack_that_fails_says_so(lab: Lab):
    lab.move("mnist.CarliniWagnerBase.learning_rate", 0.001)
    lab.run(iterations=10, search_steps=1)
    assert lab.result.status == ("failed",)
    assert "No adversarial image was found" in lab.words
    assert lab.verdict is None
    assert list(lab.pictures)[1] == "Nearest attempt"
    assert lab.table["Fools in 8 bits"] == "no"


class Breaks(torch.nn.Module):
    """The network, but NaN for every image other than the one it was made with."""

    def __init__(self, model: torch.nn.Module, clean: torch.Tensor) -> None:
        super().__init__()
        self.model, self.clean = model, clean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        same = (x == self.clean).flatten(1).all(1, keepdim=True)
        return torch.where(same, self.model(x), torch.nan)


def test_a_network_that_breaks_on_the_way_is_not_called_a_success(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attacks, "Run", lambda attack, model, x, *rest: Run(attack, Breaks(model, x), x, *rest))
    lab.run(**SHORT)
    assert lab.result.status == ("not finite",)
    assert "The network returned NaN or infinity" in lab.words
    assert lab.verdict is None


def test_stopping_keeps_what_was_reached(lab: Lab):
    lab.set(iterations=500, search_steps=9)
    lab.press("Run")
    job = lab.running.job
    while job.progress is None or job.progress.snapshot.step < 12:
        assert not job.finished
        job.wait(0.01)
    lab.rerun()
    assert list(lab.pictures)[1] in ("Best so far", "Nearest attempt so far")
    assert [button.label for button in lab.app.button if button.label in ("Run", "Stop")] == ["Stop"]
    lab.press("Stop")
    lab.finish()
    assert lab.result.stopped
    assert "stopped before its end" in lab.words
    assert len(lab.pictures) == 5
    steps = int(lab.table["Steps"])
    assert 12 <= steps < 4500

    driver = Run(
        ATTACKS["scw"](iterations=500, search_steps=9), models.load("mnist-c4-ce"), MNIST.images[:1], MNIST.labels[:1]
    )
    for _ in range(steps):
        next(driver)
    assert torch.equal(lab.result.adversarial, driver.result().adversarial)

    lab.press("Run")  # half a run is not a run: it must not be served as if it were
    assert lab.running is not None
    lab.press("Stop")
    lab.finish()


def test_the_network_is_switched(lab: Lab):
    lab.run(**SHORT)
    lab.app.selectbox(key="lab.model").set_value("imagenet-efficientnet-lite0").run()
    lab.sound()
    assert list(lab.pictures) == ["Original", "Magnified original"]
    photos = data.load("photos")
    np.testing.assert_array_equal(lab.pictures["Original"].levels, levels(photos.images[0]))
    logits = models.load("imagenet-efficientnet-lite0")(photos.images[:1])[0]
    assert [value for _, value in lab.bars] == percent(logits)
    lab.app.selectbox(key="lab.model").set_value("mnist-c4-ce").run()
    assert lab.verdict is not None  # the result belongs to this network and picture


def test_waiting_for_a_free_place(lab: Lab):
    go = threading.Event()

    def busy():
        while not go.wait(0.01):
            yield Progress(0.5, None)

    pool = jobs.pool()
    others = [pool.submit(Request(busy), f"other {i}", lambda: True, 600) for i in range(jobs.IN_THREADS)]
    try:
        while any(job.progress is None for job in others):
            others[0].wait(0.01)
        lab.set(**SHORT)
        lab.press("Run")
        (bar,) = lab.app.get("progress")
        assert bar.text.startswith("Waiting for a free place, next in turn")
        lab.press("Stop")
        lab.finish()
        assert list(lab.pictures) == ["Original", "Magnified original"]
        assert lab.errors == []
        lab.press("Run")
    finally:
        go.set()
    lab.finish()
    assert lab.verdict is not None


def test_what_goes_wrong_is_said_once(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    def crowded(*_):
        raise Busy("Too many people.")

    def broken(*_):
        raise ValueError("logits must be finite; got nan.")

    lab.set(**SHORT)
    with monkeypatch.context() as patch:
        patch.setattr(Pool, "submit", crowded)
        lab.press("Run")
    assert lab.errors == ["Too many people."]
    lab.rerun()
    assert lab.errors == []
    with monkeypatch.context() as patch:
        patch.setattr(attacks, "Run", broken)
        lab.press("Run")
        lab.finish()
    assert lab.errors == ["logits must be finite; got nan."]
    lab.run()
    assert lab.errors == []
    assert lab.verdict is not None
