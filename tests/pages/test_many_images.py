"""The Curves page: what it draws are the records, its points open their images, and a run goes on from those."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from driver import TIMEOUT, sent, sound, unlinked
from driver import curves as opened

from core import models
from core.data import gallery
from core.evaluate import curves, nearest_known
from core.evaluate.claims import Claim
from core.evaluate.curves import CurveRecord, Wanted
from core.evaluate.nearest_known import NearestKnown
from core.evaluate.records import Collection
from core.papers import smooth_curves, smoothfool_curves
from core.papers.smooth_curves import entries, norm, pick, pictures, right
from pages.parts.inputs import choose
from pages.parts.views import verdicts
from pages.parts.views.curves import networks

MODEL = "mnist-c4-ce"
OTHER = "mnist-c4-mmc"
N = 8
KEYS = ("published-cw", "published-scw", "cw", "scw", "scw-rho", "fgsm", "bilateral-fgsm", "sf-2", "sf-60", "sfcode-2")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with records of a few images, every attack with few passes."""
    folder = tmp_path_factory.mktemp("curves")
    model = models.load(MODEL)
    wanted = Wanted(model, right(model, pictures("mnist", 0), N), (norm(model.card),), 0, 4)
    kept = Collection(CurveRecord, folder / f"{MODEL}.json")
    for entry in entries(model.card, (10, 30)):
        if entry.key in KEYS:
            short = entry
            if entry.key.startswith("published"):
                quick = tuple(attack.replace(iterations=20, search_steps=3) for attack in entry.attacks)
                short = curves.Entry(entry.key, quick, entry.budget)
            kept.put(curves.measure(short, wanted, command="python -m core evaluate curves"))
    other = models.load(OTHER)
    wanted = Wanted(other, right(other, pictures("mnist", 0), N), (norm(other.card),), 0, 4)
    for entry in entries(other.card, (10, 30)):
        if entry.key == "cw":
            Collection(CurveRecord, folder / f"{OTHER}.json").put(curves.measure(entry, wanted, command="-"))
    return folder


@pytest.fixture(autouse=True)
def there(made, monkeypatch):
    monkeypatch.setattr(smooth_curves, "FOLDER", made)
    monkeypatch.setattr(networks, "NEAREST", networks.NEAREST.at(made / "none.json"))


@pytest.fixture
def found(made):
    return Collection(CurveRecord, made / f"{MODEL}.json").read()


def chart(app):
    (found,) = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return found


def words(app):
    return " ".join(unlinked(element.value) for element in [*app.markdown, *app.caption])


