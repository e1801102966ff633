"""Charts and views of class centres, of features around them, and of what a loss makes of the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.features.density import SampleDensity, pointwise_loss
from core.losses import GeneralizedSoftmax, MaxMahalanobis, max_mahalanobis_centers
from core.losses.base import Loss
from core.losses.centers import shadow
from core.losses.cross_entropy import CrossEntropy
from core.models.heads import CenterHead, QuadraticHead
from core.params import Parameters, parameter
from pages.parts.components.orbit import Cloud, Lines, Scene
from pages.parts.shell import theme


class Arrangement(Parameters):
    """How many centres in how many dimensions; norms and kind are the loss's own parameters."""

    classes: int = parameter(
        4,
        ge=2,
        le=100,
        step=1,
        symbol="L",
        title="Classes",
        paper="MMC report, section 2.3",
        help="How many centres are placed, one for each class.",
    )
    superclasses: int = parameter(
        4,
        ge=2,
        le=20,
        step=1,
        title="Superclasses",
        paper="MMC report, section 4.7",
        help="Groups of classes; CIFAR-100 has 20.",
    )
    subclasses: int = parameter(
        5,
        ge=2,
        le=5,
        step=1,
        title="Classes in each",
        paper="MMC report, section 4.7",
        help="Classes of a superclass; CIFAR-100 has 5.",
    )
    dim: int = parameter(
        3,
        ge=1,
        le=512,
        step=1,
        symbol="d",
        title="Dimensions",
        paper="MMC report, section 2.3",
        help="Of the space in which the centres lie. From L - 1 on, all are equally far apart; below, they are spread "
        "as evenly as can be: regularly in the plane, numerically in most other cases.",
    )
    seed: int = parameter(
        0,
        ge=0,
        le=99,
        step=1,
        title="Seed",
        help="Of the random directions.",
    )


EXAMPLES: dict[str, dict[str, int | str]] = {
    "3 in the plane": {"classes": 3, "dim": 2},
    "4 in space": {"classes": 4, "dim": 3},
    "10 classes, 9 dimensions": {"classes": 10, "dim": 9},
    "12 in space": {"classes": 12, "dim": 3},
    "20 superclasses of 5": {"superclasses": 20, "subclasses": 5, "dim": 64, "centers": "hierarchical"},
    "100 classes": {"classes": 100, "dim": 99},
}
"""Settings to begin with; what they do not say is as declared."""


@dataclass(frozen=True)
class Centres:
    """Centres (L, d) with what can be measured of them; pairs are those above the diagonal, row by row."""

    points: Tensor
    groups: Sequence[int] | None
    """The superclass of every class, where there are superclasses."""

    @property
    def cosines(self) -> Tensor:
        """(L, L) float64."""
        units = normalize(self.points.double())
        return (units @ units.T).clamp(-1, 1)

    @property
    def angles(self) -> Tensor:
        """(L, L) in degrees, from the chord of the unit vectors: exact for small angles too."""
        units = normalize(self.points.double())
        return torch.rad2deg(2 * torch.asin((torch.cdist(units, units) / 2).clamp(max=1)))

    @property
    def distances(self) -> Tensor:
        """(L, L)."""
        points = self.points.double()
        return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")

    def closest(self) -> tuple[int, int]:
        """The two with the smallest angle between them; of several such pairs the first."""
        angles = self.angles.fill_diagonal_(torch.inf)
        near = angles <= angles.min() + 1e-4
        first, second = near.nonzero()[0].tolist()
        return first, second

    def distance_range(self) -> tuple[float, float]:
        """Smallest and largest distance of two."""
        pairs = torch.pdist(self.points.double())
        return float(pairs.min()), float(pairs.max())


def _colour(i: int, groups: Sequence[int] | None) -> tuple[str, str]:
    """Colour and marker of a centre: of hierarchical ones the colour is the superclass's, the shape the member's."""
    if groups is None:
        return theme.colour(i), theme.symbol(i)
    return theme.colour(groups[i]), theme.symbol(groups[:i].count(groups[i]))


