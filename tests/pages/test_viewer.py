"""The microscope's Python side: arrays travel exactly, a film keeps the steps it should, panels say what is wrong."""

import json
import re

import numpy as np
import pytest
import torch
from driver import Lab, levels, unpack, viewers
from hypothesis import given
from hypothesis import strategies as st

from core import data, models
from core.attacks import ATTACKS, Run, Step, run
from core.data.files import quantize
from core.metrics import roughness
from core.params import quick
from pages.parts.components import film as films
from pages.parts.components import viewer as microscope
from pages.parts.components.film import FRAMES, IMAGE, Recorder, chosen, key_frames
from pages.parts.components.packing import STEP, Parcel, pack, pack_steps, rounded
from pages.parts.components.viewer import Panel, viewer
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Stop
from pages.parts.work import attacks

MNIST = data.gallery.read("mnist")
PHOTO = data.gallery.read("cifar10").images[0]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def kind(parcel: Parcel) -> str:
    """How a parcel is coded."""
    length = int.from_bytes(parcel.data[:4], "little")
    return json.loads(parcel.data[4 : 4 + length])["kind"]


@pytest.mark.parametrize(
    ("values", "coded"),
    [
        (PHOTO, "u8"),
        (torch.tensor([[[0.0, 1.0, 128 / 255]]]), "u8"),
        (torch.tensor([3.0, -32767.0, 32767.0]), "i16"),
        (torch.tensor([3.0, 32768.0]), "f32"),
        (torch.zeros(2, 0), "u8"),
        (rounded(0.01 * noise(3, 9, 7)), "i16"),
        (rounded(torch.tensor([[[-1.004, 1.004, 0.0, -1.0, 1.0]]])), "i16"),
        (noise(3, 9, 7), "f32"),
        (torch.tensor([[1.0, float("nan"), -float("inf"), 1e-45]]), "f32"),
    ],
)
def test_arrays_travel_exactly(values: torch.Tensor, coded: str):
    parcel = pack(values)
    assert kind(parcel) == coded
    name, arrived = unpack(parcel.data)
    assert name == parcel.id
    np.testing.assert_array_equal(arrived.reshape(values.shape), values.numpy())


@pytest.mark.parametrize("off", [1e-5, -1e-5, 1e-6, 1e-7])
def test_a_picture_just_off_its_levels_travels_as_floats(off: float):
    """A hundred-thousandth is a 400th of a level: no eye sees it, and the readout says it."""
    values = PHOTO.clone()
    values[1, 5, 7] = 100 / 255 + off
    assert float(values[1, 5, 7]) != np.float32(100 / 255)
    for picture in (values, (PHOTO + off).clamp(0, 1)):
        parcel = pack(picture)
        assert kind(parcel) == "f32"
        _, arrived = unpack(parcel.data)
        np.testing.assert_array_equal(arrived, picture.numpy())


def test_what_is_just_off_its_steps_travels_as_floats():
    values = rounded(0.01 * noise(3, 9, 7))
    assert kind(pack(values)) == "i16"
    values[2, 8, 6] += 1e-7
    parcel = pack(values)
    assert kind(parcel) == "f32"
    np.testing.assert_array_equal(unpack(parcel.data)[1], values.numpy())


def test_the_name_of_an_array_is_that_of_its_values():
    """The browser keeps what it has by name: equal numbers of other steps, in another shape or kind are not equal."""
    numbers = np.array([[3, -2, 0, 7], [1, 1, -5, 2]], np.int16).reshape(2, 1, 2, 2)
    parcels = [
        pack_steps(numbers, [STEP, STEP]),
        pack_steps(numbers, [STEP, STEP / 2]),
        pack_steps(numbers, [STEP / 2, STEP]),
        pack_steps(numbers.reshape(2, 1, 1, 4), [STEP, STEP]),
        pack_steps(numbers + np.int16(1), [STEP, STEP]),
        pack(torch.zeros(1, 2, 8)),
        pack(torch.zeros(1, 4, 4)),
        pack(torch.full((1, 4, 4), 2e-45)),
    ]
    assert len({parcel.id for parcel in parcels}) == len(parcels)
    assert [unpack(parcel.data)[0] for parcel in parcels] == [parcel.id for parcel in parcels]
    assert pack_steps(numbers.copy(), [STEP, STEP]) == parcels[0]
    assert pack(torch.zeros(1, 2, 8)) == parcels[5]


