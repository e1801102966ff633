"""What the server keeps between runs of a page, all of it bounded."""

from __future__ import annotations

import threading
from typing import Any

import streamlit as st
from torch import Tensor

from core import data, magnify, metrics, models
from core.data import ImageError, ImageSet
from core.defenses import Defended
from core.models import Classifier, logits_of
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.shell import reading
from pages.parts.shell.settings import settings

_pictures: Bounded[Tensor | str] = Bounded(settings().pictures_kept)
_decoding = threading.Lock()
"""Who brings a picture that another is bringing waits for that one's."""


def picture(content: bytes, digest: str, shape: tuple[int, int, int], crop_fraction: float) -> Tensor:
    """A picture from a file as a network takes it, (1, C, H, W); decoded once, also where that fails.

    digest: a hash of `content`. shape: (C, H, W). ImageError in one sentence if it cannot be used, every time.
    """
    largest = settings().largest_picture
    key = fingerprint(digest, shape, crop_fraction, largest)
    found = _pictures.get(key)
    if found is None:
        with _decoding:
            found = _pictures.get(key)  # another session may have brought the same
            if found is None:
                found = _decoded(content, shape, crop_fraction, largest)
                _pictures.put(key, found)
    if isinstance(found, str):
        raise ImageError(found)
    return found


def _decoded(content: bytes, shape: tuple[int, int, int], crop_fraction: float, largest: int) -> Tensor | str:
    try:
        return reading.picture(content, shape, crop_fraction, largest)
    except ImageError as error:
        return str(error)


@st.cache_resource(max_entries=settings().networks_kept, show_spinner="Loading the network")
def model(name: str, sha256: str) -> Classifier:
    """The frozen network `name`; a retrained one has another hash and is loaded anew."""
    return models.load(name)


def _named(model: Classifier) -> str:
    return repr((model.card, model.defense)) if isinstance(model, Defended) else repr(model.card)


_HASHES: dict[Any, Any] = {Tensor: fingerprint, Classifier: _named, Defended: _named}


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=_HASHES)
def answer(model: Classifier, picture: Tensor) -> Tensor:
    """Logits (K,) of a picture (1, C, H, W), which every run of a page asks for."""
    return logits_of(model, picture)[0]


@st.cache_resource(max_entries=settings().image_sets_kept, show_spinner="Loading the pictures")
def images(name: str, n: int | None = None) -> ImageSet:
    """`n` test images of a data set, the same for every session."""
    return data.load(name, "test", n)


@st.cache_resource(max_entries=4, show_spinner="Loading the pictures")
def photographs(shape: tuple[int, int, int], crop_fraction: float) -> ImageSet:
    """The photographs as a network of `shape` (C, H, W) takes them, the same for every session."""
    return data.photos.load(shape[1:], crop_fraction=crop_fraction)


@st.cache_data(max_entries=settings().statistics_kept, show_spinner=False, hash_funcs={Tensor: fingerprint})
def statistics(pictures: Tensor, sigma_domain: float, sigma_range: float) -> magnify.LocalStatistics:
    """The part of magnification that does not depend on beta, so that beta can be moved freely."""
    return magnify.local_statistics(pictures, sigma_domain, sigma_range)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Tensor: fingerprint})
def mad(reference: Tensor, distorted: Tensor) -> Tensor:
    """Most apparent distortion: takes longer than everything else that is said of a perturbation."""
    return metrics.mad(reference, distorted)


@st.cache_resource(max_entries=4, show_spinner="Loading the pictures")
def gallery(name: str, split: str = "test") -> ImageSet:
    """The images of a data set that come with the project: a thousand test images, or some that are trained on."""
    return data.gallery.read(name, split=split)


@st.cache_data(show_spinner=False)
def suited(shape: tuple[int, int, int]) -> list[str]:
    """The networks that can be trained on images of a shape."""
    from core.train import suited as ask

    return ask(shape)