def centres_scene(centres: Centres, placed: int | None = None) -> tuple[Scene, float]:
    """Centres as a view, and the share of their squared lengths that it shows; placed: only so many of them."""
    points, groups = centres.points.double(), centres.groups
    count = len(points)
    axes, kept = shadow(points, groups)
    seen = points @ axes
    here = seen[:placed]
    clouds = []
    for i in range(len(here)):
        colour, symbol = _colour(i, groups)
        title = f"centre {i + 1}" + (f", superclass {groups[i] + 1}" if groups is not None else "")
        clouds.append(
            Cloud(
                title,
                here[i : i + 1],
                colour,
                symbol,
                9.0 if count <= 20 else 6.0,
                True,
                [str(i + 1)] if count <= 20 else [],
                [f"{title}\nnorm {float(points[i].norm()):.4g}"],
                legend=False,
            )
        )
    lines = []
    if len(here) > 1:
        pairs = torch.combinations(torch.arange(len(here)))
        if len(here) > 12:
            near = centres.distances[: len(here), : len(here)].fill_diagonal_(torch.inf)
            pairs = (near <= near.min(1, keepdim=True).values * (1 + 1e-5)).triu().nonzero()
            pairs = pairs if len(pairs) <= 3 * len(here) else pairs[:0]  # a simplex: all pairs are nearest ones
        lines.append(Lines(here[pairs[:, 0]], here[pairs[:, 1]]))
        first, second = centres.closest() if placed is None or placed == count else (0, len(here) - 1)
        both, none = here[[first, second]], torch.zeros(2, 3)
        angle = f"{float(centres.angles[first, second]):.2f}°"
        middle = 0.22 * both.sum(0, keepdim=True)
        lines += [Lines(none, both, True), Lines(middle, middle, True, [angle])]
    norm = float(points.norm(dim=1).max())
    fill = norm if kept > 0.999 else float(seen.norm(dim=1).max())
    scene = Scene(
        "",
        clouds,
        max(fill, 1e-9) * 1.08,
        lines,
        norm if kept > 0.999 else 0.0,
        alt=f"{len(here)} class centres in three dimensions; the arrow keys turn the view.",
    )
    return scene, kept


def pair_matrix(values: Tensor, unit: str) -> go.Figure:
    """(L, L) of pairs as a square of colours, numbers in the cells where there is room."""
    count = len(values)
    shown = values.clone()
    shown.fill_diagonal_(torch.nan)
    names = [str(i + 1) for i in range(count)]
    off = shown[~shown.isnan()]
    low, high = float(off.min()), float(off.max())
    flat = high - low < 1e-3 * max(abs(high), 1e-9)  # equal but for rounding: one colour
    figure = go.Figure(
        go.Heatmap(
            z=[[None if math.isnan(v) else v for v in row] for row in shown.tolist()],
            x=names,
            y=names,
            colorscale=theme.PAIRS,
            zmin=low - (0.1 * abs(low) if flat else 0),
            zmax=high + (0.1 * abs(high) if flat else 0),
            texttemplate="%{z:.1f}" if count <= 10 else None,
            textfont={"size": 14},
            xgap=1 if count <= 30 else 0,
            ygap=1 if count <= 30 else 0,
            colorbar={"thickness": 12, "ticksuffix": unit, "tickfont": {"size": 14}},
            hovertemplate=f"centres %{{y}} and %{{x}}: %{{z:.4f}}{unit}<extra></extra>",
            hoverongaps=False,
        )
    )
    _square(figure, count)
    return figure


