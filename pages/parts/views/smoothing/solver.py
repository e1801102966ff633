"""How s_alpha is computed: the solvers held against each other, and conjugate gradients step by step."""

from __future__ import annotations

import time
import warnings

import plotly.graph_objects as go
import scipy.sparse
import scipy.sparse.linalg
import streamlit as st
import torch
from torch import Tensor

from core.graph import ConvergenceWarning, GraphParameters, PixelGraph, Smoother
from pages.parts.charts import plots
from pages.parts.engine.bounded import fingerprint
from pages.parts.shell import page, theme
from pages.parts.shell.numbers import general
from pages.parts.views.smoothing.shared import SCOPE, Chosen, alpha_slider
from pages.parts.views.smoothing.whole import pattern

PAPER_STEPS = 50
"""Of conjugate gradients, in section 5.2 of the paper."""


@st.cache_data(max_entries=16, show_spinner="Solving", hash_funcs={Tensor: fingerprint})
def measured(image: Tensor, bandwidth: float, alpha: float) -> list[tuple[str, float, float, int, float]]:
    """(solver, seconds to make it, seconds of a solve, steps, residual) on noise, on this machine."""
    graph, noise = GraphParameters(bandwidth=bandwidth).graph(image), pattern("noise", *image.shape[2:])
    rows = []
    for name, more in (("direct", {}), ("cg", {}), ("cg", {"max_iterations": PAPER_STEPS})):
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # that it stops is what is shown
            made = Smoother(graph, alpha, name, **more)  # type: ignore[arg-type]
            ready = time.perf_counter()
            made.raw(noise)
            done = time.perf_counter()
        report = made.report
        title = {"direct": "Nested dissection", "cg": "Conjugate gradients"}[name]
        title += f", {PAPER_STEPS} steps at most" if more else ""
        rows.append((title, ready - begun, done - ready, report.iterations, float(report.residual[0])))
    return rows


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={Tensor: fingerprint})
def residuals(image: Tensor, bandwidth: float, alpha: float, most: int = 400) -> list[float]:
    """|z - L_alpha s| / |z| before conjugate gradients' first step on noise, and after each (SciPy's).

    z: without its mean, which `Smoother` takes around the solver.
    """
    graph: PixelGraph = GraphParameters(bandwidth=bandwidth).graph(image)
    n = graph.height * graph.width
    system = scipy.sparse.eye_array(n, format="csr") - alpha * graph.sparse(0).tocsr()
    noise = pattern("noise", *image.shape[2:]).flatten().double()
    target = (1 - alpha) * (noise - noise.mean()).numpy()
    scale = float(torch.from_numpy(target).norm())
    found = [1.0]

    def note(x: object) -> None:
        found.append(float(torch.from_numpy(target - system @ x).norm()) / scale)

    scipy.sparse.linalg.cg(system, target, rtol=1e-6, maxiter=most, callback=note)
    return found


def draw(chosen: Chosen) -> None:
    """A table of the solvers and a chart of one of them."""
    st.container(key="formula").latex(
        r"{\hat s_\alpha(z)=\frac{s_\alpha(z)}{s_\alpha(1)}},"
        r"\qquad\allowbreak {(I-\alpha S)\,s_\alpha(z)=(1-\alpha)\,z},"
        r"\qquad\allowbreak {S=D^{-1/2}WD^{-1/2}}"
    )
    left, _ = st.columns([1, 1.4])
    with left:
        alpha = alpha_slider()
    if alpha == 0:
        st.info("At α = 0 nothing is smoothed, and nothing is solved.")
        return
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        rows = measured(chosen.image, chosen.bandwidth, alpha)
        st.table(
            {
                "Solver": [row[0] for row in rows],
                "made in": [f"{1000 * row[1]:.0f} ms" for row in rows],
                "a solve": [f"{1000 * row[2]:.1f} ms" for row in rows],
                "steps": [str(row[3]) if row[3] else "none" for row in rows],
                "residual": [general(row[4], 2) for row in rows],
            }
        )
        page.note(
            "Measured once on this server, on noise; what else it does counts in. The residual bounds the relative "
            "error. An attack solves twice a step: it pays to make factors once."
        )
    with right:
        found = residuals(chosen.image, chosen.bandwidth, alpha)
        st.plotly_chart(chart(found), key=f"{SCOPE}.cg", config=plots.CONFIG)
    page.tell(
        f"**Look for:** after the paper's {PAPER_STEPS} steps the residual is **{general(rows[-1][4], 2)}** here. The "
        "nearer α is to 1, the more steps it takes: their number grows as 1/√(1 − α)."
    )


def chart(found: list[float]) -> go.Figure:
    """Residuals step by step, with the paper's number of steps marked."""
    figure = go.Figure()
    figure.add_scatter(
        y=found,
        mode="lines",
        line={"color": theme.BLUE, "width": 3},
        hovertemplate="step %{x}: %{y:.1e}<extra></extra>",
    )
    figure.add_vline(x=PAPER_STEPS, line={"color": theme.GREY, "width": 2, "dash": "dash"})
    figure.add_annotation(
        x=PAPER_STEPS, y=1, yref="paper", yanchor="bottom", text="the paper's 50 steps", showarrow=False
    )
    figure.update_xaxes(title="steps of conjugate gradients")
    figure.update_yaxes(title="residual", type="log", exponentformat="power")
    return plots.style(figure, 320, "cg", showlegend=False, margin={"t": 28})
