"""The front: against linear classifiers, where what fools within a bound is known, and by its command."""

import shlex

import numpy as np
import pytest
import torch

from core import data, metrics
from core.__main__ import main
from core.attacks import DDN, FGSM, CarliniWagner, SmoothDDN, run
from core.data import ImageSet, quantize
from core.evaluate import front, front_cli, records, statistics
from core.evaluate.comparison import at_norm
from core.evaluate.front import METRICS, Front, FrontRecord, at, measure
from tests import problems

N = 12


@pytest.fixture(scope="module")
def problem():
    """Two classes; the distances to the boundary lie more than 2 % apart, which the tests rely on."""
    return problems.carded(N)


@pytest.fixture(scope="module")
def distances(problem):
    found = metrics.l2(problem.nearest).numpy()
    assert np.diff(np.log(np.sort(found))).min() > 0.02
    return found


@pytest.fixture(scope="module")
def images(problem):
    return images_of(problem, problem.labels)


def images_of(problem, labels):
    return ImageSet(problem.images, labels, ("a", "b"), "toy", "test", "files", "", torch.arange(len(labels)))


@pytest.fixture(scope="module")
def ddn(problem, images):
    return measure(DDN(passes=100), problem.model, images, norms=(0.2, 0.05, 0.2), in_float=True)


@pytest.fixture(scope="module")
def fgsm(problem, images):
    """Fools where epsilon |w|_1 exceeds the gap: on some of the images."""
    size = problem.normal.abs().sum((1, 2, 3))
    epsilon = float((problem.gap / size).median()) * 1.001
    record = measure(FGSM(epsilon=epsilon), problem.model, images, norms=(0.2, 0.05), in_float=True)
    assert record.fools.tolist() == (epsilon * size > problem.gap).tolist()
    assert 1 < record.fooled < N
    return record


def test_success_within_a_bound_is_that_of_the_nearest_points(ddn, distances):
    assert (ddn.n, ddn.fooled, ddn.converged) == (N, N, int(ddn.column("converged").sum()))
    assert ddn.converged > N / 2
    for order, distance in enumerate(np.sort(distances)):
        for bound, fooled in ((0.99 * distance, order), (1.01 * distance, order + 1)):
            assert ddn.share("l2", bound) == statistics.wilson(fooled, N)
            assert ddn.within("l2", bound).tolist() == (distances < bound).tolist()
    bounds, shares = zip(*ddn.curve("l2"), strict=True)
    assert bounds == pytest.approx(np.sort(distances), rel=0.01)
    assert shares == tuple(statistics.wilson(k, N) for k in range(1, N + 1))


def test_each_measure_is_of_the_nearest_perturbation(problem, ddn):
    nearest = problem.images + problem.nearest
    for name, metric in METRICS.items():
        expected = metric.of(problem.images, nearest).numpy()
        assert ddn.column(name) == pytest.approx(expected, rel=0.03, abs=0.003)
    color = metrics.ciede2000(problem.images, nearest)
    assert METRICS["ciede2000"].of(problem.images, nearest) == pytest.approx(color.flatten(1).amax(1))
    root = color.square().sum((1, 2)).sqrt()
    assert METRICS["ciede2000_norm"].of(problem.images, nearest) == pytest.approx(root, rel=1e-5)


def test_more_ssim_is_less_distortion(ddn):
    values = np.sort(ddn.column("ssim"))
    assert ddn.share("ssim", values[-1] + 0.001).value == 0
    assert ddn.share("ssim", values[-2]) == statistics.wilson(2, N)
    bounds, shares = zip(*ddn.curve("ssim"), strict=True)
    assert list(bounds) == values[::-1].tolist()
    assert shares[0] == statistics.wilson(1, N)


def test_at_one_norm_those_are_fooled_whose_boundary_is_nearer(ddn, distances):
    assert ddn.norms == (0.2, 0.05)
    for norm in ddn.norms:
        assert ddn.column(at("fools", norm)).tolist() == (distances < norm).tolist()
        assert ddn.column(at("l2", norm)) == pytest.approx(np.full(N, norm), rel=1e-4)
        assert ddn.column(at("roughness", norm)) == pytest.approx(ddn.column("roughness"), rel=1e-3)
        assert Front((ddn,)).shares_at(norm) == [statistics.wilson(int((distances < norm).sum()), N)]


def test_an_image_that_is_not_fooled_is_within_no_bound(fgsm):
    failed = ~fgsm.fools
    for name, metric in METRICS.items():
        assert np.isnan(fgsm.column(name)[failed]).all()
        assert np.isfinite(fgsm.column(name)[fgsm.fools]).all()
        bound = -1e9 if metric.more else 1e9
        assert fgsm.share(name, bound) == fgsm.success == statistics.wilson(fgsm.fooled, N)
        assert len(fgsm.curve(name)) <= fgsm.fooled
    assert fgsm.converged is None  # it seeks no shortest perturbation


