"""Losses over the plane: values are the formulas', areas those of the closed form."""

import math

import pytest
import torch

from core.features.surfaces import WINDOW, surfaces


def test_cross_entropy_of_the_plane_is_the_formula():
    sce, _, mmc = surfaces(0, 4.0)
    row, column = 100, 150
    z = torch.stack([sce.at[column], sce.at[row]])
    logits = sce.marks @ z
    assert sce.values[row, column].item() == pytest.approx(float(logits.logsumexp(0) - logits[0]), abs=1e-9)
    assert mmc.values[row, column].item() == pytest.approx(float((z - mmc.marks[0]).square().sum() / 2), abs=1e-9)


def test_the_band_of_mmc_is_a_ring_of_known_area():
    """pi (R^2 - r^2) between the losses r^2 / 2 and R^2 / 2: 2 pi times their difference, whatever the window."""
    mmc = surfaces(1, 1.0)[2]
    for half in (WINDOW, 2 * WINDOW):
        assert mmc.area(0.5, 1.0, half) == pytest.approx(2 * math.pi * 0.5, abs=0.15)
