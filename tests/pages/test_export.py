"""What the lab gives to take home is what it shows."""

import io
import json
import zipfile

import numpy as np
import pytest
from driver import Lab, decode

from core.attacks import ATTACKS
from pages.parts.views import export


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict:
    """The arguments of the button; AppTest presses no download button."""
    given: dict = {}
    monkeypatch.setattr(export, "button", lambda *arguments: given.update(arguments=arguments))
    return given


def test_the_labs_package(lab: Lab, taken: dict):
    assert not taken  # nothing to take before there is a result
    lab.move("gain", "×5")
    lab.move("MagnifyParameters.beta", 0.6)
    lab.run(iterations=10, search_steps=2)
    items, classes, magnify, gain, _ = taken["arguments"]
    with zipfile.ZipFile(io.BytesIO(export.package(items, classes, magnify, gain))) as zipped:
        files = {name: zipped.read(name) for name in zipped.namelist()}
    shown = lab.pictures
    for title, name in {
        "Original": "clean",
        "Adversarial": "scw",
        "Perturbation": "scw-perturbation",
        "Magnified original": "clean-magnified",
        "Magnified adversarial": "scw-magnified",
    }.items():
        np.testing.assert_array_equal(decode(files[f"{name}.png"]), shown[title].levels)
    facts = json.loads(files["parameters.json"])
    (run,) = facts["runs"].values()
    assert ATTACKS["scw"](**run["parameters"]).values() == lab.result.parameters
    assert facts["display"]["magnify"]["beta"] == 0.6
    assert facts["display"]["gain"] == 5
    arrays = np.load(io.BytesIO(files["arrays.npz"]))
    np.testing.assert_array_equal(arrays["scw.adversarial"], lab.result.adversarial[0].numpy())
