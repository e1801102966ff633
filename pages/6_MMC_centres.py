"""MMC centres: centres one can walk around, features around them, and what the report on them claims."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st

from pages.parts.shell import links, page
from pages.parts.views.mmc import attacks, centres, contours, density, dependency, features, tables, uncertainty
from pages.parts.views.mmc.shared import SCOPE, network_controls

TABS = ["Centres", "Features", "Loss and density", "Uncertainty", "Runner-up", "Attacks", "Tables"]

page.setup("MMC centres", controls=True)
links.choice("tab", f"{SCOPE}.tab", TABS[0], TABS)
tabs = dict(zip(TABS, st.tabs(TABS, key=f"{SCOPE}.tab", on_change="rerun"), strict=True))
opened = next((name for name, tab in tabs.items() if tab.open), TABS[0])
if opened == "Centres":
    with st.sidebar:
        arranged = centres.controls()
    with tabs[opened]:
        if arranged is not None:
            centres.draw(*arranged)
elif opened == "Tables":
    with tabs[opened]:
        tables.draw()
else:
    with st.sidebar:
        pair = network_controls()
    with tabs[opened]:
        if opened == "Loss and density":
            contours.draw()
        if pair is not None:
            mmc, ce = pair
            match opened:
                case "Features":
                    features.draw(mmc, ce)
                case "Loss and density":
                    density.draw(mmc, ce)
                case "Uncertainty":
                    uncertainty.draw(ce, mmc)
                case "Runner-up":
                    dependency.draw(ce, mmc)
                case "Attacks":
                    attacks.draw(ce, mmc)
page.finish()
