"""The lab's attack over many images: what is stored of exactly that attack, or what is measured now."""

import json

import numpy as np
import pytest
from driver import TIMEOUT, Lab

from core.attacks import DDN, CarliniWagner
from core.metrics import l2
from core.papers import smooth_curves
from core.papers.smooth_curves import pick
from pages.parts.views import verdicts
from pages.parts.views.lab import over

MODEL = "mnist-c4-ce"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(over, "IMAGES", 4)


def charts(lab):
    """The titles of the charts' axes, and the values at which a line stands."""
    found = [json.loads(chart.proto.spec)["layout"] for chart in lab.app.get("plotly_chart")]
    return {
        spec["xaxis"]["title"]["text"]: [line["x0"] for line in spec["shapes"]] for spec in found if "shapes" in spec
    }


def test_what_is_stored_of_this_attack_is_there_at_once():
    found = smooth_curves.collection(MODEL).read()
    record = pick(found, "cw", 10)
    assert record.attacks == (CarliniWagner(margin=0.0, iterations=10),)
    lab = Lab({"attack": "cw", "margin": "0.0", "iterations": "10", "many": "1"})
    assert "Over 4 images" not in [toggle.label for toggle in lab.app.toggle]  # nothing has run yet
    lab.run()
    assert f"Of **{record.n}** images {verdicts.share(record.success)} are fooled" in lab.words.replace("\\", "")
    lines = charts(lab)
    assert list(lines) == ["L2, pixels in [0, 1]", "Ω / L2²", "MAD, 0 is invisible"]
    here = float(l2(lab.result.perturbation)[0])
    assert lines["L2, pixels in [0, 1]"] == [pytest.approx(here)]
    share = 100 * np.mean(record.column("l2")[record.fools] <= here)
    assert f"L2 {here:.3g}: {share:.0f} % of them have no more" in lab.words
    assert lab.app.query_params["many"] == "1"


def test_what_is_not_stored_is_measured_now():
    lab = Lab({"attack": "ddn", "passes": "7"})
    lab.run()
    assert lab.app.query_params.get("many") is None
    lab.widget("lab.over.on").set_value(True).run()
    lab.press("Measure 4 images")
    while (running := lab.app.session_state.get("lab.over.running")) is not None:
        assert running.job.wait(TIMEOUT)
        lab.rerun()
    (record,) = lab.app.session_state["many.own"].values()
    assert record.attacks == (DDN(passes=7),)
    assert record.data.n == 4
    assert "Of **4** images" in lab.words
    assert "images" not in [button.label for button in lab.app.button if button.label.startswith("Measure")]