def test_equal_success_is_on_the_images_that_all_fool(ddn, fgsm, distances):
    held = Front((ddn, fgsm))
    assert held.common.tolist() == fgsm.fools.tolist()
    first, second = held.medians("l2")
    kept = fgsm.fools
    assert first.n == second.n == fgsm.fooled
    assert first.value == pytest.approx(np.median(distances[kept]), rel=0.01)
    assert first.value < np.median(distances) * 0.95  # those that FGSM fools lie near the boundary
    assert second.value == pytest.approx(np.median(fgsm.column("l2")[kept]))
    (paired,) = held.paired("l2")
    assert paired == statistics.signed_ranks(
        fgsm.column("l2")[kept].astype(float), ddn.column("l2")[kept].astype(float)
    )
    assert paired.difference.value > 0  # no perturbation is shorter than that to the nearest point
    # The other way round is the same comparison.
    assert Front((fgsm, ddn)).paired("l2")[0].difference.value == pytest.approx(-paired.difference.value)


def test_shares_are_compared_image_by_image(ddn, fgsm):
    bound = float(np.nanmax(fgsm.column("l2"))) + 1e-6
    (compared,) = Front((ddn, fgsm)).paired_shares("l2", bound)
    assert compared == statistics.mcnemar(fgsm.within("l2", bound), ddn.within("l2", bound))
    assert Front((ddn, fgsm)).shares("l2", bound) == [ddn.share("l2", bound), fgsm.share("l2", bound)]


def test_equal_norm_is_on_the_images_that_reach_it(ddn, fgsm):
    held = Front((ddn, fgsm))
    assert held.met(0.05).all()
    (paired,) = held.paired("roughness", 0.05)
    a, b = (record.column(at("roughness", 0.05)).astype(float) for record in (fgsm, ddn))
    assert paired == statistics.signed_ranks(a, b)
    assert held.medians("roughness", 0.05)[1] == statistics.bootstrap(a, "median")


def test_a_perturbation_of_nothing_meets_no_norm(problem, images):
    still = measure(FGSM(epsilon=0.0), problem.model, images, norms=(0.1,), in_float=True)
    assert (still.fooled, still.success.value) == (0, 0)
    assert not still.column(at("fools", 0.1)).any()
    assert np.isnan(still.column(at("l2", 0.1))).all()
    held = Front((still, measure(DDN(), problem.model, images, norms=(0.1,), in_float=True)))
    assert not held.met(0.1).any()
    assert not held.common.any()
    assert held.medians("mad", 0.1) == held.medians("mad") == [None, None]
    assert held.paired("mad") == [None]
    assert still.curve("l2") == []
    assert Front((still,)).bounds("l2") == []


def test_a_success_beyond_the_norm_is_none(problem, images, monkeypatch):
    """Where rounding makes a perturbation longer than was asked for, what it fools says nothing of that norm."""
    monkeypatch.setattr(front, "at_norm", lambda x, found, norm: at_norm(x, found, 1.1 * norm))
    longer = measure(DDN(), problem.model, images, norms=(0.3,), in_float=True)
    assert not longer.column(at("fools", 0.3)).any()
    assert np.isnan(longer.column(at("l2", 0.3))).all()


def test_what_was_misclassified_does_not_count(problem, ddn):
    labels = problem.labels.clone()
    labels[:3] = 1 - labels[:3]
    record = measure(DDN(passes=100), problem.model, images_of(problem, labels), metrics=("linf",), in_float=True)
    assert record.metrics == ("l2", "linf")
    assert record.attacked.tolist() == [False] * 3 + [True] * (N - 3)
    assert (record.n, record.fooled) == (N - 3, N - 3)
    assert not record.fools[:3].any()
    assert record.column("l2")[3:] == pytest.approx(ddn.column("l2")[3:], rel=1e-3)
    assert record.share("l2", 1e9) == statistics.wilson(N - 3, N - 3)
    everything = measure(DDN(), problem.model, images_of(problem, 1 - problem.labels), in_float=True)
    assert (everything.success, everything.seconds_per_image) == (None, None)
    assert everything.share("l2", 1.0) is None
    pair = Front(
        (everything, measure(DDN(passes=5), problem.model, images_of(problem, 1 - problem.labels), in_float=True))
    )
    assert pair.paired_shares("l2", 1.0) == [None]


