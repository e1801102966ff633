"""The Centres tab: centres one can walk around, their pairs, and how they are built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from core.losses import MaxMahalanobis
from core.losses.centers import CenterSet, best_angle, simplex
from core.models.heads import CenterHead
from core.params import fields
from pages.parts.charts import center_plots, plots
from pages.parts.components.orbit import orbit
from pages.parts.inputs import forms
from pages.parts.shell import links, page
from pages.parts.shell.numbers import general
from pages.parts.views.mmc.arrangement import EXAMPLES, Arrangement
from pages.parts.views.mmc.shared import SCOPE

FORMULAS = {
    "optimal": r"\lVert\mu^*_i\rVert = C_{MM},\quad\allowbreak {\cos\angle(\mu^*_i, \mu^*_j) = -\tfrac{1}{L-1}}"
    r"\ \allowbreak {\text{ where } d \ge L-1}",
    "random": r"\mu_i = C_{MM}\,u_i,\quad u_i \text{ at random on the unit sphere}",
    "hierarchical": r"\mu_{s,j} = \mu^*_s + \mu^*_j,\quad \lVert\mu^*_s\rVert = C_1,\ \lVert\mu^*_j\rVert = C_2",
}
"""What centres of each kind are; s: the superclass, j: the class within it."""
LOOK_FOR = {
    "optimal": (
        "all centres lie on one sphere, as far apart as can be. From L − 1 dimensions on, every angle is the same. "
        "With one fewer the smallest angle of four or more is 90°; it stays so down to L/2 dimensions, and falls below."
    ),
    "random": (
        "all centres lie on one sphere, some much closer together than others. The more dimensions there are, the "
        "nearer all angles come to 90°, which is less than optimal centres have."
    ),
    "hierarchical": (
        "classes of one superclass lie about its centre, as far out as C₂ says; superclasses are as far apart as C₁ "
        "can put them."
    ),
}
"""What to look for among centres of each kind."""


def _widget(cls: type[Any], name: str, **changes: Any) -> Any:
    """The widget of one declared parameter, for the link too; changes: of its range."""
    info = next(info for info in fields(cls) if info.name == name)
    return forms.widget(replace(info, **changes), forms.widget_key(info, SCOPE), link=name)


def _show_example(values: Mapping[str, Any]) -> None:
    """Set the controls to an example."""
    forms.apply(Arrangement, SCOPE, {k: v for k, v in values.items() if k != "centers"})
    for info in fields(MaxMahalanobis):
        key = forms.widget_key(info, SCOPE)
        if info.name == "centers":
            st.session_state[key] = values.get("centers", info.default)
    st.session_state[f"{SCOPE}.build"] = False


def controls() -> tuple[MaxMahalanobis, Arrangement] | None:
    """Kind, number, dimensions, norms; None after having said what is wrong."""
    kind = _widget(MaxMahalanobis, "centers", title="Kind of centres")
    values: dict[str, Any] = {}
    if kind == "hierarchical":
        values["superclasses"] = _widget(Arrangement, "superclasses")
        values["subclasses"] = _widget(Arrangement, "subclasses")
        count = values["superclasses"] * values["subclasses"]
    else:
        count = values["classes"] = _widget(Arrangement, "classes")
    values["dim"] = _widget(Arrangement, "dim", slider=(2, max(count - 1, 4)))
    loss: dict[str, Any] = {
        "centers": kind,
        "norm": _widget(MaxMahalanobis, "norm", symbol="C_MM" if kind != "hierarchical" else "C_1"),
    }
    if kind == "hierarchical":
        loss["sub_norm"] = _widget(MaxMahalanobis, "sub_norm")
    if kind == "random":
        values["seed"] = _widget(Arrangement, "seed")
    try:
        return MaxMahalanobis(dim=values["dim"], **loss), Arrangement(**values)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None


@st.cache_data(max_entries=32, show_spinner="Spreading the centres")
def _placed(loss_values: str, arrangement_values: str, _loss: MaxMahalanobis, _arrangement: Arrangement) -> CenterSet:
    """The centres that a training with this loss would begin with."""
    groups, count = None, _arrangement.classes
    if _loss.centers == "hierarchical":
        count = _arrangement.superclasses * _arrangement.subclasses
        groups = tuple(i // _arrangement.subclasses for i in range(count))
    head = CenterHead(_arrangement.dim, count)
    _loss.prepare(head, torch.Generator().manual_seed(_arrangement.seed), groups)
    return CenterSet(head.centers, groups)


def _how_made(loss: MaxMahalanobis, count: int, dim: int, groups: Sequence[int] | None) -> str:
    """How such centres come about, in a sentence."""
    if loss.centers == "random":
        return "Independent random directions, all of one norm: the comparison that the paper calls MMC-10 (rand)."
    if groups is not None:
        return (
            f"Each of the {max(groups) + 1} superclasses has an optimal centre of norm $C_1$ = {loss.norm:g}; around "
            f"it its classes have optimal centres of norm $C_2$ = {loss.sub_norm:g}. Colours are superclasses."
        )
    if count <= dim + 1:
        return "The regular simplex: every centre is equally far from every other, and no arrangement does better."
    if dim == 2:
        return "The regular polygon: in the plane nothing is better."
    if count <= 2 * dim:
        return (
            "Fewer dimensions than a simplex needs: then right angles are the best there is (Rankin), and simplices in "
            "orthogonal subspaces reach them."
        )
    return (
        "Fewer dimensions than a simplex needs: spread numerically, by lowering a soft maximum of the cosines that "
        "hardens step by step."
    )


def _what_is_hidden(centres: CenterSet, kept: float, radii: Tensor, dim: int) -> str:
    """What the picture shows of the centres, and what it cannot."""
    count = len(centres.points)
    rank = int(torch.linalg.matrix_rank(centres.points.double(), rtol=1e-6))
    if kept > 0.999:
        where = "" if dim <= 3 else f" They fill {rank} of the {dim} dimensions; those are drawn."
        norms = centres.points.double().norm(dim=1)
        one = float(norms.max() - norms.min()) < 1e-4 * float(norms.max())
        sphere = "on the sphere of their norm" if one else "in the sphere of the largest norm"
        return f"**Exact:** these are the {count} centres themselves, {sphere}.{where}"
    low, high = centres.distance_range()
    seen = torch.pdist(radii)
    text = (
        f"**A shadow:** the centres fill {rank} dimensions, and three can be drawn, with {100 * kept:.0f}\u00a0% of "
        f"the squared lengths. In truth any two are {low:.2f} to {high:.2f} apart; in the shadow "
        f"{float(seen.min()):.2f} to {float(seen.max()):.2f}. Centres that seem close here part in "
        "dimensions that the shadow hides."
    )
    if centres.groups is not None:
        text += " Its directions are diagonals between those of superclasses and those of classes, to show both."
    return text


def draw(loss: MaxMahalanobis, arrangement: Arrangement) -> None:
    """Centres in three dimensions, their pairs, and how they are built."""
    try:
        centres = _placed(str(loss.values()), str(arrangement.values()), loss, arrangement)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return
    count, dim = centres.points.shape
    simple = loss.centers == "optimal" and count <= dim + 1
    low, high = centres.distance_range()
    angles = centres.angles[~torch.eye(count, dtype=torch.bool)]
    smallest = float(angles.min())
    simplex_angle = math.degrees(math.acos(-1 / (count - 1)))
    best = best_angle(count, dim)
    st.latex(FORMULAS[loss.centers])
    page.tell(f"MMC fixes a centre for every class before training. **Look for:** {LOOK_FOR[loss.centers]}")
    with st.container(horizontal=True, gap="small"):
        for label, example in EXAMPLES.items():
            st.button(label, key=f"{SCOPE}.example.{label}", on_click=_show_example, args=(example,), type="tertiary")
    with st.container(horizontal=True, gap="small"):
        st.metric("Smallest angle", f"{smallest:.4f}°", width=170)
        st.metric(
            "arccos(−1/(L−1))",
            f"{simplex_angle:.4f}°",
            width=170,
            help="The optimum for L centres; it is reached where there are at least L − 1 dimensions.",
        )
        st.metric(
            "Best known here",
            "not known" if best is None else f"{math.degrees(best[0]):.4f}°",
            width=170,
            help=f"In {dim} dimensions" + ("." if best is None else f": {best[1]}."),
        )
        st.metric("Smallest distance", f"{low:.4g}", width=170, help=f"The largest is {high:.4g}.")

    left, right = st.columns([1.15, 1], gap="medium")
    building, which = False, None
    step = count
    with right:
        if simple:
            building = links.flag("build", f"{SCOPE}.build")
            building = st.toggle("Build it step by step", key=f"{SCOPE}.build")
        if building:
            key = f"{SCOPE}.step"
            links.whole("step", key, 1, 1, 100)
            st.session_state[key] = min(st.session_state[key], count)
            step = st.slider("Centres placed", 1, count, key=key, persist_state="session")
            rows = torch.from_numpy(simplex(count))
            st.plotly_chart(
                center_plots.coordinate_matrix(rows, step),
                key=f"{SCOPE}.coordinates",
                config=plots.CONFIG,
                alt="Coordinates of the centres placed so far.",
            )
            page.tell(_placing(rows, step, count))
        else:
            links.choice("pairs", f"{SCOPE}.pairs", "angles", ("angles", "distances"))
            which = st.segmented_control(
                "Pairs",
                ("angles", "distances"),
                key=f"{SCOPE}.pairs",
                required=True,
                persist_state="session",
                label_visibility="collapsed",
            )
    with left:
        scene, kept = center_plots.centres_scene(centres, step)
        orbit([scene], f"{SCOPE}.orbit", height=470)
        page.let_draw()
        seen = torch.cat([cloud.points for cloud in scene.clouds])
        page.tell(_how_made(loss, count, dim, centres.groups))
        if len(seen) == count:
            page.tell(_what_is_hidden(centres, kept, seen, dim))
    if which is not None:
        values, unit = (centres.angles, "°") if which == "angles" else (centres.distances, "")
        right.plotly_chart(
            center_plots.pair_matrix(values, unit),
            key=f"{SCOPE}.matrix",
            config=plots.CONFIG,
            alt=f"The {which} of all pairs of centres.",
        )
    cosines = centres.cosines[~torch.eye(count, dtype=torch.bool)]
    norms = centres.points.double().norm(dim=1)
    facts = f"Norms {float(norms.min()):.6f} to {float(norms.max()):.6f}."
    if simple:
        facts += (
            f" The cosines differ from −1/(L−1) = −{1 / (count - 1):.7f} by "
            f"{general(float((cosines + 1 / (count - 1)).abs().max()), 1)} at most, float32's rounding."
        )
    page.note(facts)


def _placing(rows: Tensor, step: int, count: int) -> str:
    """What the step of the construction that placed centre `step` did (Pang et al. 2018, Algorithm 1)."""
    if step == 1:
        return "**Centre 1** is the first unit vector. All norms are 1 here; $C_{MM}$ multiplies everything at the end."
    earlier = "centre 1" if step == 2 else ("centres 1 and 2" if step == 3 else f"centres 1 to {step - 1}")
    text = (
        f"**Centre {step}**: its cosine with {earlier} must be −1/(L−1) = −{1 / (count - 1):.4f}. One coordinate after "
        "the other is solved for, the j-th from the cosine with centre j: "
    )
    shown = [f"{v:.4f}" for v in rows[step - 1, : min(step - 1, 4)].tolist()]
    text += ", ".join(shown) + (", …" if step - 1 > 4 else "") + ". "
    if step < count:
        own = float(rows[step - 1, step - 1])
        rest = float(rows[step - 1, : step - 1].square().sum())
        return text + (
            f"Coordinate {step}, not used so far, takes what is left to length 1: √(1 − {rest:.4f}) = {own:.4f}."
        )
    return text + f"They have length 1 already: the last of {count} centres needs no new dimension, so L − 1 suffice."
