"""Every colour, marker and dash of the app, once: Plotly, the style sheets and the scripts are given them from here.

The page's own colours (ground, text, accent) are Streamlit's. It reads them from .streamlit/config.toml, which a test
holds to `PAGE`; scripts and style sheets have them as --st-... from Streamlit, and the others as --ss-... from `css`.
"""

from __future__ import annotations

from dataclasses import dataclass

WHITE, BLACK = "#ffffff", "#000000"
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""From Okabe and Ito's palette, which colour-blind people can tell apart."""
GREY = "#7f7f7f"
"""Lines to compare with, and what is not looked at: seen on light ground and on dark."""
WARNING = "#dc143c"
"""What a loss punishes: edges between classes."""
INK = "#111111"
"""Words on coloured ground, whatever the page's."""

CLASSES = (BLUE, ORANGE, GREEN, RED, PURPLE, "#56b4e9", "#b8a800", "#007373", "#9a4fb8", "#a0522d")
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "cross",
    "x",
    "triangle-up",
    "triangle-down",
    "star",
    "pentagon",
    "hexagon",
)
"""One colour and one shape for each of ten classes: Okabe and Ito's palette, its yellow darkened, and three more, seen
on light ground and on dark. None is grey, which is for what is not looked at."""
SOLIDS = ("circle", "square", "diamond", "circle-open", "square-open", "diamond-open")
"""The shapes of classes in Plotly's three-dimensional charts, which draw no others well."""
CENTER = "circle-open"
"""The shape of a class's centre among its points."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""One for each of several lines, so that they can be told apart without their colours."""
STROKES = {"solid": "", "dash": "9 6", "dot": "1 6"}
"""The first three as SVG has them."""
DRAWN = ("solid", "dashed", "dotted")
"""What these are called."""


def colour(index: int) -> str:
    """Of a class, or of one of several lines, counted from 0."""
    return CLASSES[index % len(CLASSES)]


def symbol(index: int) -> str:
    """Of a class, counted from 0."""
    return SYMBOLS[index % len(SYMBOLS)]


def dash(index: int) -> str:
    """Of one of several lines, counted from 0."""
    return DASHES[index % len(DASHES)]