def test_small_arrays_are_small():
    smooth = torch.linspace(0, 0.02, 224).expand(3, 224, 224)
    assert len(pack(PHOTO).data) < 0.9 * PHOTO.numel()
    assert len(pack(rounded(0.02 * noise(3, 64, 64))).data) < 0.45 * 4 * 3 * 64 * 64
    assert len(pack(rounded(smooth)).data) < 0.05 * 4 * smooth.numel()


@given(st.lists(st.lists(st.integers(-32767, 32767), min_size=6, max_size=6), min_size=2, max_size=5))
def test_frames_travel_exactly(numbers: list[list[int]]):
    steps = np.array(numbers, np.int16).reshape(-1, 1, 2, 3)  # differences of which 16 bits cannot hold
    sizes = [STEP / (1 + i) for i in range(len(steps))]
    _, arrived = unpack(pack_steps(steps, sizes).data)
    np.testing.assert_array_equal(
        arrived, [(s * size).astype(np.float32) for s, size in zip(steps, sizes, strict=True)]
    )


@given(st.integers(1, 5000), st.integers(4, FRAMES), st.data())
def test_the_chosen_are_even_with_the_best_and_the_last(n: int, limit: int, draw: st.DataObject):
    best = draw.draw(st.integers(0, n - 1))
    order = chosen(n, best, limit)
    assert order == sorted(set(order))
    assert len(order) <= limit
    assert {0, best, n - 1} <= set(order) <= set(range(n))
    even = [i for i in order if i not in (best, n - 1)]
    gaps = set(np.diff(even).tolist())
    if n <= limit:
        assert order == list(range(n))
    else:  # not wastefully few
        assert len(order) > limit // 2 - 2
    # All others are equally far apart, but for the place where the best was one of them.
    assert len(gaps) <= 2
    assert len(gaps) < 2 or max(gaps) == 2 * min(gaps)


def step(number: int, image: torch.Tensor, best: torch.Tensor, found: bool = False, **detail: torch.Tensor) -> Step:
    ok = torch.tensor([True])
    scalars = {"margin": torch.tensor([1.0 if found else -1.0])}
    return Step(number, 999, image[None], best[None], torch.tensor([found]), scalars, ok, detail)


@pytest.mark.parametrize(("made", "best"), [(1, 0), (5, 2), (64, 63), (65, 30), (300, 77), (300, 299)])
def test_a_recorder_keeps_the_chosen_steps(made: int, best: int):
    """Every kept frame has the very levels of its step, ties included, though it is kept to 1/128 of a level."""
    clean = PHOTO
    images = [(clean + 0.05 * noise(3, 32, 32, seed=i)).clamp(0, 1) for i in range(made)]
    images[0] = ((clean * 255 + 0.5) / 255).clamp(0, 1)  # half way between two levels
    recorder = Recorder(clean)
    current = clean.clone()
    for i, image in enumerate(images):
        current.copy_(image)  # an attack may overwrite what it yields
        recorder.see(step(i + 1, current, images[best] if i >= best else clean, found=i >= best))
        current.zero_()
    film = recorder.film()
    assert film is not None
    order = chosen(made, best)
    assert film.steps == tuple(i + 1 for i in order)
    assert film.steps[film.best] == best + 1
    _, offsets = unpack(film.strips[IMAGE].data)
    offsets = offsets.reshape(-1, 3, 32, 32)
    for i, offset in zip(order, torch.from_numpy(offsets), strict=True):
        np.testing.assert_array_equal(levels((clean + offset).clamp(0, 1)), levels(quantize(images[i])))
        assert (offset - (images[i] - clean)).abs().max() <= 1.01 * STEP
    np.testing.assert_allclose(
        film.roughness, [roughness(images[i][None] - clean, 1.0)[0] for i in order], rtol=0.01, atol=1e-4
    )
    fools = [i >= best for i in order]
    assert film.notes[IMAGE] == tuple("fools the network" if f else "does not fool the network" for f in fools)