def test_batches_give_what_all_at_once_give(problem, images, fgsm):
    attack = FGSM(epsilon=fgsm.protocol.parameters["epsilon"])
    heard = []
    parts = measure(
        attack, problem.model, images, norms=(0.2, 0.05), in_float=True, batch_size=5, on_progress=heard.append
    )
    for name, values in parts.rows.columns.items():
        if values.dtype.kind == "f":
            assert values == pytest.approx(fgsm.column(name), rel=1e-4, nan_ok=True)
        else:
            assert values.tolist() == fgsm.column(name).tolist()
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_in_8_bits_it_is_the_rounded_picture_that_counts(problem, images):
    """Rounded, a perturbation of half a level to either side is gone; one that was rounded all along survives."""
    heard = []
    kept = measure(DDN(quantised=True), problem.model, images, norms=(0.3, 0.05), on_progress=heard.append)
    lost = measure(DDN(), problem.model, images, norms=(0.3, 0.05))
    assert heard == sorted(heard)  # of two searches, the one that rounds and the one that is scaled
    assert heard[-1] == 1
    assert kept.fooled == N
    assert lost.fooled < N
    assert not kept.in_float
    # An attack that rounds is scaled as found in float, so that both are the same at one norm.
    for name in METRICS:
        assert kept.column(at(name, 0.3)) == pytest.approx(lost.column(at(name, 0.3)), rel=1e-4)
    # Met after rounding: a perturbation of less than a level, rounded as it is, would be a twentieth off.
    assert kept.column(at("l2", 0.05)) == pytest.approx(np.full(N, 0.05), rel=0.025)
    result = run(DDN(quantised=True), problem.model, images.images, images.labels)
    assert kept.column("l2") == pytest.approx(metrics.l2(quantize(result.adversarial), images.images).numpy(), rel=1e-4)


def test_the_roughness_of_a_smooth_attack_is_lower(problem, images):
    plain, smooth = (
        measure(attack, problem.model, images, metrics=("roughness",), in_float=True)
        for attack in (DDN(), SmoothDDN(alpha=0.95))
    )
    (paired,) = Front((plain, smooth)).paired("roughness")
    assert paired.sign() == -1
    assert paired.p == 2 / 2**N


def test_records_of_different_measurements_are_no_front(problem, images, ddn, fgsm):
    with pytest.raises(ValueError, match="records must hold at least one; got none"):
        Front(())
    with pytest.raises(ValueError, match="records must differ in their attacks or budgets"):
        Front((ddn, ddn))
    other = measure(DDN(), problem.model, images, norms=(0.2, 0.05))
    with pytest.raises(ValueError, match=r"of one network, the same images, measures and norms; linear, ddn .* is not"):
        Front((fgsm, other))
    half = measure(DDN(), problem.model, images[:6], norms=(0.2, 0.05), in_float=True)
    with pytest.raises(ValueError, match="records must be of one network"):
        Front((fgsm, half))
    assert Front((ddn, half.model_copy(update={"data": ddn.data, "rows": ddn.rows}))).titles == (
        "ddn passes 100",
        "ddn",
    )
    with pytest.raises(ValueError, match="fooled must be the number of rows that do"):
        FrontRecord(**{**dict(ddn), "fooled": 3})
    with pytest.raises(ValueError, match="rows must have a column for every metric and norm"):
        FrontRecord(**{**dict(ddn), "norms": (0.2,)})


def test_what_cannot_be_measured_is_refused(problem, images):
    with pytest.raises(ValueError, match=r"metrics must be some of l2, .*; got 'beauty'\."):
        measure(DDN(), problem.model, images, metrics=("l2", "beauty"))
    with pytest.raises(ValueError, match=r"norms must be above 0 and finite; got 1, 0\."):
        measure(DDN(), problem.model, images, norms=(1.0, 0.0))


@pytest.mark.parametrize(
    ("text", "attack"),
    [
        ("ddn", DDN()),
        ("ddn:passes=200:quantised=true", DDN(passes=200, quantised=True)),
        ("cw:preset=photograph", CarliniWagner(push=True, iterations=50)),
        ("cw:margin=2:preset=paper, MNIST", CarliniWagner.preset("paper, MNIST", margin=2.0)),
        ("sddn:preset=smooth optimum:passes=7", SmoothDDN(rho=30.0, passes=7)),
    ],
)
def test_an_attack_is_spelled_as_it_is_read(text, attack):
    assert front_cli.attack_of(text) == attack
    assert front_cli.attack_of(front_cli.spelled(attack)) == attack


MNIST = ["evaluate", "front", "--model", "mnist-c4-ce", "--n", "5"]


