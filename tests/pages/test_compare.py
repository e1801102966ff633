"""The Compare page: every picture and number is core's, columns appear as they are done, and all of it is a link."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from driver import TIMEOUT, levels, opened, panels, viewers
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core import data, examples, models
from core.attacks import ATTACKS, AttackResult, run
from core.evaluate.comparison import matched, unrounded
from core.magnify import display_scale, magnify
from core.metrics import ciede2000, l2, mad, psnr, roughness, ssim
from core.params import fields, quick
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Stop
from pages.parts.views import export
from pages.parts.views.compare import columns, comparison, controls
from pages.parts.views.compare.comparison import Matching, Wanted, titles
from pages.parts.work import attacks
from pages.parts.work.attacks import Finished

MNIST = data.gallery.read("mnist")
START = {"columns": "2", "2.attack": "ddn", "1.iterations": "10", "1.search_steps": "2", "2.passes": "10"}


class Compare:
    """The Compare page with the C4 on MNIST."""

    def __init__(self, **address: str) -> None:
        self.app = opened("Compare", **{"model": "mnist-c4-ce"} | address)

    def rerun(self) -> None:
        self.app.run()
        assert not self.app.exception, self.app.exception[0].stack_trace

    def press(self, label: str) -> None:
        next(button for button in self.app.button if button.label == label).click()
        self.rerun()

    def finish(self) -> None:
        while (running := self.app.session_state.get("compare.running")) is not None:
            assert running.job.wait(TIMEOUT)
            self.rerun()

    @property
    def address(self) -> dict[str, str]:
        return {k: v if isinstance(v, str) else v[-1] for k, v in self.app.query_params.items()}

    @property
    def shown(self) -> Any:
        along = self.address.get("compare") == "along"
        return self.app.session_state.get("compare.along.shown" if along else "compare.shown")

    @property
    def facts(self) -> dict[str, dict[str, str]]:
        """Title of a column's last picture -> what is said below it."""
        (viewer,) = viewers(self.app)
        return {p["title"]: dict(p["facts"]) for p in viewer["panels"] if p["facts"]}

    @property
    def words(self) -> str:
        kinds = (self.app.caption, self.app.info, self.app.warning, self.app.error)
        return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def computed(name: str, **values: Any) -> AttackResult:
    return run(ATTACKS[name](**values), models.load("mnist-c4-ce"), MNIST.images[:1], MNIST.labels[:1], 0)


@pytest.mark.parametrize(("match", "held"), [(None, "success"), ("norm", "length")])
def test_opens_with_a_finished_example(match: str | None, held: str):
    app = opened("Compare", **({} if match is None else {"view.match": match}))
    assert not app.info
    (viewer,) = viewers(app)
    assert viewer["stack"] == 2
    kinds = [ATTACKS[name].title for name in examples.COMPARED]
    assert [panel["title"] for panel in viewer["panels"]][::2] == ["Original", *kinds]
    model = models.load(examples.MODEL)
    shown = panels(app)
    for title, result in zip(kinds, examples.read_comparison(model)[held], strict=True):
        seen = result if match is None else matched(result, model, 3.0)
        assert seen.status == ("fooled",)
        told = next(
            dict(panel["facts"])
            for panel in viewer["panels"]
            if panel["title"].startswith(columns.short(title) + ", m")
        )
        assert told["Converged"] == ("yes" if result.converged[0] else "no")
        np.testing.assert_array_equal(shown[title].levels, levels(seen.adversarial[0]))
    assert app.slider(key="compare.columns").value == len(examples.COMPARED)
    # What the page runs is what the example was made with: pressing Run makes it again.
    assert [type(attack).name for attack in _current(app)] == list(examples.COMPARED)
    record = examples.comparison()
    for attack in _current(app):
        made = {held: record.attacks[f"{held}-{attack.name}"].attack.parameters for held in ("success", "length")}
        assert attack == type(attack)(**made["success"])  # what was declared since has its default
        assert unrounded(attack) == type(attack)(**made["length"])


def _current(app: AppTest) -> list:
    """The attacks that the page's widgets describe."""
    seen = []
    for i, name in enumerate(examples.COMPARED, 1):
        cls = ATTACKS[name]
        values = {}
        for info in fields(cls):
            value = app.session_state[f"compare.imagenet.{i}.{info.owner}.{info.name}"]
            values[info.name] = None if value == "automatic" else value
        seen.append(cls(**values))
    return seen


