"""Graph loss: what it sees of a batch, what shape it gives to features beside other losses, and the paper's figures."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split

from pages.parts.shell import links, page
from pages.parts.views.graph_loss import figures, play, sees
from pages.parts.views.graph_loss.batch import SCOPE

SEES, PLAY, FIGURES = "sees", "playground", "figures"
VIEWS = {SEES: "What the loss sees", PLAY: "Playground", FIGURES: "The paper's figures"}

page.setup("Graph loss", controls=True)
links.choice("view", f"{SCOPE}.view", SEES, VIEWS)
view = page.switch("View", VIEWS, f"{SCOPE}.view")
if view == FIGURES:
    figures.draw(SCOPE)
elif view == PLAY:
    play.draw()
else:
    sees.draw()
page.finish()
