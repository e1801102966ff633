"""Features around the centres of their classes: in three dimensions, and by their distances."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import torch

from core.features.around import Around
from pages.parts.charts import plots
from pages.parts.components.orbit import Cloud, Scene
from pages.parts.shell import theme


def features_scenes(networks: Sequence[tuple[str, Around]], chosen: Sequence[int], names: Sequence[str]) -> list[Scene]:
    """The features of the chosen classes about the middle of their centres, all networks at one scale.

    networks: (title, features), a view each. names: of all classes.
    """
    views = [(title, one.seen(chosen)) for title, one in networks]
    reach = torch.cat([torch.cat([view.centers, view.points]).norm(dim=1) for _, view in views])
    radius = float(torch.quantile(reach, 0.98)) * 1.1
    scenes = []
    for title, view in views:
        clouds = []
        for row, label in enumerate(chosen):
            here, name = view.labels == label, names[label]
            colour, symbol = theme.colour(label), theme.symbol(label)
            notes = [f"{name}: {d:.3f} from its centre" for d in view.own[here].tolist()]
            center = view.centers[row : row + 1]
            clouds += [
                Cloud(name, view.points[here], colour, symbol, 3.2, notes=notes),
                Cloud(f"centre of {name}", center, colour, symbol, 8.0, True, [name], legend=False),
            ]
        exact = (
            "centres exact"
            if view.kept > 0.999
            else f"a shadow with {100 * view.kept:.0f} % of the centres' squared lengths"
        )
        note = f"{exact}; {100 * view.share:.0f} % of the features' squared lengths are in this view."
        scenes.append(Scene(title, clouds, radius, note=note, alt=f"{title}: features around centres. {note}"))
    return scenes


def own_against_other(one: Around, chosen: Sequence[int], names: Sequence[str], reach: float) -> go.Figure:
    """Distance to the own centre against distance to the nearest other, one trace a class; below the line is wrong."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, reach],
        y=[0, reach],
        mode="lines",
        line={"color": theme.REFERENCE.colour, "dash": theme.REFERENCE.dash},
        hoverinfo="skip",
        showlegend=False,
    )
    for label in chosen:
        mine = one.labels == label
        figure.add_scatter(
            x=one.own[mine].tolist(),
            y=one.other[mine].tolist(),
            mode="markers",
            name=str(names[label]),
            marker=plots.of_class(label, size=7, opacity=0.75),
            hovertemplate=f"{names[label]}: own %{{x:.3f}}, nearest other %{{y:.3f}}<extra></extra>",
        )
    figure.add_annotation(x=reach, y=reach, text="equally near", showarrow=False, xanchor="right", yanchor="bottom")
    figure.update_xaxes(title="to the own centre", range=[-0.02 * reach, reach * 1.02], zeroline=False)
    figure.update_yaxes(title="to the nearest other", range=[-0.02 * reach, reach * 1.08], zeroline=False)
    return plots.style(figure, 350, "own", legend={"itemsizing": "constant"})


def distance_histogram(one: Around, chosen: Sequence[int], reach: float) -> go.Figure:
    """How many features are how far from the own centre and from the nearest other."""
    mine = torch.isin(one.labels, torch.tensor(list(chosen)))
    figure = go.Figure()
    for values, name, look in ((one.own, "own centre", theme.FIRST), (one.other, "nearest other", theme.SECOND)):
        figure.add_histogram(
            x=values[mine].tolist(),
            name=name,
            opacity=0.8,
            xbins={"start": 0, "end": reach * 1.05, "size": reach / 60},
            marker={"color": look.colour, "pattern": {"shape": look.pattern}},
            hovertemplate=f"{name}: %{{y}} at %{{x}}<extra></extra>",
        )
    figure.update_xaxes(title="distance", range=[0, reach * 1.05])
    figure.update_yaxes(title="images")
    return plots.style(figure, 260, "histogram", barmode="overlay", legend=plots.LEGEND_ABOVE)
