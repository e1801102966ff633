"""Real photographs that are on every machine already: those inside the wheels of scikit-image and scikit-learn."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch

from core.data import imagenet
from core.data.files import read_image
from core.data.imageset import DataError, ImageSet, draw


@dataclass(frozen=True)
class Photo:
    """One photograph. label: its ImageNet class where its main subject plainly has one, otherwise -1."""

    name: str
    title: str
    label: int
    package: str
    file: str
    credit: str

    @property
    def path(self) -> Path:
        """Where it lies; DataError if its package is not installed or does not carry it."""
        spec = importlib.util.find_spec(self.package)  # finds the package without importing it
        folders = spec.submodule_search_locations if spec else None
        path = Path(folders[0]) / self.file if folders else None
        if path is None or not path.is_file():
            raise DataError(f"The photograph {self.name} is missing; run: python -m pip install -r requirements.txt")
        return path


_SKIMAGE = ("skimage", "data/")
_SKLEARN = ("sklearn", "datasets/images/")


def _photo(name: str, title: str, label: int, source: tuple[str, str], file: str, credit: str) -> Photo:
    return Photo(name, title, label, source[0], source[1] + file, credit)


PHOTOS: dict[str, Photo] = {
    photo.name: photo
    for photo in (
        _photo("coffee", "Cup of espresso", 967, _SKIMAGE, "coffee.png", "Rachel Michetti, Pikolo Espresso Bar, CC0"),
        _photo("cat", "Chelsea the cat", 281, _SKIMAGE, "chelsea.png", "Stéfan van der Walt, CC0"),
        _photo("flower", "Dahlia", -1, _SKLEARN, "flower.jpg", "vultilion on Flickr, CC BY 2.0"),
        _photo("motorcycle", "Motorcycle", -1, _SKIMAGE, "motorcycle_left.png", "Middlebury stereo data sets, 2014"),
        _photo("china", "Tower in Beijing", -1, _SKLEARN, "china.jpg", "danielbuechele on Flickr, CC BY 2.0"),
        _photo("rocket", "Falcon 9 before its launch", -1, _SKIMAGE, "rocket.jpg", "SpaceX, public domain"),
        _photo("astronaut", "Eileen Collins", -1, _SKIMAGE, "astronaut.png", "NASA, public domain"),
        _photo("retina", "Human retina", -1, _SKIMAGE, "retina.jpg", "Mikael Häggström, CC0"),
        _photo("hubble", "Hubble's extreme deep field", -1, _SKIMAGE, "hubble_deep_field.jpg", "NASA, public domain"),
        _photo("camera", "Photographer at work", -1, _SKIMAGE, "camera.png", "Lav Varshney, CC0"),
        _photo("coins", "Greek coins from Pompeii", -1, _SKIMAGE, "coins.png", "Brooklyn Museum"),
        _photo("moon", "Surface of the moon", -1, _SKIMAGE, "moon.png", "scikit-image"),
        _photo("brick", "Brick wall", -1, _SKIMAGE, "brick.png", "CC0Textures, CC0"),
        _photo("grass", "Grass", -1, _SKIMAGE, "grass.png", "linolafett on DeviantArt, CC0"),
        _photo("gravel", "Gravel", -1, _SKIMAGE, "gravel.png", "CC0Textures, CC0"),
    )
}
"""By name; colour photographs of things first, and before all one that EfficientNet-Lite0 names right: an attack on it
has something to do. scikit-image's drawings, page scans and micrographs are left out."""


def available() -> bool:
    """Whether every photograph is there."""
    try:
        return all(photo.path for photo in PHOTOS.values())
    except DataError:
        return False


def load(
    size: tuple[int, int] = (224, 224), n: int | None = None, seed: int = 0, crop_fraction: float | None = None
) -> ImageSet:
    """The photographs, cropped and resized as ImageNet's networks expect; labels -1 where no ImageNet class fits.

    size: (height, width). n, seed: as in `core.data.load`. crop_fraction: what is kept of the shorter side, that of
    EfficientNet-Lite if left out. Grey photographs have three equal channels.
    """
    chosen = draw(n, len(PHOTOS), seed)
    photos = [list(PHOTOS.values())[index] for index in chosen]
    crop = imagenet.crop_fraction(min(size)) if crop_fraction is None else crop_fraction
    return ImageSet(
        images=torch.cat([read_image(photo.path, size, 3, crop) for photo in photos]),
        labels=torch.tensor([photo.label for photo in photos]),
        classes=imagenet.classes(),
        name="photos",
        split="test",
        source="files",
        note="Photographs from the installed packages scikit-image and scikit-learn, centre-cropped and resized.",
        indices=torch.from_numpy(chosen),
        names=tuple(photo.name for photo in photos),
    )