def coordinate_matrix(rows: Tensor, placed: int) -> go.Figure:
    """Coordinates (L, L - 1) of a construction: filled up to the centre that was placed last."""
    count, dim = rows.shape
    shown = [[v if i < placed and j <= i else None for j, v in enumerate(row)] for i, row in enumerate(rows.tolist())]
    largest = float(rows.abs().max())
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=[str(j + 1) for j in range(dim)],
            y=[str(i + 1) for i in range(count)],
            colorscale=theme.SIGNED,
            zmin=-largest,
            zmax=largest,
            texttemplate="%{z:.3g}" if dim <= 8 else None,
            textfont={"size": 14},
            hoverongaps=False,
            xgap=1 if count <= 30 else 0,
            ygap=1 if count <= 30 else 0,
            colorbar={"thickness": 12, "tickfont": {"size": 14}},
            hovertemplate="centre %{y}, coordinate %{x}: %{z:.6f}<extra></extra>",
        )
    )
    _square(figure, count)
    figure.update_xaxes(title="coordinate", side="top", range=[-0.5, dim - 0.5])
    figure.update_yaxes(title="centre", scaleanchor=None)
    return figure


def _square(figure: go.Figure, count: int) -> None:
    axis = {"type": "category", "showgrid": False, "zeroline": False, "nticks": 12, "tickfont": {"size": 14}}
    figure.update_xaxes(axis, range=[-0.5, count - 0.5], constrain="domain")
    figure.update_yaxes(axis, range=[count - 0.5, -0.5], scaleanchor="x", constrain="domain")
    figure.update_layout(height=430, font_size=14, margin={"l": 8, "r": 8, "t": 8, "b": 8}, uirevision="matrix")


@dataclass(frozen=True)
class Around:
    """Features (N, d) of one network around the centres (K, d) of their classes, lengths in `unit`."""

    title: str
    features: Tensor
    labels: Tensor
    centers: Tensor
    unit: float
    own: Tensor
    """(N,) distance to the own centre, in units."""
    other: Tensor
    """(N,) distance to the nearest other centre, in units."""


def features_scenes(networks: Sequence[Around], chosen: Sequence[int], names: Sequence[str]) -> list[Scene]:
    """The features of the chosen classes about the middle of their centres, all networks at one scale.

    The view's directions are those of the chosen centres, so that up to four are seen where they are.
    """
    found = []
    for one in networks:
        centers = one.centers[list(chosen)].double() / one.unit
        middle = centers.mean(0)
        axes, kept = shadow(_in_own_dimensions(centers - middle))
        basis = _basis(centers - middle)
        mine = torch.isin(one.labels, torch.tensor(list(chosen)))
        spread = one.features[mine].double() / one.unit - middle
        seen = spread @ basis @ axes
        share = float(seen.square().sum() / spread.square().sum())
        found.append((one, (centers - middle) @ basis @ axes, seen, mine, kept, share))
    reach = torch.cat([torch.cat([c, s]).norm(dim=1) for _, c, s, _, _, _ in found])
    radius = float(torch.quantile(reach, 0.98)) * 1.1
    scenes = []
    for one, centers, seen, mine, kept, share in found:
        labels, own = one.labels[mine], one.own[mine]
        clouds = []
        for row, label in enumerate(chosen):
            here = labels == label
            colour, symbol = theme.colour(label), theme.symbol(label)
            notes = [f"{names[label]}: {d:.3f} from its centre" for d in own[here].tolist()]
            clouds.append(Cloud(names[label], seen[here], colour, symbol, 3.2, notes=notes))
            clouds.append(
                Cloud(
                    f"centre of {names[label]}",
                    centers[row : row + 1],
                    colour,
                    symbol,
                    8.0,
                    True,
                    [names[label]],
                    legend=False,
                )
            )
        exact = "centres exact" if kept > 0.999 else f"a shadow with {100 * kept:.0f} % of the centres' squared lengths"
        note = f"{exact}; {100 * share:.0f} % of the features' squared lengths are in this view."
        scenes.append(Scene(one.title, clouds, radius, note=note, alt=f"{one.title}: features around centres. {note}"))
    return scenes


def _basis(points: Tensor) -> Tensor:
    """(L, d) -> (d, r), orthonormal: of the space that the points fill."""
    directions: Tensor
    _, lengths, directions = torch.linalg.svd(points, full_matrices=False)
    return directions[: max(int((lengths > 1e-6 * lengths[0]).sum()), 1)].T