def test_a_film_of_noise_keeps_fewer_frames(monkeypatch: pytest.MonkeyPatch):
    recorder = Recorder(PHOTO)
    for i in range(100):
        image = (PHOTO + 0.1 * noise(3, 32, 32, seed=i)).clamp(0, 1)
        recorder.see(step(i + 1, image, image if i >= 70 else PHOTO))
    whole = recorder.film()
    assert whole is not None
    assert whole.steps[whole.best] == 100
    monkeypatch.setattr(films, "BYTES", len(whole.strips[IMAGE].data) // 2)
    short = recorder.film()
    assert short is not None
    assert len(short.strips[IMAGE].data) <= films.BYTES
    assert short.steps == tuple(i + 1 for i in chosen(100, 99, FRAMES // 4 if len(short.steps) < 18 else FRAMES // 2))
    assert short.steps[short.best] == 100


def test_nothing_made_is_no_film():
    assert Recorder(PHOTO).film() is None


def test_key_frames_are_those_wanted_and_others_far_from_them():
    assert key_frames(range(1, 101), [0, 99]) == (0, 12, 24, 49, 74, 99)
    assert key_frames([1, 2, 3, 50, 100], [0, 2, 4], limit=4) == (0, 2, 3, 4)  # by the steps' numbers
    assert key_frames([1, 2, 3], [2]) == (0, 1, 2)  # no more than there are
    assert key_frames(range(1, 10), [0, 3, 5, 8], limit=2) == (0, 3, 5, 8)


def test_a_film_keeps_what_was_heard_and_asks_about_the_rest():
    asked: list[torch.Tensor] = []

    def ask(images: torch.Tensor) -> torch.Tensor:
        asked.append(images)
        return torch.tensor([[0.0, 1.0, 0.0]])

    def heard(image: torch.Tensor) -> torch.Tensor | None:
        return torch.tensor([2.0, 0.0, 0.0]) if torch.equal(image, PHOTO) else None

    recorder = Recorder(PHOTO, ask=ask, heard=heard, label=2)
    for i in range(3):
        recorder.see(step(i + 1, (PHOTO + i / 8).clamp(0, 1), PHOTO))
    film = recorder.film()
    assert film is not None
    assert [answer.classes[0] for answer in film.answers] == [0, 1, 1]
    torch.testing.assert_close(
        torch.cat(asked), torch.stack([(PHOTO + i / 8).clamp(0, 1) for i in (1, 2)]), atol=2e-5, rtol=0
    )
    p = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64).softmax(0).tolist()
    assert film.answers[0].probabilities == pytest.approx(p)
    assert film.answers[0].truth == pytest.approx(p[2])
    assert film.keys == (0, 1, 2)
    assert film.pictures is not None
    assert film.pictures.dtype == torch.uint8
    np.testing.assert_array_equal(
        film.pictures[1].numpy(), (quantize((PHOTO + 1 / 8).clamp(0, 1)) * 255).round().byte()
    )


@pytest.mark.parametrize("name", ["scw", "deepfool", "ifgsm", "spsa"])
def test_what_a_film_says_of_each_step_is_what_the_network_says(name: str):
    """Heard meanwhile or asked afterwards, it is the same; and steps are counted in one way, also of a stopped run."""
    digits, model = data.gallery.read("mnist"), models.load("mnist-c4-ce")
    made: list[torch.Tensor] = []
    work = ATTACKS[name](**quick(ATTACKS[name]))
    network = Network.of(model.card)
    running = attacks.attack(work, network, digits.images[:1], digits.labels[:1], 1)
    first = next(running).snapshot
    assert first.step == 1
    with pytest.raises(StopIteration) as end:
        running.throw(Stop())
    stopped = end.value.value
    assert len(stopped.result.trace["step"]) == stopped.film.steps[-1] == 1
    running = attacks.attack(work, network, digits.images[:1], digits.labels[:1], 1)
    shown = []
    try:
        while True:
            shown.append(next(running).snapshot.step)
    except StopIteration as over:
        finished = over.value
    result = run(
        work,
        model,
        digits.images[:1],
        digits.labels[:1],
        seed=1,
        on_step=lambda each: made.append(each.images.detach().clone()),
    )
    assert torch.equal(result.adversarial, finished.result.adversarial)
    assert finished.film.steps[-1] == len(made) == len(finished.result.trace["step"]) >= max(shown)
    for number, answer in zip(finished.film.steps, finished.film.answers, strict=True):
        if number == finished.film.steps[finished.film.best]:
            continue  # of the result, which may be an earlier image
        p = model(made[number - 1])[0].detach().double().softmax(0)
        assert answer.classes[0] == int(p.argmax())
        assert answer.probabilities == pytest.approx(p.topk(3).values.tolist(), abs=2e-3)
        assert answer.truth == pytest.approx(float(p[digits.labels[0]]), abs=2e-3)


def test_details_are_kept_however_small():
    r = 1e-7 * noise(1, 3, 32, 32)
    recorder = Recorder(PHOTO)
    recorder.see(step(1, PHOTO, PHOTO, r=1000 * r))
    recorder.see(step(2, quantize(PHOTO + 0.004), quantize(PHOTO + 0.004), r=r))
    film = recorder.film()
    assert film is not None
    assert film.peaks == pytest.approx([1000 * float(r.abs().max()), float(r.abs().max())])
    _, frames = unpack(film.strips["r"].data)
    for frame, expected in zip(torch.from_numpy(frames), (1000 * r[0], r[0]), strict=True):
        assert (frame - expected).abs().max() <= 0.51 * expected.abs().max() / 2047
    assert torch.equal(film.details["r"], torch.from_numpy(frames)[1])


def test_levels_are_what_is_shown():
    values = torch.tensor([[[-1.0, -0.5, -0.25, 0.0, 0.25, 0.5]]])
    assert microscope.levels(Panel("p", values.abs()))[0, :, 0].tolist() == [255, 128, 64, 0, 64, 128]
    assert microscope.levels(Panel("p", values, span=1))[0, :, 0].tolist() == [0, 0, 64, 128, 191, 255]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"values": torch.zeros(2, 4, 4)}, "values of 'p' must be (C, H, W) with C 1 or 3; got shape (2, 4, 4)"),
        ({"values": torch.zeros(4, 4)}, "values of 'p' must be (C, H, W)"),
        ({"values": torch.zeros(1, 4, 4), "span": 0}, "span of 'p' must be above 0; got 0"),
        ({"values": torch.zeros(1, 4, 4), "base": torch.zeros(1, 4, 5)}, "base of 'p' must have the shape of values"),
    ],
)
def test_what_a_panel_refuses(arguments: dict, words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        Panel("p", **arguments)


def test_what_a_viewer_refuses():
    with pytest.raises(ValueError, match="at least one panel; got none"):
        viewer([], "v")
    with pytest.raises(ValueError, match="one height and width, 4 x 4; got 4 x 5 in 'b'"):
        viewer([Panel("a", torch.zeros(1, 4, 4)), Panel("b", torch.zeros(3, 4, 5))], "v")
    with pytest.raises(ValueError, match="best must be one of the 3 steps, from 0 to 2; got 3"):
        chosen(3, 3)


@pytest.mark.parametrize("attack", ["scw", "smoothfool"])
def test_the_lab_shows_the_attacks_own_steps(lab: Lab, attack: str):
    values = {"iterations": 10, "search_steps": 12} if attack == "scw" else {}
    if attack != lab.attack:
        lab.choose(attack)
    lab.run(**values)
    (shown,) = viewers(lab.app)
    seen = lab.pictures
    driver = Run(
        ATTACKS[attack](**lab.result.parameters), models.load("mnist-c4-ce"), MNIST.images[:1], MNIST.labels[:1], 0
    )
    images, details = [], []
    for made in driver:
        images.append(made.images[0].clone())
        details.append({name: r[0].clone() for name, r in made.detail.items()})
    best = shown["film"]["best"]
    steps = shown["film"]["steps"]
    assert steps == list(lab.shown.run.film.steps)
    assert len(steps) <= FRAMES
    name = "Adversarial" if lab.verdict else "Nearest attempt"
    assert torch.equal(seen[name].values, lab.result.adversarial[0])
    assert torch.equal(seen["Perturbation"].values, lab.result.perturbation[0])
    assert seen[name].steps is not None
    assert seen["Perturbation"].steps is not None
    assert seen["Original"].steps is None
    for i, number in enumerate(steps):
        image = lab.result.adversarial[0] if i == best else images[number - 1]
        np.testing.assert_array_equal(levels(seen[name].steps[i].clamp(0, 1)), levels(quantize(image)))
        r = image - MNIST.images[0]
        assert (seen["Perturbation"].steps[i] - r).abs().max() <= 1.01 * STEP
        for title, r in details[number - 1].items():
            frame = seen[title[0].upper() + title[1:]].steps[i]
            assert (frame - r).abs().max() <= max(float(d.abs().max()) for d in details[number - 1].values()) / 2000
    assert torch.equal(quantize(images[steps[best] - 1]), lab.result.adversarial_8bit[0])
    # The traces are those of the result, at every step that was made.
    trace = lab.result.trace
    curves = shown["values"][shown["curves"]]
    titles = [t["title"] for t in shown["traces"]]
    assert {"margin", "distortion L2", "roughness Ω"} <= set(titles)
    for title, curve in zip(titles, curves, strict=True):
        key = title.split()[0]
        if key in trace:
            np.testing.assert_array_equal(curve, trace[key][:, 0].numpy())
    rough = curves[titles.index("roughness Ω")]
    expected = roughness(lab.result.perturbation, 1.0)[0]
    assert rough[steps[best] - 1] == pytest.approx(float(expected), rel=0.01)
