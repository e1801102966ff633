"""The Curves page's views of corruptions and of roughness: what they draw are the records, a point opens its images."""

import base64
import json

import numpy as np
import pytest
from driver import TIMEOUT, sent, sound, unlinked
from driver import curves as opened
from driver import opened as opened_page

from core import models
from core.attacks import FGSM, run
from core.attacks.universal import Universal, apply_universal
from core.data import corruptions as corrupting
from core.data.corruptions import CORRUPTIONS
from core.evaluate import transfer
from core.evaluate.records import Collection, Data, Network, Rows, versions
from core.evaluate.tables import percent
from core.papers import rough_to_smooth, smoothfool, smoothfool_defences, smoothfool_transfer
from core.papers.graph_smoothness import corruptions
from core.papers.graph_smoothness.corruptions import Beside, CorruptionRecord
from core.papers.mmc import nearest
from core.papers.mmc.nearest import INTO, NearestRecord
from core.papers.rough_to_smooth import RoughnessRecord
from core.papers.smooth_curves import pictures
from core.papers.smoothfool import SMOOTHER, FoolingRecord
from core.papers.smoothfool_defences import DEFENCES
from core.papers.smoothfool_transfer import BOUND, UniversalRecord
from pages.parts.engine import networks as engine
from pages.parts.inputs import choose
from pages.parts.views import many, verdicts
from pages.parts.views.curves import across, controls, corrupted, defences, fooling, networks, rough
from pages.parts.work import growing

