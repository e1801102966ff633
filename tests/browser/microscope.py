"""A page with nothing but a microscope, whose arrays the tests know. Served by test_microscope.py."""

import streamlit as st
import torch

from core.attacks import Step
from pages.parts.components.film import IMAGE, Film, Recorder
from pages.parts.components.packing import rounded
from pages.parts.components.viewer import Panel, Trace, viewer

SIZES = {"photograph": (224, 3), "digit": (28, 1), "large": (600, 1)}
RUNS = {"one run": 0, "another run": 1}
STEPS = 247
BEST = 150


def pictures(size: int = 224, channels: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A clean picture (C, H, W), exactly k/255, and a perturbed one, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    shape = (channels, size, size)
    clean = torch.randint(0, 256, shape, generator=generator) / torch.tensor(255.0)
    return clean, (clean + 0.02 * torch.randn(shape, generator=generator)).clamp(0, 1)


def iterate(clean: torch.Tensor, perturbed: torch.Tensor, number: int) -> torch.Tensor:
    """What an attack has after so many steps: it goes from the clean picture to the perturbed one, and trembles."""
    generator = torch.Generator().manual_seed(number)
    trembling = 0.0003 * torch.randn(clean.shape, generator=generator)
    return (clean + (perturbed - clean) * number / STEPS + trembling).clamp(0, 1)


def film(clean: torch.Tensor, perturbed: torch.Tensor) -> Film:
    """Of an attack of STEPS steps whose step BEST gives the perturbed picture."""
    recorder = Recorder(clean)
    best, found = clean, torch.tensor([False])
    for number in range(1, STEPS + 1):
        image = perturbed if number == BEST else iterate(clean, perturbed, number)
        if number == BEST:
            best, found = image, torch.tensor([True])
        scalars = {"margin": torch.tensor([1.0 if number >= 100 else -1.0])}
        recorder.see(Step(number, STEPS, image[None], best[None], found, scalars, torch.tensor([True])))
    made = recorder.film()
    assert made is not None
    return made


@st.cache_resource
def kept(size: int, channels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, Film]:
    clean, perturbed = pictures(size, channels, seed)
    return clean, perturbed, film(clean, perturbed)


def draw() -> None:
    st.set_page_config(layout="wide")
    row = st.container(horizontal=True)
    picture = row.segmented_control("Picture", list(SIZES), default="photograph", required=True)
    size, channels = SIZES[picture]
    gain = row.segmented_control("Gain", [1, 5, 10], default=5, required=True)
    run = row.segmented_control("Run", list(RUNS), default="one run", required=True)
    if row.toggle("Running"):
        clean, perturbed = pictures(size, channels)
        viewer([Panel("Original", clean), Panel("So far", rounded(perturbed - clean), 0.2)], "under way", view="test")
        return
    clean, perturbed, steps = kept(size, channels, RUNS[run])
    panels = [
        Panel("Original", clean, note="the clean picture", alt="A clean picture of noise"),
        Panel("Perturbed", perturbed, follows=IMAGE, base=clean, note="fools"),
        Panel("Perturbation", perturbed - clean, 1 / gain, follows=IMAGE),
        Panel("Magnified", 3 * (perturbed - clean), 0.3, "σ", result=True, facts=[("L2", "1.23")]),
    ]
    traces = [
        Trace("loss", [1 / (1 + i) for i in range(STEPS)]),
        Trace("margin", [float(i >= 99) * 2 - 1 for i in range(STEPS)], zero=True),
    ]
    viewer(panels, "finished", film=steps, traces=traces, view="test")


if __name__ == "__main__":
    draw()