def faded(solid: str, opacity: float) -> str:
    """`solid` ("#rrggbb") as it lets `1 - opacity` of the ground through."""
    red, green, blue = (int(solid[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def muted(solid: str, share: float = 0.25) -> str:
    """`solid` ("#rrggbb") with `share` of its colourfulness, as bright as before: a class that is not looked at."""
    levels = [int(solid[i : i + 2], 16) for i in (1, 3, 5)]
    grey = 0.2126 * levels[0] + 0.7152 * levels[1] + 0.0722 * levels[2]
    return "#" + "".join(f"{round(grey + share * (level - grey)):02x}" for level in levels)


MUTED = tuple(muted(solid) for solid in CLASSES)
"""The colours of `CLASSES` for the points beside those that are selected."""

OUTLINE = faded("#a0a0a0", 0.9)
"""Around markers, so that those of one colour are told apart where they lie on each other."""
FAINT = faded(GREY, 0.45)
"""Axes, frames, and lines of which there are many."""
BAND = faded(ORANGE, 0.75)
"""What lies between two contours."""
RULED = faded(WHITE, 0.55)
"""Lines on the colours of `WEIGHTS`."""

WEIGHTS = [[0, "#12161d"], [0.25, "#4f1a63"], [0.5, "#b73779"], [0.75, "#fb8861"], [1, "#fcfdbf"]]
"""Colours of weights, dark to light, like matplotlib's magma."""
SHARES = [[0.0, "rgb(214,108,77)"], [0.5, "rgb(243,217,164)"], [1.0, "rgb(98,168,212)"]]
"""Colours of shares from none to all, on which `INK` can be read."""
PAIRS, SIGNED, LOSSES = "Cividis", "RdBu", "Blues"
"""Plotly's scales for distances and angles, for values about zero, for a loss in the plane."""


@dataclass(frozen=True)
class Look:
    """How one of a few things in a chart looks: no two of them differ by their colour alone."""

    colour: str
    symbol: str
    dash: str = "solid"
    pattern: str = ""
    """Of bars."""


FIRST = Look(BLUE, "circle", "solid", "")
SECOND = Look(ORANGE, "square", "dash", "/")
REFERENCE = Look(GREY, "x", "dot")
"""What the others are compared with."""
NETWORKS = (Look(ORANGE, "circle", "solid"), Look(BLUE, "diamond", "dash"), REFERENCE)
"""Cross-entropy's, that with fixed centres, and what else is said of either."""
PAPER = Look(PURPLE, "diamond-open", "dot")
"""A paper's numbers beside ours."""
POINTED = Look(RED, "x", "dot")
"""What a chart is about: one image among many, those that were fooled, a bound."""
CURVES = {
    "published-cw": Look(BLUE, "circle-open", "dot"),
    "published-scw": Look(ORANGE, "square-open", "dot"),
    "cw": Look(BLUE, "circle"),
    "ddn": Look(CLASSES[5], "triangle-up"),
    "scw": Look(ORANGE, "square", "dash"),
    "sddn": Look(CLASSES[6], "triangle-down", "dash"),
    "scw-rho": Look(PURPLE, "diamond", "dash"),
    "sddn-rho": Look(CLASSES[8], "star", "dash"),
    "smoothfool": Look(GREEN, "cross", "dash"),
    "sf": Look(GREEN, "cross"),
    "sfcode": Look(BLUE, "circle", "dash"),
    "sfpaper": Look(ORANGE, "square-open", "dot"),
    "fgsm": Look(RED, "x"),
    "ifgsm": Look(CLASSES[9], "pentagon"),
    "pgd2": Look(CLASSES[7], "hexagon"),
    "qpgd2": Look(CLASSES[7], "hexagon-open", "dash"),
}
"""Attacks on many images. Of a plain one and a smooth one the smooth one is dashed; as published, both are dotted."""
RING = Look(RED, "circle-open")
"""Around the point that is looked at."""
BEFORE = Look(GREEN, "circle-open")
"""Where something was before it was moved."""

PAGE: dict[str, dict[str, str | dict[str, str]]] = {
    "light": {
        "primaryColor": "#0f6b62",
        "backgroundColor": "#fbfaf7",
        "secondaryBackgroundColor": "#efece4",
        "textColor": "#1d2422",
        "linkColor": "#0b5a52",
        "borderColor": "#d5d0c4",
        "sidebar": {"backgroundColor": "#f4f1ea", "secondaryBackgroundColor": "#fbfaf7"},
    },
    "dark": {
        "primaryColor": "#3fb8a9",
        "backgroundColor": "#101514",
        "secondaryBackgroundColor": "#1b2322",
        "textColor": "#edf2f0",
        "linkColor": "#63cfc1",
        "borderColor": "#34403e",
        "sidebar": {"backgroundColor": "#151c1b", "secondaryBackgroundColor": "#101514"},
    },
}
"""The page by Streamlit's names for its parts, light and dark."""

VARIABLES = {
    "white": WHITE,
    "black": BLACK,
    "ink": INK,
    "ground": f"light-dark({PAGE['light']['backgroundColor']}, {PAGE['dark']['backgroundColor']})",
    "frame": FAINT,
    "rule": faded(GREY, 0.25),
    "true": "#0f8a7e",
    "other": "#c8553d",
}
"""What style sheets and scripts call --ss-NAME. ground: the page's, of what covers some of it; true, other: bars of the
true class and of the others."""


def css(selector: str = ":root") -> str:
    """`VARIABLES` for whatever `selector` selects, and all that is in it, a component's shadow root included."""
    return f"{selector} {{ {' '.join(f'--ss-{name}: {value};' for name, value in VARIABLES.items())} }}\n"
