"""How arrays reach the components: packed, each once, and not again as long as it stays on the page.

    arrays = Arrays()
    data = {"points": arrays.name(points), ...}     # the component's data name their arrays
    draw(_component, data, arrays, key="scatter")

An array travels by a carrier, an element of its own, because Streamlit sends an element's data again whenever anything
in them has changed; so a page whose slider moves sends only what the slider has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from torch import Tensor

from pages.parts.components.packing import Parcel, pack
from pages.parts.shell.scripts import joined

_carrier = st.components.v2.component(
    "smoothscope.carrier", js=joined(Path(__file__).parent / "carrier" / "carrier.js"), isolate_styles=False
)


class Arrays:
    """The arrays that a component's data name."""

    def __init__(self) -> None:
        self.parcels: dict[str, Parcel] = {}

    def name(self, values: Tensor | Parcel) -> str:
        """What the component calls an array: its parcel's id. A tensor is packed as it is, exactly as float32."""
        parcel = values if isinstance(values, Parcel) else pack(values)
        self.parcels.setdefault(parcel.id, parcel)
        return parcel.id


def draw(
    component: Callable[..., Any], data: Mapping[str, Any], arrays: Arrays, key: str, **callbacks: Callable[[], None]
) -> None:
    """Put `component` onto the page, which shows `data` as soon as it has all `arrays`.

    key: of the element, stable from run to run. callbacks: on_NAME_change, as Streamlit has them.
    """
    with st.container(gap=None):
        component(data={**data, "arrays": list(arrays.parcels)}, key=key, **callbacks)
        for i, parcel in enumerate(arrays.parcels.values()):
            _carrier(data=parcel.data, key=f"{key}.array{i}")