def decoded(values):
    """A column of a figure."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.array(values, float)


def test_the_curves_are_the_records(found):
    app = opened()
    lines = {t["name"]: t for t in chart(app)["data"] if t["mode"] == "lines" and t.get("name")}
    assert list(lines) == [
        "C&W, published",
        "sC&W, published",
        "C&W 30",
        "sC&W 30",
        "sC&W, smooth optimum 30",
    ]
    record = pick(found, "cw")
    x, y = (decoded(lines["C&W 30"][axis]) for axis in "xy")
    assert (x[0], y[0]) == (0, 0)
    assert x[1:] == pytest.approx(np.sort(record.column("l2")[record.fools]))
    assert y[-1] == pytest.approx(100 * record.success.value)
    for claim in (smooth_curves.SHORTER, smooth_curves.FREE, smooth_curves.AS_OFTEN):
        assert verdicts.text(claim, claim.decide(found)) in words(app)
    assert "python -m core evaluate curves" in app.code[0].value
    # Fewer passes, another measure.
    app.select_slider(key="curves.budget").set_value(10)
    app.segmented_control(key="curves.against.success").set_value("mad")
    sound(app.run())
    lines = {t["name"]: t for t in chart(app)["data"] if t["mode"] == "lines" and t.get("name")}
    assert list(lines) == ["C&W 10", "sC&W 10", "sC&W, smooth optimum 10"]
    record = pick(found, "cw", 10)
    assert decoded(lines["C&W 10"]["x"])[1:] == pytest.approx(np.sort(record.column("mad")[record.fools]))
    assert app.query_params["budget"] == "10"


def test_how_smooth_it_can_get_is_said_by_the_records(found):
    app = opened(view="width", below="roughness")
    above, below = ({}, {})
    for trace in chart(app)["data"]:
        if trace["mode"] == "lines+markers":
            (below if trace["yaxis"] == "y2" else above)[trace["name"]] = trace
    records = smoothfool_curves.by_width(found, "sf")
    assert decoded(above["SmoothFool"]["x"]).tolist() == list(records) == [2, 60]
    assert decoded(above["SmoothFool"]["y"]) == pytest.approx([100 * r.success.value for r in records.values()])
    assert decoded(below["SmoothFool"]["y"]) == pytest.approx([r.mean("roughness").value for r in records.values()])
    (dotted,) = [trace for trace in chart(app)["data"] if trace.get("name") == "SmoothFool, at L2 = 2"]
    assert decoded(dotted["y"]) == pytest.approx([100 * r.column("fools_at_2").mean() for r in records.values()])
    for claim in smoothfool_curves.claims("sf"):
        assert verdicts.text(claim, claim.decide(found)) in words(app)
    index = int(records[60].column("label")[0])
    of_class = smoothfool_curves.by_class(records[60], 10)[index]
    (table,) = [html.value for html in app.get("html") if "<table" in html.value]
    assert f"{100 * of_class.value:.0f} % ({100 * of_class.low:.0f} to {100 * of_class.high:.0f})" in table
    # A point opens its images, as on the other pictures; what can be run now is of this picture.
    app = opened(view="width", point=f"sf-60.0.{records[60].fooled}")
    assert f"{records[60].fooled} of {N} images are fooled" in words(app)
    assert app.selectbox(key="curves.run.width").options[0] == "SmoothFool, σ_g = 1"


def test_networks_are_compared_by_the_shortest_of_the_attacks_that_both_have(found, made):
    app = opened(view="networks")
    mine = NearestKnown(tuple(r for r in found if r.protocol.name == "cw"))
    other = NearestKnown(tuple(Collection(CurveRecord, made / f"{OTHER}.json").read()))
    lines = {t["name"]: t for t in chart(app)["data"] if t["mode"] == "lines" and t.get("name")}
    titles = [choose.menu(models.survey()[0])[name] for name in (MODEL, OTHER)]
    assert list(lines) == titles
    for title, one in zip(titles, (mine, other), strict=True):
        assert decoded(lines[title]["x"])[1:] == pytest.approx(np.sort(one.shortest))
    (table,) = [html.value for html in app.get("html") if "<table" in html.value]
    assert f"{other.median().value:.2f} ({other.median().low:.2f} to" in table
    verdict = nearest_known.harder(other, mine)
    ratio = verdict.findings[0].estimate
    claim = Claim(f"{titles[1]} is harder to fool than {titles[0]}", *networks.MMC, nearest_known.harder)
    assert verdicts.text(claim, verdict) in words(app)
    assert f"**{ratio.value:.3f}**" in words(app)
    # A point opens its images, the nearest to it first, and one the lab with the attack that found it.
    app = opened(view="networks", behind=f"networks:{MODEL}:3")
    record = mine.records[0]
    order = np.argsort(mine.shortest, kind="stable")[:3][::-1]
    (wall,) = sent(app, "picker")
    indices = mine.indices[order].tolist()
    assert [item["row"] for item in wall["items"]] == indices
    assert f"L2 {mine.shortest[order[0]]:.3g}" in wall["items"][0]["label"]
    assert f"3 of {len(mine.shortest)} images are fooled" in words(app)
    app.session_state["curves.behind.open"] = indices[0]
    sound(app.run())
    asked = {name: app.query_params[name] for name in ("image", "attack", "iterations")}
    best = min(mine.records, key=lambda r: mine.lengths(r)[order[0]])
    assert record.protocol.name == "cw"
    assert asked == {"image": str(indices[0]), "attack": "cw", "iterations": str(best.budget)}
    # Of pictures of which no second network was measured it says how.
    (made / f"{OTHER}.json").rename(made / "kept.json")
    try:
        app = opened(view="networks")
        assert "Two networks of the same pictures are needed" in app.info[0].value
    finally:
        (made / "kept.json").rename(made / f"{OTHER}.json")


def test_a_point_opens_its_images_and_they_the_lab(found):
    record = pick(found, "cw")
    app = opened(point="cw.30.5")
    (wall,) = sent(app, "picker")
    order = np.argsort(record.column("l2"), kind="stable")[:5][::-1]
    assert [item["row"] for item in wall["items"]] == order.tolist()
    index = int(record.column("index")[order[0]])
    assert f"test image {index}: L2 {record.column('l2')[order[0]]:.3g}" in wall["items"][0]["label"]
    assert f"5 of {N} images are fooled" in words(app)
    app.session_state["curves.open"] = int(order[0])
    sound(app.run())
    # In the lab, whose link leaves out what it opens with in any case.
    assert app.button(key="lab.gallery")
    asked = {name: app.query_params[name] for name in ("image", "attack", "iterations", "margin")}
    assert asked == {"image": str(index), "attack": "cw", "iterations": "30", "margin": "0.0"}
    shelf = gallery.read("mnist")
    assert index in shelf.indices


def test_those_that_were_not_fooled_are_shown_too(found):
    record = pick(found, "fgsm")
    app = opened(curves="fgsm", point=f"fgsm.0.{record.fooled}")
    failed = np.flatnonzero(~record.fools)
    app.segmented_control(key="curves.group").set_value(2)
    sound(app.run())
    if len(failed):
        (wall,) = sent(app, "picker")
        assert [item["row"] for item in wall["items"]] == failed.tolist()
        assert all(item["label"].endswith("not fooled") for item in wall["items"])
    else:
        assert "None." in words(app)


def test_costs_are_means_over_those_that_all_fool(found):
    app = opened(view="cost", curves="cw,scw")
    paths = {t["name"]: t for t in chart(app)["data"] if t["mode"] == "lines+markers+text"}
    shown = [r for r in found if r.protocol.name in ("cw", "scw")]
    common = np.logical_and.reduce([r.fools for r in shown])
    assert f"the {common.sum()} images that all of these fool" in words(app)
    assert decoded(paths["sC&W"]["x"]) == pytest.approx(
        [r.column("l2")[common].astype(float).mean() for r in shown if r.protocol.name == "scw"]
    )
    assert paths["C&W"]["customdata"][-1][:2] == ["cw", 30]


def test_the_table_has_the_papers_numbers_beside_ours(found):
    app = opened(view="table")
    data = {t["name"]: t for t in chart(app)["data"]}
    assert decoded(data["paper, C4"]["x"]).tolist() == [5.02, 2.69, 1.71, 2.49, 3.36, 1.97]
    assert list(data["ours"]["y"]) == ["FGSM", "C&W", "sC&W"]
    html = "".join(element.proto.body for element in app.get("html"))
    assert "not measured" in html
    assert "100 %, 1.97" in html


def test_what_passes_a_filter_is_drawn_and_told(found):
    app = opened(view="through", judge="bilateral-", point="bilateral-fgsm.0.1")
    record = pick(found, "bilateral-fgsm")
    lines = {t["name"]: t for t in chart(app)["data"] if t["mode"] == "lines" and t.get("name")}
    assert list(lines) == ["FGSM, through the filter"]
    y = decoded(lines["FGSM, through the filter"]["y"])
    assert y[-1] == pytest.approx(100 * record.success.value)
    (wall,) = sent(app, "picker")
    assert len(wall["items"]) == 1
    html = "".join(element.proto.body for element in app.get("html"))
    assert f"{100 * record.success.value:.1f} %" in html
    assert verdicts.text(smooth_curves.WEAKER, smooth_curves.WEAKER.decide(found)) in words(app)
    app.radio(key="curves.judge").set_value("hardened-")
    sound(app.run())
    assert app.get("plotly_chart") == []
    assert "This is not measured for this network" in app.info[0].value
    assert "hardened-fgsm" in app.code[0].value


def test_a_run_goes_on_with_what_is_there(found):
    """One more image of FGSM, which every job's machine has done in a moment."""
    app = opened(curves="fgsm")
    app.selectbox(key="curves.run.entry").set_value("fgsm")
    app.number_input(key="curves.run.n").set_value(2)
    sound(app.run())
    assert f"{N} images are measured; the run goes on with the next" in words(app)
    app.button(key="curves.run.start").click()
    app.run()
    while (running := app.session_state.get("curves.running")) is not None:
        assert running.job.wait(TIMEOUT)
        sound(app.run())
    assert "your run" in app.get("plotly_chart")[0].proto.spec
    own = app.session_state["many.own"]
    (record,) = own.values()
    assert record.data.n == N + 2
    assert record.rows["l2"][:N].tolist() == pytest.approx(pick(found, "fgsm").rows["l2"].tolist(), nan_ok=True)


def test_a_network_without_records_says_so():
    app = opened(model="mnist-fc2-ce")
    assert "Nothing is measured for this network yet" in app.info[0].value
    assert "--model mnist-fc2-ce" in app.code[0].value


@pytest.mark.parametrize("point", ["x.1.2", "cw.30", "cw.30.-1"])
def test_a_point_that_is_none_is_left_out_of_the_link(point):
    app = opened(point=point)
    assert "was left out of the link" in app.warning[0].value


def test_a_point_of_what_is_not_drawn_opens_nothing():
    app = opened(point="cw.30.99")
    assert sent(app, "picker") == []