@pytest.mark.parametrize("match", ["norm", "success"])
def test_pictures_and_numbers_are_those_of_core(match: str):
    page = Compare(**START, **{"view.match": match, "view.norm": "2.5", "view.perturbations": "1"})
    page.press("Run")
    page.finish()
    model = models.load("mnist-c4-ce")
    results = [computed("cw", iterations=10, search_steps=2), computed("ddn", passes=10)]
    if match == "norm":
        results = [matched(result, model, 2.5) for result in results]
    shown = panels(page.app)
    clean = MNIST.images[:1]
    gain = 0.5 / max(float(result.perturbation.abs().max()) for result in results)
    pictures = [magnify(x, 0.8, 3.0, 0.2) for x in (clean, *(result.adversarial_8bit for result in results))]
    scale = display_scale(pictures)
    np.testing.assert_array_equal(shown["Original"].levels, levels(clean[0]))
    np.testing.assert_array_equal(shown["Original, magnified"].levels, levels(scale.apply(pictures[0])[0]))
    for title, short, result, picture in zip(
        ("Carlini & Wagner (C&W)", ATTACKS["ddn"].title), ("C&W", "DDN"), results, pictures[1:], strict=True
    ):
        np.testing.assert_array_equal(shown[title].levels, levels(result.adversarial[0]))
        np.testing.assert_array_equal(shown[f"{short}, magnified"].levels, levels(scale.apply(picture)[0]))
        r = result.perturbation
        amplified = (0.5 + r / torch.tensor(1 / gain)).clamp(0, 1)
        np.testing.assert_array_equal(shown[f"{short}, perturbation"].levels, levels(amplified[0]))
        p = result.logits[0].double().softmax(0)
        assert shown[title].note.startswith(f"“{MNIST.classes[int(p.argmax())]}”, {100 * float(p.max()):.1f} %\n")
        assert ("does not" in shown[title].note) == (result.status != ("fooled",))
        told = page.facts[f"{short}, magnified"]
        assert told.pop("L2") == f"{l2(r)[0]:.3f}"
        assert float(told.pop("Ω × 10³").replace(",", "")) == pytest.approx(1e3 * float(roughness(r, 1.0)[0]), rel=6e-3)
        share = 1e3 * float(roughness(r, 1.0, normalised=True)[0])
        assert float(told.pop("Ω / L2² × 10³")) == pytest.approx(share, rel=6e-3)
        assert told.pop("MAD") == f"{mad(clean, result.adversarial)[0]:.3g}"
        assert told.pop("CIEDE2000") == f"{ciede2000(clean, result.adversarial).max():.2f}"
        assert told.pop("SSIM") == f"{ssim(clean, result.adversarial)[0]:.4f}"
        assert told.pop("PSNR") == f"{psnr(clean, result.adversarial)[0]:.1f} dB"
        assert told.pop("Converged") == ("yes" if result.converged[0] else "no")
        assert told.pop("Time").endswith(" s")
        assert not told, "a number that no test compares"
    assert ("asked again" in page.words) == (match == "norm")
    assert ("as short as its attack found one" in page.words) == (match == "success")


def test_what_is_brought_to_one_norm_was_not_rounded():
    """A perturbation that was rounded in every iterate would grow in whole levels."""
    rounded = {"1.quantised": "True", "2.quantised": "True"}
    page = Compare(**START | rounded, **{"view.match": "norm"})
    page.press("Run")
    page.finish()
    assert [run.result.parameters["quantised"] for run in page.shown.runs] == [False, False]
    plain = matched(computed("cw", iterations=10, search_steps=2), models.load("mnist-c4-ce"), 3.0)
    np.testing.assert_array_equal(panels(page.app)["Carlini & Wagner (C&W)"].levels, levels(plain.adversarial[0]))
    assert "have changed" not in page.words
    page.app.segmented_control(key="compare.Matching.match").set_value("success")
    page.rerun()
    assert "The settings have changed since this run" in page.words
    page.press("Run")
    page.finish()
    assert [run.result.parameters["quantised"] for run in page.shown.runs] == [True, True]
    assert "have changed" not in page.words


def test_too_short_a_norm_is_not_called_a_success():
    page = Compare(**START, **{"view.match": "norm", "view.norm": "0.1"})
    page.press("Run")
    page.finish()
    notes = [panel["note"] for panel in viewers(page.app)[0]["panels"]]
    assert sum("does not fool the network at L2 = 0.1" in note for note in notes) == 2
    # The longest, where none is given: nothing gets shorter.
    page.app.select_slider(key="compare.Matching.norm").set_value("automatic")
    page.rerun()
    longest = max(float(run.result.l2[0]) for run in page.shown.runs)
    assert {told["L2"] for told in page.facts.values()} == {f"{longest:.3f}"}