def test_the_command_prints_writes_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    path = tmp_path / "new" / "front.json"
    quick = ["--metrics", "roughness", "linf", "--norms", "1.5", "0.5", "--seed", "3", "--out", str(path)]
    assert main([*MNIST, "--attacks", "ddn:passes=10:quantised=true", *quick]) == 0
    (first,) = records.read(path, FrontRecord)
    assert (first.metrics, first.norms, first.in_float) == (("l2", "linf", "roughness"), (1.5, 0.5), False)
    assert (first.data.seed, first.data.n, first.data.source) == (3, 5, "gallery")
    capsys.readouterr()
    measured = []
    monkeypatch.setattr(
        front_cli, "measure", lambda attack, *a, **k: measured.append(attack) or measure(attack, *a, **k)
    )
    both = ["--attacks", "ddn:passes=10:quantised=true", "sddn:passes=5"]
    assert main([*MNIST, *both, *quick, "--bounds", "l2=1.25", "l2=2", "l2=2"]) == 0
    assert measured == [SmoothDDN(passes=5)]  # the other was there
    out = capsys.readouterr().out
    found = records.read(path, FrontRecord)
    assert found[0] == first
    held = Front(found)
    assert held.titles == ("ddn quantised True passes 10", "sddn passes 5")
    for title in held.titles:
        assert title in out
    assert f"medians over the {held.common.sum()} of 5 images that all fool, after rounding to 8 bits" in out
    assert "L2 ≤ 1.25" in out
    assert "L2 ≤ 2" in out
    assert "At L2 1.5: medians over the 5 images" in out
    assert f"{100 * first.share('l2', 1.25).value:.0f} %" in out
    assert f"written to {path} and front.parquet" in out
    again = tmp_path / "again.json"
    assert main([*shlex.split(found[1].command)[3:], "--out", str(again)]) == 0
    (second,) = records.read(again, FrontRecord)
    assert second.rows == found[1].rows
    with_others = [*MNIST, "--attacks", "ddn", "--norms", "--out", str(path)]
    assert main(with_others) == 2
    assert (
        capsys.readouterr().err == "error: front.json holds fronts of other metrics or norms; choose another --out.\n"
    )


def test_stopped_it_keeps_the_attacks_that_were_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))

    def interrupted(attack, *arguments, **options):
        if attack.name == "sddn":
            raise KeyboardInterrupt
        return measure(attack, *arguments, **options)

    monkeypatch.setattr(front_cli, "measure", interrupted)
    path = tmp_path / "front.json"
    quick = ["--attacks", "ddn:passes=5", "sddn:passes=5", "--metrics", "l2", "--norms", "--in-float"]
    assert main([*MNIST, *quick, "--out", str(path)]) == 130
    assert capsys.readouterr().err == "stopped.\n"
    (record,) = records.read(path, FrontRecord)
    assert (record.protocol.name, record.in_float, record.norms) == ("ddn", True, ())
    assert shlex.split(record.command)[-2:] == ["--norms", "--in-float"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attacks", "magic"], "attacks must name some of cw, scw, "),
        (["--attacks", "ddn:passes"], "what follows ddn must be PARAMETER=VALUE; got 'passes'."),
        (["--attacks", "ddn:steps=3"], "ddn has no parameter 'steps'; it has preset, goal, "),
        (["--attacks", "ddn:passes=1"], "passes must be at least 2; got 1."),
        (["--attacks", "ddn:passes=many"], "passes must be a whole number; got 'many'."),
        (["--attacks", "ddn:preset=mine"], "DDN has no preset 'mine'; it has "),
        (["--attacks", "ddn", "ddn:passes=60"], "attacks must differ from each other; got ddn twice."),
        (["--metrics", "beauty"], "metrics must be some of l2, "),
        (["--norms", "-1"], "norms must be above 0 and finite; got -1."),
        (["--norms", "nan"], "norms must be above 0 and finite; got nan."),
        (["--bounds", "l2"], "bounds must be METRIC=NUMBER, METRIC one of l2, "),
        (["--bounds", "beauty=1"], "got 'beauty=1'."),
        (["--n", "0"], "n must be at least 1; got 0."),
        (["--model", "nobody"], "there is no model 'nobody'"),
        (["--dataset", "cifar10"], "mnist-c4-ce takes images of shape (1, 28, 28)"),
        (["--batch-size", "0"], "batch_size must be at least 1; got 0."),
        (["--out", "/dev/null/x.json"], "cannot be written"),
    ],
)
def test_what_the_command_cannot_do_it_says_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    given = arguments if "--attacks" in arguments else [*arguments, "--attacks", "ddn:passes=2"]
    assert main([*MNIST, *given]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert err.count("\n") == 1
    assert "At equal" not in out


def test_the_default_norm_is_as_much_a_value_as_on_a_photograph(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    path = tmp_path / "front.json"
    assert main([*MNIST[:-1], "2", "--attacks", "ddn:passes=2", "--metrics", "l2", "--out", str(path)]) == 0
    (record,) = records.read(path, FrontRecord)
    assert record.norms == (pytest.approx(3 * (28 * 28 / (3 * 224 * 224)) ** 0.5, rel=0.01),)
    assert data.gallery.read("mnist").images.shape[1:] == (1, 28, 28)