def _in_own_dimensions(points: Tensor) -> Tensor:
    """(L, d) -> (L, r): the same points in coordinates of the space that they fill."""
    return points @ _basis(points)


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
            marker={
                "size": 7,
                "color": theme.colour(label),
                "symbol": theme.symbol(label),
                "opacity": 0.75,
                "line": {"width": 0.6, "color": theme.OUTLINE},
            },
            hovertemplate=f"{names[label]}: own %{{x:.3f}}, nearest other %{{y:.3f}}<extra></extra>",
        )
    figure.add_annotation(x=reach, y=reach, text="equally near", showarrow=False, xanchor="right", yanchor="bottom")
    figure.update_xaxes(title="to the own centre", range=[-0.02 * reach, reach * 1.02], zeroline=False)
    figure.update_yaxes(title="to the nearest other", range=[-0.02 * reach, reach * 1.08], zeroline=False)
    figure.update_layout(
        title={"text": one.title, "font": {"size": 16}},
        height=380,
        font_size=14,
        uirevision="own",
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        legend={"itemsizing": "constant"},
    )
    return figure


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
    figure.update_layout(
        height=260,
        font_size=14,
        barmode="overlay",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        uirevision="histogram",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


WINDOW = 5.0
"""Half the side of the window of the loss's pictures; losses are computed to twice that."""


@dataclass(frozen=True)
class Surface:
    """The loss of one class over the plane: values (n, n) at coordinates (n,), from -2 WINDOW to 2 WINDOW."""

    title: str
    at: Tensor
    values: Tensor
    marks: Tensor
    """(K, 2) centres, or for a linear head the rows of its weight."""

    def area(self, low: float, high: float, half: float) -> float:
        """Of the points of the window of half-side `half` whose loss is between two values; by counting."""
        step = float(self.at[1] - self.at[0])
        inside = self.at.abs() <= half + 1e-9
        seen = self.values[inside][:, inside]
        return float(((seen >= low) & (seen < high)).sum()) * step**2


def surfaces(label: int, ratio: float) -> list[Surface]:
    """SCE, g-SCE and MMC for three classes in the plane, by core's losses on core's heads, were the class `label`.

    ratio: how much more sharply g-SCE's class `label` counts distances than the others (its sigma over theirs).
    """
    at = torch.linspace(-2 * WINDOW, 2 * WINDOW, 241, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(-1, 2)
    centers = max_mahalanobis_centers(3, 2, 2.0).double()
    linear = torch.nn.Linear(2, 3).double()
    quadratic = QuadraticHead(2, 3).double()
    fixed = CenterHead(2, 3).double()
    with torch.no_grad():
        linear.weight.copy_(centers / 2)
        linear.bias.zero_()
        quadratic.centers.copy_(centers)
        assert quadratic.log_precision is not None
        quadratic.log_precision[label] = math.log(ratio)
        fixed.centers.copy_(centers)
    kinds: list[tuple[str, Loss, torch.nn.Module, Tensor]] = [
        ("SCE: linear logits", CrossEntropy(), linear, centers / 2),
        ("g-SCE: quadratic logits", GeneralizedSoftmax(), quadratic, centers),
        ("MMC: distance to the centre", MaxMahalanobis(norm=2.0), fixed, centers),
    ]
    return [
        Surface(title, at, pointwise_loss(loss, head, grid, label).reshape(len(at), -1), marks)
        for title, loss, head, marks in kinds
    ]


def contours(surface: Surface, label: int, low: float, high: float) -> go.Figure:
    """Contours of a loss in the plane, the band between two of them in orange."""
    inside = surface.at.abs() <= WINDOW + 1e-9
    at, values = surface.at[inside].tolist(), surface.values[inside][:, inside].clamp_min(1e-6)
    # Equal steps in the logarithm: the loss of SCE halves again and again.
    figure = go.Figure(
        go.Contour(
            x=at,
            y=at,
            z=values.log2().tolist(),
            customdata=values.tolist(),
            colorscale=theme.LOSSES,
            showscale=False,
            contours={"start": -6, "end": 5, "size": 1},
            line={"width": 1},
            zmin=-6,
            zmax=6,
            hovertemplate="loss %{customdata:.3g}<extra></extra>",
        )
    )
    figure.add_contour(
        x=at,
        y=at,
        z=values.log2().tolist(),
        showscale=False,
        hoverinfo="skip",
        fillcolor=theme.BAND,
        showlegend=False,
        contours={"type": "constraint", "operation": "][", "value": [math.log2(low), math.log2(high)]},
        line={"width": 2, "color": theme.ORANGE},
    )
    for row, (x, y) in enumerate(surface.marks.tolist()):
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=[str(row + 1)],
            textposition="top center",
            showlegend=False,
            textfont={"size": 16, "color": theme.INK},
            hoverinfo="skip",
            marker={
                "size": 15 if row == label else 11,
                "color": theme.colour(row),
                "symbol": theme.symbol(row),
                "line": {"width": 2 if row == label else 1, "color": theme.WHITE},
            },
        )
    figure.update_xaxes(range=[-WINDOW, WINDOW], constrain="domain", zeroline=False)
    figure.update_yaxes(range=[-WINDOW, WINDOW], scaleanchor="x", constrain="domain", zeroline=False)
    figure.update_layout(
        title={"text": surface.title, "font": {"size": 16}},
        height=330,
        font_size=14,
        uirevision="contours",
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
    )
    return figure


def densities(found: Sequence[tuple[str, SampleDensity]]) -> go.Figure:
    """Sample density by shell of the loss, one line a network: every class a point, the line their median."""
    figure = go.Figure()
    for (name, density), look in zip(found, (theme.FIRST, theme.SECOND), strict=True):
        classes, shells = density.by_contour.shape
        x = [float(s + 1) for s in range(shells)]
        figure.add_scatter(
            x=x * classes,
            y=[_number(v) for v in density.by_contour.reshape(-1).tolist()],
            mode="markers",
            showlegend=False,
            marker={"color": look.colour, "symbol": look.symbol, "size": 8, "opacity": 0.45},
            hovertemplate=f"{name}: 10^%{{y:.1f}}<extra></extra>",
        )
        figure.add_scatter(
            x=x,
            y=[_number(v) for v in density.by_contour.nanmedian(0).values.tolist()],
            name=name,
            mode="lines+markers",
            line={"color": look.colour, "width": 3, "dash": look.dash},
            marker={"symbol": look.symbol, "size": 11, "line": {"width": 1, "color": theme.OUTLINE}},
            hovertemplate=f"{name}, median of the classes: 10^%{{y:.2f}}<extra></extra>",
        )
    figure.update_xaxes(
        title="images by their loss, lowest fifth to highest" if shells == 5 else "images by their loss",
        tickvals=x,
        range=[0.6, shells + 0.4],
    )
    figure.update_yaxes(title="sample density, power of ten", zeroline=False)
    figure.update_layout(
        height=400,
        font_size=14,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        uirevision="density",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def neighbour_densities(found: Sequence[tuple[str, SampleDensity]]) -> go.Figure:
    """The check without contours: how many images have how many others around them."""
    figure = go.Figure()
    for (name, density), look in zip(found, (theme.FIRST, theme.SECOND), strict=True):
        values = density.by_neighbours[density.by_neighbours.isfinite()]
        figure.add_histogram(
            x=values.tolist(),
            name=name,
            opacity=0.8,
            marker={"color": look.colour, "pattern": {"shape": look.pattern}},
            xbins={"size": 0.5},
            hovertemplate=f"{name}: %{{y}} images at 10^%{{x}}<extra></extra>",
        )
    figure.update_xaxes(title="density of neighbours, power of ten")
    figure.update_yaxes(title="images")
    figure.update_layout(
        height=400,
        font_size=14,
        barmode="overlay",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        uirevision="neighbours",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def power(exponent: float) -> str:
    """10^exponent as a person writes it: "2.5 × 10¹⁴"."""
    if math.isnan(exponent):
        return "–"
    whole = math.floor(exponent)
    mantissa = f"{10 ** (exponent - whole):.1f}"
    if mantissa == "10.0":
        mantissa, whole = "1.0", whole + 1
    return f"{mantissa} × 10{str(whole).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