def test_a_filmstrip_opens_with_a_finished_one_and_what_is_set_otherwise_is_to_come():
    page = Compare(model=examples.MODEL, compare="along")
    (strip,) = viewers(page.app)
    names = [f"α = {value:g}" for value in (0, 0.9, 0.99, 0.997)]
    assert [panel["title"] for panel in strip["panels"]][::3] == ["Original", *names]
    shown = panels(page.app)
    for name, result in zip(names, examples.read_filmstrip(models.load(examples.MODEL))["success"], strict=True):
        np.testing.assert_array_equal(shown[name].levels, levels(result.adversarial[0]))
    assert f"remake it with: {examples.filmstrip().command}" in page.words
    page.app.text_input(key="compare.along.scw.alpha.values").set_value("0.5, 0.6")
    page.rerun()
    (strip,) = viewers(page.app)
    assert [panel["title"] for panel in strip["panels"]][::3] == ["Original", "α = 0.5", "α = 0.6"]
    assert [panel["note"].strip() for panel in strip["panels"][3:]] == ["to come"] * 6
    assert "press Run" in page.words
    # What was run side by side is no strip, and stays where it was.
    page = Compare(**START)
    page.press("Run")
    page.finish()
    facts = page.facts
    page.app.button_group(key="compare.mode").set_value("along")
    page.rerun()
    assert page.facts == {}
    page.app.button_group(key="compare.mode").set_value("several")
    page.rerun()
    assert page.facts == facts


def test_a_filmstrip_goes_along_a_parameter():
    page = Compare(compare="along", values="0,0.5,0.9", iterations="10", search_steps="2", seed="3")
    page.press("Run")
    page.finish()
    assert [run.result.parameters["alpha"] for run in page.shown.runs] == [0, 0.5, 0.9]
    assert {run.result.seed for run in page.shown.runs} == {3}
    assert {run.result.parameters["iterations"] for run in page.shown.runs} == {10}
    strip = [panel["title"] for panel in viewers(page.app)[0]["panels"]][::3]
    assert strip == ["Original", "α = 0", "α = 0.5", "α = 0.9"]
    rough = [float(told["Ω / L2² × 10³"]) for told in page.facts.values()]
    assert rough == sorted(rough, reverse=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "from 1 to 6 numbers"),
        ("0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6", "got 7"),
        ("0.5, 2", "alpha must be at most 0.9999; got 2.0."),
        ("0.5, smooth", "alpha must be a number; got 'smooth'."),
    ],
)
def test_wrong_values_of_a_filmstrip(text: str, complaint: str):
    page = Compare(compare="along")
    page.app.text_input(key="compare.along.scw.alpha.values").set_value(text)
    page.rerun()
    assert complaint in page.words
    (button,) = [button for button in page.app.button if button.label == "Run"]
    assert button.disabled
    # The same in a link: left out, and said.
    page = Compare(compare="along", values=text)
    assert complaint in page.words
    assert page.app.text_input(key="compare.along.scw.alpha.values").value == "0, 0.9, 0.99, 0.997"


@pytest.mark.parametrize("name", list(ATTACKS))
def test_every_number_of_every_attack_opens_with_legal_values(name: str):
    infos = controls.sweepable(ATTACKS[name])
    assert infos
    numbers = {info.name for info in fields(ATTACKS[name]) if info.kind in ("int", "float")}
    assert infos.keys() == numbers - {"target"}  # a class, by its number
    for info in infos.values():
        values = controls.parse_values(controls.opening_values(info), info)
        assert len(set(values)) > 1
        for value in values:
            ATTACKS[name](**{info.name: value})


def test_the_page_is_its_link():
    page = Compare(**START, seed="2", image=str(int(MNIST.indices[5])), **{"view.beta": "0.5", "view.match": "norm"})
    page.press("Run")
    page.finish()
    again = Compare(**page.address)
    assert again.address == page.address
    assert page.address["2.passes"] == "10"
    again.press("Run")
    again.finish()
    assert again.facts == page.facts
    for first, second in zip(page.shown.runs, again.shown.runs, strict=True):
        assert torch.equal(first.result.adversarial, second.result.adversarial)


def test_columns_appear_when_they_are_done_and_stop_keeps_them(monkeypatch: pytest.MonkeyPatch):
    go = threading.Event()
    work = attacks.attack

    def held(attack, *rest):
        steps = work(attack, *rest)
        if attack.name == "ddn":
            progress = next(steps)
            try:
                while not go.wait(0.01):
                    yield progress
            except Stop as stop:
                try:
                    steps.throw(stop)
                except StopIteration as end:
                    return end.value
        return (yield from steps)

    monkeypatch.setattr(attacks, "attack", held)
    page = Compare(**START)
    page.press("Run")
    try:
        running = page.app.session_state["compare.running"].job
        while not running.parts or running.progress.snapshot is None:
            assert not running.wait(0.01)
        page.rerun()
        assert [bar.text.partition(":")[0] for bar in page.app.get("progress")] == ["Column 2 of 2"]
        assert list(page.facts) == ["C&W, magnified"]  # done
        notes = {panel["title"]: panel["note"] for panel in viewers(page.app)[0]["panels"]}
        assert notes["DDN, magnified"] == "to come"
        assert "Take it home" not in str(page.app.get("download_button"))
        page.press("Stop")
        page.finish()
    finally:
        go.set()
    runs = page.shown.runs
    assert [run.result.attack for run in runs] == ["cw", "ddn"]
    assert [run.result.stopped for run in runs] == [False, True]
    assert "stopped before its end" in page.words