CE, MMC = "mnist-lenet-ce", "mnist-lenet-mmc"
N = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records of a few images of two networks."""
    folder = tmp_path_factory.mktemp("records")
    images = pictures("mnist", 0)[:N]
    kept = Collection(CorruptionRecord, folder / "corruptions.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corrupting, "frost_pictures", lambda: (np.full((3, 40, 50), 0.8),))
        for name in (CE, MMC):
            for record in corruptions.measure(models.load(name), images, command="python -m core evaluate corruptions"):
                kept.put(record)
    both = [Network.of(models.card(name)) for name in (CE, MMC)]
    rows = Collection(RoughnessRecord, folder / "roughness.json")
    for sigma in (1.0, 8.0):
        for network in both:
            shown = rough_to_smooth.showing(network, both, "mnist", sigma)
            rows.put(transfer.measure(RoughnessRecord, shown, images, command="-"))
    table = Collection(FoolingRecord, folder / "table.json")
    for record in smoothfool.measure(models.load("mnist-c4-ce"), images[:3], 2.0, "-"):
        table.put(record)
    return folder


@pytest.fixture(autouse=True)
def there(made, monkeypatch):
    monkeypatch.setattr(corrupting, "frost_pictures", lambda: (np.full((3, 40, 50), 0.8),))
    monkeypatch.setattr(corrupted, "RECORDS", Collection(CorruptionRecord, made / "corruptions.json"))
    monkeypatch.setattr(rough, "ROUGHNESS", Collection(RoughnessRecord, made / "roughness.json"))
    monkeypatch.setattr(fooling, "TABLE2", Collection(FoolingRecord, made / "table.json"))


def traces(app):
    (found,) = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return {trace["name"]: trace for trace in found["data"] if trace.get("name")}


def decoded(values):
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.array(values, float)


def words(app):
    return " ".join(unlinked(element.value) for element in [*app.markdown, *app.caption])


def titles():
    return [choose.menu(models.survey()[0])[name] for name in (CE, MMC)]


def test_errors_under_corruptions_are_the_records(made):
    ce, mmc = Collection(CorruptionRecord, made / "corruptions.json").read()
    app = opened(view="corrupted", model=MMC)
    drawn = traces(app)
    assert list(drawn) == titles()
    for title, record in zip(titles(), (ce, mmc), strict=True):
        assert drawn[title]["y"] == [corruption.title for corruption in CORRUPTIONS.values()]
        assert decoded(drawn[title]["x"]) == pytest.approx([100 * one.value for one in record.errors().values()])
    (table,) = [html.value for html in app.get("html") if "<table" in html.value]
    pair = Beside(mmc, ce)
    told = "-" if pair.mce() is None else f"{pair.mce().value:.1f} ("
    assert f"<td>{told}" in table
    assert "python -m core evaluate corruptions" in app.code[0].value
    app.segmented_control(key="curves.severity").set_value(5)
    sound(app.run())
    assert decoded(traces(app)[titles()[1]]["x"]) == pytest.approx(
        [100 * mmc.error(key, 5).value for key in CORRUPTIONS]
    )
    assert app.query_params["severity"] == "5"


def test_a_point_opens_the_corrupted_images_and_they_the_lab(made):
    _, mmc = Collection(CorruptionRecord, made / "corruptions.json").read()
    app = opened(view="corrupted", model=MMC, severity="5", corruption=f"fog.{MMC}")
    right = mmc.rows["clean"] == mmc.rows["label"]
    wrong = right & (mmc.rows["fog_5"] != mmc.rows["label"])
    assert f"{int(wrong.sum())} of {int(right.sum())} images that it names rightly" in words(app)
    place, rows = (0, np.flatnonzero(wrong)) if wrong.any() else (1, np.flatnonzero(right))
    app.segmented_control(key="curves.corrupted.group").set_value(place)
    sound(app.run())
    (thumbnails,) = sent(app, "picker")
    indices = [int(index) for index in mmc.rows["index"][rows]]
    assert [item["row"] for item in thumbnails["items"]] == indices
    assert f"test image {indices[0]}, named" in thumbnails["items"][0]["label"]
    app.session_state["curves.corrupted.open"] = indices[0]
    sound(app.run())
    assert app.button(key="lab.gallery")
    assert {name: app.query_params[name] for name in ("model", "image")} == {"model": MMC, "image": str(indices[0])}


def test_what_is_not_measured_says_how():
    for view, kind in (("corrupted", "corruptions"), ("rough", "roughness")):
        app = opened(view=view, model="mnist-lenet-graph")
        assert f"python -m core evaluate {kind} --models mnist-lenet-graph" in app.code[0].value
        app.button(key=f"curves.instead.{CE}").click()  # those that are measured are a click away
        sound(app.run())
        assert app.selectbox(key="curves.model").value == CE
        assert len(app.get("plotly_chart")) == 1


def test_lines_from_rough_to_smooth_are_the_records(made):
    found = Collection(RoughnessRecord, made / "roughness.json").read()
    app = opened(view="rough", model=MMC)
    drawn = traces(app)
    for title, name in zip(titles(), (CE, MMC), strict=True):
        medians = {s: r.median() for s, r in rough_to_smooth.by_sigma(found, name).items()}
        known = {sigma: median.value for sigma, median in medians.items() if median is not None}
        assert dict(zip(decoded(drawn[title]["x"]), decoded(drawn[title]["y"]), strict=True)) == pytest.approx(known)
    for claim in rough_to_smooth.CLAIMS:
        assert verdicts.text(claim, claim.decide(found, {})) in words(app)
    app.segmented_control(key="curves.rough").set_value("shown")
    sound(app.run())
    mine = rough_to_smooth.by_sigma(found, MMC)
    rates = [100 * record.rate(CE, at_length=True).value for record in mine.values()]
    assert decoded(traces(app)[titles()[0]]["y"]) == pytest.approx(rates)
    app.segmented_control(key="curves.rough").set_value("found")
    sound(app.run())
    rates = [100 * record.rate(CE, at_length=False).value for record in mine.values()]
    assert decoded(traces(app)[titles()[0]]["y"]) == pytest.approx(rates)
    app.segmented_control(key="curves.rough").set_value("goes")
    sound(app.run())
    assert "Fewer than five networks" in app.info[0].value
    assert app.get("download_button")


def test_a_point_of_roughness_opens_its_images_and_they_the_lab(made):
    found = Collection(RoughnessRecord, made / "roughness.json").read()
    record = rough_to_smooth.by_sigma(found, MMC)[8.0]
    app = opened(view="rough", model=CE, behind=f"rough:{MMC}:8")
    order = np.argsort(np.where(record.rows["fools"], record.rows["l2"], np.inf), kind="stable")
    indices = [int(record.rows["index"][row]) for row in order if record.rows["fools"][row]]
    (thumbnails,) = sent(app, "picker")
    assert [item["row"] for item in thumbnails["items"]] == indices
    assert f"test image {indices[0]}: L2 {np.nanmin(record.rows['l2']):.3g}" in thumbnails["items"][0]["label"]
    assert f"{record.fooled} of {int(record.rows['attacked'].sum())} images are fooled" in words(app)
    tables = [html.value for html in app.get("html") if "<table" in html.value]
    label = int(record.rows["label"][0])
    of_class = rough_to_smooth.by_sigma(found, CE)[1.0].median(label)
    assert ("-" if of_class is None else f"{of_class.value:.2f} ({of_class.low:.2f}") in tables[1]
    app.session_state["curves.behind.open"] = indices[0]
    sound(app.run())
    asked = {name: app.query_params[name] for name in ("model", "image", "attack", "sigma_g")}
    assert asked == {"model": MMC, "image": str(indices[0]), "attack": "smoothfool", "sigma_g": "8.0"}
    # What was made on CE, as MMC is shown it.
    app = opened(view="rough", model=CE, rough="found", behind=f"rough:{MMC}:1")
    asked, fooled = rough_to_smooth.by_sigma(found, CE)[1.0].transferred(MMC, at_length=False)
    assert f"{int(fooled.sum())} of {int(asked.sum())} images are fooled" in words(app)
    app = opened(view="rough", model=CE, behind="nobody:1")
    assert "was left out of the link" in app.warning[0].value


def test_a_correlation_opens_its_networks_and_they_their_images(monkeypatch):
    shipped = rough_to_smooth.ROUGHNESS
    monkeypatch.setattr(rough, "ROUGHNESS", shipped)
    monkeypatch.setattr(corrupted, "RECORDS", corruptions.RECORDS)
    app = opened(view="rough", model=CE, rough="goes", behind="rough:goes:2")
    correlated, behind = [json.loads(chart.proto.spec)["data"] for chart in app.get("plotly_chart")]
    (line,) = [trace for trace in correlated if trace.get("customdata")]
    found = rough_to_smooth.of_data(shipped.read(), "mnist")
    noise = rough_to_smooth.withstands(corruptions.RECORDS.read())
    rho, _ = rough_to_smooth.together(found, noise, 2.0)
    at = [given for _, given in line["customdata"]].index("2")
    assert decoded(line["y"])[at] == pytest.approx(rho.value)
    points = {trace["customdata"][0][0]: trace for trace in behind}
    record = rough_to_smooth.by_sigma(found, MMC)[2.0]
    assert decoded(points[MMC]["x"]) == pytest.approx([100 * noise[MMC].value])
    assert decoded(points[MMC]["y"]) == pytest.approx([record.median().value])
    assert sent(app, "picker") == []
    app = opened(view="rough", model=CE, rough="goes", behind=f"rough:{MMC}:2")
    assert len(app.get("plotly_chart")) == 2
    assert f"{record.fooled} of {len(record.lengths)} images are fooled" in words(app)
    (thumbnails,) = sent(app, "picker")
    assert len(thumbnails["items"]) == record.fooled


def ended(app, key="curves.running"):
    """Wait for the job of a page."""
    while (running := app.session_state.get(key)) is not None:
        assert running.job.wait(TIMEOUT)
        sound(app.run())
    assert not app.error


def test_runs_of_corruptions_and_roughness_go_on_with_what_is_there(made):
    app = opened(view="corrupted", model=MMC)
    assert f"{N} images are measured; the run goes on with the next" in words(app)
    app.number_input(key="curves.corrupted.run.n").set_value(1)
    sound(app.run())
    app.button(key="curves.corrupted.run.start").click()
    app.run()
    ended(app)
    assert any("your run" in name for name in traces(app))
    (grown,) = app.session_state["many.own"].values()
    stored = Collection(CorruptionRecord, made / "corruptions.json").read()[1]
    assert grown.data.n == N + 1
    assert all(grown.rows[name][:N].tolist() == stored.rows[name].tolist() for name in stored.rows.columns)
    app = opened(view="rough", model=CE)
    app.selectbox(key="curves.rough.run.attack").set_value("8")
    app.number_input(key="curves.rough.run.n").set_value(1)
    sound(app.run())
    assert f"{N} images are measured; the run goes on with the next" in words(app)
    app.button(key="curves.rough.run.start").click()
    app.run()
    ended(app)
    (grown,) = app.session_state["many.own"].values()
    stored = rough_to_smooth.by_sigma(Collection(RoughnessRecord, made / "roughness.json").read(), CE)[8.0]
    assert (grown.data.n, grown.judges) == (N + 1, stored.judges)
    assert grown.rows["fools"][:N].tolist() == stored.rows["fools"].tolist()
    assert grown.command == f"python -m core evaluate roughness --models {CE} {MMC} --n {N + 1} --seed 0"


def test_smoothfools_table_is_the_records(made):
    found = Collection(FoolingRecord, made / "table.json").read()
    app = opened(view="fooling", model="mnist-c4-ce")
    table = next(html.value for html in app.get("html") if "iterative smooth" in html.value)
    for record in found:
        assert f"{record.mean('l2').value:.2f} (" in table
    assert "paper, LeNet" in table
    assert verdicts.text(SMOOTHER, SMOOTHER.decide(found)) in words(app)
    drawn, deep = traces(app), found[0]
    assert deep.attack == "DF"
    assert decoded(drawn["DeepFool"]["x"]) == pytest.approx([deep.mean("l2").value])
    assert decoded(drawn["DeepFool"]["y"]) == pytest.approx([deep.mean("roughness_share").value])
    assert decoded(drawn["paper, LeNet: DeepFool"]["x"]).tolist() == [1.23]
    # A point opens its images, and they the lab.
    app = opened(view="fooling", model="mnist-c4-ce", behind="fooling:ours:DF")
    assert f"{deep.fooled} of 3 images are fooled" in words(app)
    (thumbnails,) = sent(app, "picker")
    order = np.argsort(deep.rows["l2"][deep.rows["fooled"]], kind="stable")
    indices = deep.rows["index"][deep.rows["fooled"]][order].tolist()
    assert [item["row"] for item in thumbnails["items"]] == indices
    app.session_state["curves.behind.open"] = indices[0]
    sound(app.run())
    told = {name: app.query_params[name] for name in ("image", "attack", "push")}
    assert told == {"image": str(indices[0]), "attack": "deepfool", "push": "False"}
    # One more image.
    app = opened(view="fooling", model="mnist-c4-ce")
    app.selectbox(key="curves.fooling.run.attack").set_value("DF")
    app.number_input(key="curves.fooling.run.n").set_value(1)
    sound(app.run())
    assert "3 images are measured; the run goes on with the next" in words(app)
    app.button(key="curves.fooling.run.start").click()
    app.run()
    ended(app)
    (grown,) = app.session_state["many.own"].values()
    assert (grown.attack, grown.data.n) == ("DF", 4)
    assert all(grown.rows[name][:3].tolist() == deep.rows[name].tolist() for name in deep.rows.columns)
    assert grown.l2[0] == pytest.approx(grown.rows["l2"][grown.rows["fooled"]].mean())
    app = opened(view="fooling", model="cifar10-resnet32-ce")
    assert any("smoothfool-table --model cifar10-resnet32-ce" in code.value for code in app.code)


def test_defences_are_told_apart_by_what_the_attack_knows(monkeypatch):
    found = smoothfool_defences.of_bare(DEFENCES.read(), models.card(CE))
    app = opened(view="defences", model=CE)
    for box in ("gray", "white"):
        if box == "white":
            app.segmented_control(key="curves.box").set_value(box)
            sound(app.run())
        drawn = traces(app)
        mine = [r for r in found if (r.attack, r.box) == ("SF3", box)]
        line = drawn["SmoothFool, σ_g = 5"]
        shown = dict(zip([given[1] for given in line["customdata"]], decoded(line["x"]), strict=True))
        assert shown == pytest.approx({r.defence: 100 * r.rate.value for r in mine})
        assert ("the paper's" in drawn) == (box == "gray")
        (table,) = [html.value for html in app.get("html") if "<table" in html.value]
        assert ("paper, ResNet-18" in table) == (box == "gray")
        assert f"<td>{percent(mine[-1].rate, 0)}</td>" in table
    for claim in (smoothfool_defences.BYPASSES, smoothfool_defences.RESISTS):
        assert verdicts.text(claim, claim.decide(found)) in words(app)
    app = opened(view="defences", model=CE, box="white", behind="defences:SF1:MagNet")
    record = smoothfool_defences.pick(found, "MagNet", "SF1", "white")
    assert f"{record.fooled} of {record.data.n} images are fooled" in words(app)
    assert f"{record.data.n} images are measured; the run goes on with the next" in words(app)
    (shown,) = sent(app, "picker")
    rows = [item["row"] for item in shown["items"]]
    assert sorted(rows) == sorted(record.rows["index"][record.rows["fooled"]].tolist())
    app.session_state["curves.behind.open"] = rows[0]
    sound(app.run())
    asked = {name: app.query_params[name] for name in ("model", "attack", "through")}
    assert asked == {"model": CE, "attack": "smoothfool", "through": "magnet"}
    app = opened(view="defences", model=MMC)
    assert f"smoothfool-defences --model {MMC}" in app.code[0].value


def test_of_the_full_set_what_comes_with_the_project_is_shown_and_the_rest_told(monkeypatch):
    found = smoothfool_defences.of_bare(DEFENCES.read(), models.card(CE))
    record = smoothfool_defences.pick(found, "none", "SF1", "gray")
    shelf = pictures("mnist", 0)
    elsewhere = sorted(set(range(10_000)) - set(shelf.indices.tolist()))
    indices = record.rows["index"].copy()
    fooled = np.flatnonzero(record.rows["fooled"])
    indices[fooled[1:]] = elsewhere[: len(fooled) - 1]
    data = record.data.model_copy(update={"source": "full"})
    full = record.model_copy(update={"data": data, "rows": Rows({**record.rows.columns, "index": indices})})
    monkeypatch.setattr(defences, "pick", lambda *_: full)
    app = opened(view="defences", model=CE, behind="defences:SF1:none")
    (shown,) = sent(app, "picker")
    assert [item["row"] for item in shown["items"]] == [int(indices[fooled[0]])]
    assert f"{len(fooled) - 1} of these {len(fooled)} do not come with Smoothscope" in words(app)
    assert "`python -m core data get mnist`" in words(app)


def test_a_run_of_a_table_of_defences_goes_on_with_what_is_there(monkeypatch):
    monkeypatch.setattr(smoothfool_defences, "ATTACKS", {"SF1": FGSM(epsilon=0.2)})
    monkeypatch.setattr(
        smoothfool_defences, "protections", lambda card, made=smoothfool_defences.protections: made(card)[:2]
    )
    network = engine.Network.of(models.card(CE))
    first, _ = drained(growing.defended(network, "SF1", 3, []))
    more, shares = drained(growing.defended(network, "SF1", 10, first))
    whole, _ = drained(growing.defended(network, "SF1", 10, []))
    assert [(r.defence, r.box, r.data.n) for r in more] == [(r.defence, r.box, 10) for r in first]
    assert [r.rows["index"].tolist() for r in more] == [r.rows["index"].tolist() for r in whole]
    assert [r.rows["fooled"].tolist() for r in more] == [r.rows["fooled"].tolist() for r in whole]
    assert shares == [0.0, 0.0, pytest.approx(5 / 7), 1.0]
    assert more[0].command == f"python -m core evaluate smoothfool-defences --model {CE} --n 10"


RESNET, PREACT = "cifar10-resnet32-ce", "cifar10-preactresnet18-ce"


@pytest.fixture
def shown_to_others(tmp_path, monkeypatch):
    """Rows of Tables 5 and 6, of attacks that do not take long."""
    monkeypatch.setattr(smoothfool_transfer, "universal", lambda sigma: Universal(sigma_g=sigma, set_passes=1))
    monkeypatch.setattr(smoothfool_transfer, "FIT", 4)
    for name in ("TRANSFERS", "UNIVERSALS", "PATTERNS"):
        monkeypatch.setattr(across, name, getattr(across, name).at(tmp_path / f"{name}.json"))
    both, images = [Network.of(models.card(name)) for name in (RESNET, PREACT)], pictures("cifar10", 0)
    for network in both:
        showing = transfer.Showing(network, tuple(both), FGSM(epsilon=0.05), smoothfool_transfer.BOUND)
        across.TRANSFERS.put(transfer.measure(across.BlackBoxRecord, showing, images[:5], command="-"))
        *_, fitted = smoothfool_transfer.fitting(network, 5.0, images[len(images) - 4 :])
        across.PATTERNS.put(fitted.pattern)
        across.UNIVERSALS.put(smoothfool_transfer.show_pattern(fitted.pattern, both, images[:5], command="-"))
    return across.TRANSFERS.read(), across.UNIVERSALS.read()


def test_what_was_made_on_one_network_is_shown_to_others(shown_to_others):
    transfers, universals = shown_to_others
    app = opened(view="across", model=RESNET)
    titles = [choose.menu(models.survey()[0])[name] for name in (PREACT, RESNET)]
    drawn = traces(app)
    assert list(drawn) == [titles[0], f"{titles[1]}, its own"]
    rate = transfers[0].rate(PREACT, at_length=True)
    assert decoded(drawn[titles[0]]["x"]) == pytest.approx([100 * rate.value])
    (table,) = [html.value for html in app.get("html") if "<table" in html.value]
    assert f"<td>{percent(rate, 0)}, n = {rate.n}</td>" in table
    assert [verdicts.text(claim, claim.decide(transfers)) in words(app) for claim in smoothfool_transfer.OF_TABLE5]
    app = opened(view="across", model=RESNET, behind=f"across:{PREACT}:none")
    asked, fooled = transfers[0].transferred(PREACT, at_length=True)
    assert f"{int(fooled.sum())} of {int(asked.sum())} images are fooled" in words(app)
    app.segmented_control(key="curves.across").set_value("universal")
    sound(app.run())
    rate = universals[0].rate(PREACT)
    assert decoded(traces(app)[titles[0]]["x"]) == pytest.approx([100 * rate.value])
    told = f"{percent(universals[0].fitted, 0)} of {universals[0].fitted_on.n}"
    assert told in "".join(html.value for html in app.get("html"))
    for name, told in (
        ("cifar10-preactresnet18-mmc", "smoothfool-universal --models"),
        (CE, "smoothfool-universal --models NAMES"),
    ):
        app = opened(view="across", across="universal", model=name)
        assert told in " ".join(each.value for each in [*app.code, *app.info])


def test_a_point_of_a_universal_perturbation_opens_its_images_with_it_added(shown_to_others, monkeypatch):
    record, pattern = shown_to_others[1][0], across.PATTERNS.read()[0]
    app = opened(view="across", across="universal", model=RESNET, behind=f"universal:{RESNET}:5")
    asked, fools = record.transferred(RESNET)
    assert f"{int(fools.sum())} of {int(asked.sum())} images are fooled" in words(app)
    shelf = pictures("cifar10", 0)[:5]
    for place, rows in enumerate((np.flatnonzero(fools), np.flatnonzero(asked & ~fools))):
        app.segmented_control(key="curves.universal.group").set_value(place)
        sound(app.run())
        if not len(rows):
            assert "None." in words(app)
            continue
        (thumbnails,) = sent(app, "picker")
        assert [item["row"] for item in thumbnails["items"]] == record.rows["index"][rows].tolist()
        (sheet,) = thumbnails["values"].values()
        first = apply_universal(pattern.r, shelf.images[rows[:1]])[0]
        assert sheet[..., :32, :32] == pytest.approx(first.numpy(), abs=0.51 / 255)
        assert not np.allclose(sheet[..., :32, :32], shelf.images[rows[0]], atol=1 / 255)
    index = int(record.rows["index"][rows[0]] if len(rows) else record.rows["index"][0])
    app.session_state["curves.behind.open"] = index
    sound(app.run())
    told = {name: app.query_params[name] for name in ("model", "image", "attack", "sigma_g")}
    assert told == {"model": RESNET, "image": str(index), "attack": "universal", "sigma_g": "5.0"}
    # One more image is shown the perturbation that is kept.
    monkeypatch.setattr(smoothfool_transfer, "fitting", lambda *_: pytest.fail("fitted again"))
    app = opened(view="across", across="universal", model=RESNET)
    app.selectbox(key="curves.universal.run.attack").set_value("5")
    app.number_input(key="curves.universal.run.n").set_value(1)
    sound(app.run())
    assert "5 images are measured; the run goes on with the next" in words(app)
    app.button(key="curves.universal.run.start").click()
    app.run()
    ended(app)
    grown = next(each for each in app.session_state["many.own"].values() if isinstance(each, UniversalRecord))
    assert (grown.data.n, grown.judges) == (6, record.judges)
    assert all(grown.rows[name][:5].tolist() == record.rows[name].tolist() for name in record.rows.columns)
    assert "n = 5, 6 images that it was not fitted on" in words(app)


LITE = "imagenet-efficientnet-lite0"


def drained(work):
    """What a job gives, and how far it said that it was."""
    shares = []
    while True:
        try:
            shares.append(next(work).fraction)
        except StopIteration as end:
            return end.value, shares


def test_photographs_stand_in_for_imagenets(monkeypatch):
    """Where the pictures of stored results do not come with the project, a run takes the photographs that do."""
    network = Network.of(models.card(LITE))
    showing = transfer.Showing(network, (network,), smoothfool_transfer.attacks("imagenet")["none"], BOUND)
    monkeypatch.setattr(transfer, "run", lambda attack, *rest: run(FGSM(epsilon=0.02), *rest))
    (record,), shares = drained(growing.shown(across.BlackBoxRecord, showing, "photos", 3, []))
    assert (record.data.name, record.data.n, shares[-1]) == ("photos", 3, 1)
    assert record.rows["label"].min() >= 0  # of those without a name it is the network's own
    state = {"many__own": {many._key(record): record}}
    app = opened_page("Curves", state, view="across", model=LITE, behind=f"across:{LITE}:none")
    assert app.segmented_control(key="curves.across.images").options[-1] == "Photographs"
    assert "n = 3 of the photographs that come with Smoothscope" in words(app)
    asked, fools = record.transferred(LITE, at_length=True)
    assert f"{int(fools.sum())} of {int(asked.sum())} images are fooled" in words(app)
    assert "do not come with Smoothscope" not in words(app).replace("(ImageNet's do not)", "")
    assert "Of the 15 photographs that come with Smoothscope" in words(app)


def test_views_are_found_by_their_paper():
    app = opened(view="rough", model=CE)
    assert app.selectbox(key="curves.group_of_views").value == "Networks"
    app.selectbox(key="curves.group_of_views").set_value("SmoothFool")
    sound(app.run())
    assert app.query_params["view"] == "width"
    tabs = app.segmented_control(key="curves.view")
    assert [tabs.value, *tabs.options] == ["width", *[controls.VIEWS[view] for view in controls.GROUPS["SmoothFool"]]]
    tabs.set_value("defences")
    sound(app.run())
    assert app.query_params["view"] == "defences"
    assert app.selectbox(key="curves.group_of_views").value == "SmoothFool"
    every = [view for views in controls.GROUPS.values() for view in views]
    assert sorted(every) == sorted(controls.VIEWS)


def searched(name, lengths, source):
    """A record of five searches, all of which find the same, but for what is brought in, which is longer."""
    n = len(lengths)
    rows = {"index": np.arange(n, dtype=np.int32), "label": np.zeros(n, np.int16), "attacked": np.ones(n, bool)}
    rows |= {key: np.asarray(lengths, np.float32) * (2 if key == INTO else 1) for key in nearest.TITLES}
    if source is None:
        rows[INTO] = np.full(n, np.nan, np.float32)
    return NearestRecord(
        network=Network.of(models.card(name)),
        data=Data(name="mnist", split="test", source="gallery", n=n, seed=0),
        protocol=nearest.protocol(),
        command="-",
        versions=versions(),
        source=source,
        found={key: int(np.isfinite(rows[key]).sum()) for key in nearest.TITLES},
        seconds=1.0,
        rows=Rows(rows),
    )


def test_networks_are_of_the_five_searches_where_there_are_such(tmp_path, monkeypatch):
    kept = nearest.NEAREST.at(tmp_path / "nearest.json")
    lengths = np.linspace(0.5, 1.2, 40)
    kept.put(searched(CE, lengths, None))
    kept.put(searched(MMC, 2 * lengths, Network.of(models.card(CE))))
    kept.put(searched("mnist-c4-ce", 3 * lengths, None))  # another architecture: in the table alone
    monkeypatch.setattr(networks, "NEAREST", kept)
    app = opened(view="networks", model=CE)
    drawn = traces(app)
    assert choose.menu(models.survey()[0])["mnist-c4-ce"] not in drawn
    assert decoded(drawn[titles()[0]]["x"])[1:] == pytest.approx(lengths, rel=1e-6)
    assert decoded(drawn[titles()[1]]["x"])[1:] == pytest.approx(2 * lengths, rel=1e-6)
    (table,) = [html.value for html in app.get("html") if "<table" in html.value]
    assert "brought in from cross-entropy: × 2.00" in table
    assert f"<td>{choose.menu(models.survey()[0])['mnist-c4-ce']}</td><td>40</td>" in table
    assert "Click a point" in words(app)
    # A point opens the images up to it, those beyond it, and those that none of the searches fools.
    app = opened(view="networks", model=CE, behind=f"networks:{MMC}:3")
    assert "3 of 40 images are fooled" in words(app)
    said = [unlinked(element.value) for element in app.markdown if "**Holds here:**" in element.value]
    assert ["is harder to fool than" in said[0], "more often than" in said[1]] == [True, True]