def test_columns_that_are_done_outlive_a_stop_between_two():
    images, labels = MNIST.images[:1], MNIST.labels[:1]
    chosen = [ATTACKS["fgsm"](), ATTACKS["ddn"](passes=10)]
    work = attacks.several(chosen, Network.of(models.card("mnist-c4-ce")), images, labels, 0)
    parts = []
    while not parts:
        parts += filter(None, [next(work).part])
    with pytest.raises(StopIteration) as end:
        work.throw(Stop())
    assert [run.result.attack for run in (*parts, *end.value.value)] == ["fgsm"]


def test_what_was_run_before_is_there_at_once(monkeypatch: pytest.MonkeyPatch):
    page = Compare(**START)
    page.press("Run")
    page.finish()
    started: list[str] = []
    work = attacks.attack
    monkeypatch.setattr(attacks, "attack", lambda attack, *rest: started.append(attack.name) or work(attack, *rest))
    other = Compare(**START | {"2.passes": "12"})
    other.press("Run")
    other.finish()
    assert started == ["ddn"]
    assert other.facts["C&W, magnified"] == page.facts["C&W, magnified"]
    again = Compare(**START)
    again.press("Run")
    assert again.app.session_state.get("compare.running") is None  # nothing is left to be computed
    assert started == ["ddn"]
    assert again.facts == page.facts


def test_columns_are_in_their_order_whatever_is_known():
    """Of one, two, one again, three: two is known, one is made once, and there is no column behind a gap."""
    attack = ATTACKS["fgsm"]()

    def finished(name: str, stopped: bool = False) -> Finished:
        return Finished(SimpleNamespace(name=name, stopped=stopped), None)  # type: ignore[arg-type]

    known = {"two": finished("two")}
    wanted = Wanted((attack,) * 4, None, ("one", "two", "one", "three"), known)  # type: ignore[arg-type]
    assert list(wanted.missing) == ["one", "three"]

    def shown(*made: Finished) -> list[str]:
        return [run.result.name for run in wanted.runs(made)]  # type: ignore[attr-defined]

    assert shown() == []
    assert shown(finished("one")) == ["one", "two", "one"]
    assert shown(finished("one", stopped=True)) == ["one"]
    assert shown(finished("one"), finished("three", stopped=True)) == ["one", "two", "one", "three"]


def test_what_is_taken_home(monkeypatch: pytest.MonkeyPatch):
    given: list = []
    monkeypatch.setattr(export, "button", lambda *arguments: given.append(arguments))
    page = Compare(**START, **{"view.match": "norm", "view.norm": "2"})
    assert given == []
    page.press("Run")
    page.finish()
    items, classes, *_ = given[-1]
    assert [item.name for item in items] == ["1-carlini-wagner-c-w", "2-" + exported_name("ddn")]
    assert {item.norm for item in items} == {2.0}
    assert classes == MNIST.classes
    torch.testing.assert_close(items[0].result.l2, torch.tensor([2.0]))


def exported_name(name: str) -> str:
    from core.export.archive import file_name

    return file_name(ATTACKS[name].title)


@given(st.lists(st.sampled_from(["cw", "scw", "fgsm"]), min_size=1, max_size=6), st.data())
def test_titles_tell_columns_apart(names: list[str], draw: st.DataObject):
    margins = [draw.draw(st.sampled_from([0.0, 1.0, 5.0])) for _ in names]
    attacks = [ATTACKS[n](**({"margin": m} if n != "fgsm" else {})) for n, m in zip(names, margins, strict=True)]
    found = titles(attacks)
    assert len(set(found)) == len(attacks)
    if len(set(names)) > 1:
        assert all(ATTACKS[n].title in title for n, title in zip(names, found, strict=True))


def test_a_comparison_without_any_perturbation():
    """Nothing can be scaled where the network was wrong to begin with."""
    model = models.load("mnist-c4-ce")
    wrong = run(ATTACKS["fgsm"](**quick(ATTACKS["fgsm"])), model, MNIST.images[:1], (MNIST.labels[:1] + 1) % 10)
    results, norm = comparison.on_one_norm([wrong], model, Matching(match="norm"))
    assert norm is None
    assert results == [wrong]
