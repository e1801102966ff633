"""The Smoothing page: what it shows is what core computes, and everything that can be set is in its link."""

from functools import partial

import driver
import pytest
import torch
from driver import sent

from core import data, filters
from core.graph import PixelGraph, Smoother
from core.magnify import MagnifyParameters, local_statistics
from core.metrics import l2, roughness
from pages.parts.components.response import likeness, planes
from pages.parts.shell.numbers import general
from pages.parts.views.smoothing import solver
from pages.parts.views.smoothing.shared import ALPHAS
from pages.parts.views.smoothing.whole import pattern

opened = partial(driver.opened, "Smoothing")


def one_pixel(app):
    """What the component is sent, arrays in place of their names."""
    (data,) = sent(app, "response")
    return data | {n: torch.from_numpy(data["values"][data[n]]) for n in ("picture", "likeness", "right", "down")}


def panels(app):
    """Title -> panel, its values in place of their name."""
    (data,) = sent(app, "viewer")
    return {p["title"]: p | {"array": torch.from_numpy(data["values"][p["array"]])} for p in data["panels"]}


def test_the_edges_to_the_right_and_below_are_all_edges():
    graph = PixelGraph(torch.rand(1, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    right, down = planes(graph, graph.normalised_weights[0, 0])
    z = torch.arange(20, dtype=torch.float64).view(4, 5).square()
    out = torch.zeros(4, 5, dtype=torch.float64)
    out[:, :-1] += right[:, :-1] * z[:, 1:]
    out[:, 1:] += right[:, :-1] * z[:, :-1]
    out[:-1] += down[:-1] * z[1:]
    out[1:] += down[:-1] * z[:-1]
    torch.testing.assert_close(out, graph.matvec(z[None, None])[0, 0])
    assert not right[:, -1].any()
    assert not down[-1].any()


def test_how_alike_neighbours_are_is_the_mean_of_a_pixels_weights():
    graph = PixelGraph(torch.tensor([[[[0.0, 0.0, 1.0]]]]), bandwidth=0.1)
    torch.testing.assert_close(likeness(graph)[0, 0], torch.tensor([[1.0, 0.5, 0.0]]), rtol=0, atol=1e-4)
    eight = PixelGraph(torch.zeros(1, 1, 4, 4), neighbourhood=8)
    with pytest.raises(ValueError, match="4 neighbours"):
        planes(eight, eight.normalised_weights[0, 0])


def test_one_pixel_gets_the_picture_its_graph_and_what_the_link_says():
    app = opened(pictures="mnist", image=str(int(data.gallery.read("mnist").indices[3])), alpha="0.95", at="10,8")
    shown = one_pixel(app)
    image = data.gallery.read("mnist").images[3:4]
    graph = PixelGraph(image)
    right, _ = planes(graph, graph.normalised_weights[0, 0])
    assert (shown["alpha"], shown["at"], shown["alphas"]) == (0.95, [10, 8], ALPHAS)
    torch.testing.assert_close(shown["right"], right)
    torch.testing.assert_close(shown["picture"], image[0])


@pytest.mark.parametrize("at", ["28,0", "0,28", "-1,2", "3", "a,b", "1,2,3", "99999,1"])
def test_a_pixel_that_is_not_there_is_left_out(at):
    app = opened(pictures="mnist", at=at)
    assert [warning.value.partition(" was left")[0] for warning in app.warning] != []
    assert one_pixel(app)["at"] == [9, 14]


def test_another_picture_may_be_smaller_than_the_pixel_lies():
    app = opened(at="200,30")
    assert one_pixel(app)["at"] == [200, 30]
    app.selectbox(key="smoothing.pictures").set_value("mnist").run()
    assert not app.exception
    assert one_pixel(app)["at"] == [9, 14]


def test_a_gaussian_is_as_strong_as_what_it_is_held_against():
    noise = pattern("noise", 40, 50)
    along = Smoother(PixelGraph(torch.full((1, 1, 40, 50), 0.5)), 0.99)(noise)
    sigma = filters.gaussian_as_strong(noise, along)
    blurred = filters.low_pass(noise, filters.kernel("gaussian", sigma), "reflect")
    assert float(blurred.square().mean()) == pytest.approx(float(along.square().mean()), rel=0.03)
    assert filters.gaussian_as_strong(noise, noise) is None
    with pytest.raises(ValueError, match="no Gaussian leaves as little"):
        filters.gaussian_as_strong(noise + 1, along)


@pytest.mark.parametrize("normalised", [True, False])
def test_whole_pictures_are_smoothed_as_core_does(normalised):
    app = opened(view="pictures", pictures="mnist", alpha="0.95", pattern="gradient", normalised=str(int(normalised)))
    image, ramp = data.gallery.read("mnist").images[:1], pattern("gradient", 28, 28)
    smoother = Smoother(PixelGraph(image), 0.95)
    expected = smoother(ramp) if normalised else smoother.raw(ramp)
    shown = panels(app)
    assert list(shown) == ["Picture", "A gradient", "Along the picture", "By a Gaussian"]
    torch.testing.assert_close(shown["Along the picture"]["array"], expected[0])
    assert shown["Along the picture"]["span"] == shown["By a Gaussian"]["span"]


def test_patterns():
    assert pattern("checkerboard", 16, 24)[0, 0, :3, :5].tolist() == [
        [-1, -1, 1, 1, -1],
        [-1, -1, 1, 1, -1],
        [1, 1, -1, -1, 1],
    ]
    torch.testing.assert_close(pattern("gradient", 2, 3)[0, 0], torch.tensor([[-1.0, 0.0, 1.0]] * 2))


def test_magnification_taken_apart_is_what_it_is_put_together_from():
    app = opened(view="magnification", attack="scw", of="clean")
    shown = panels(app)
    picture = shown["Picture x"]["array"][None]
    values = MagnifyParameters.preset("authors' code")
    statistics = local_statistics(picture, values.sigma_domain, values.sigma_range)
    torch.testing.assert_close(shown["x − μ"]["array"], statistics.residual[0])
    torch.testing.assert_close(shown["Magnified"]["array"], statistics.magnify(values.beta)[0])
    other = opened(view="magnification", attack="scw")
    spans = {title: panel["span"] for title, panel in panels(other).items()}
    assert spans == {title: panel["span"] for title, panel in shown.items()}


def test_residuals_are_those_of_the_system_and_fall():
    image = data.gallery.read("mnist").images[:1]
    found = solver.residuals(image, 0.1, 0.95)
    assert found[0] == 1
    assert found[-1] < 1e-6 < found[-2]
    rows = solver.measured(image, 0.1, 0.95)
    assert [row[3] > 0 for row in rows] == [False, True, True]
    assert rows[1][4] <= 1e-5
    assert rows[2][3] <= solver.PAPER_STEPS


def test_how_it_is_solved_says_what_fifty_steps_leave():
    app = opened(view="solver", pictures="mnist", alpha="0.997")
    image = data.gallery.read("mnist").images[:1]
    *_, (_, _, _, steps, expected) = solver.measured(image, 0.1, 0.997)
    assert steps == solver.PAPER_STEPS
    assert solver.residuals(image, 0.1, 0.997)[50] == pytest.approx(expected, rel=1e-3)  # one curve and one table
    assert any(f"residual is **{general(expected, 2)}** here" in text.value for text in app.markdown)
    app.select_slider(key="smoothing.alpha").set_value(0.0).run()
    assert not app.exception
    assert [info.value for info in app.info] == ["At α = 0 nothing is smoothed, and nothing is solved."]


def test_the_two_ways_of_smoothfool_and_its_kernels():
    app = opened(view="toy", angle="0", sigma_g="1.0")
    taps = filters.kernel("gaussian", 1.0, dtype=torch.float64)
    beside = float(taps[1] / taps[2])
    told = "\n".join(m.value for m in app.markdown)
    assert f"**{(1 + beside**2) ** 0.5:.2f} times as long**" in told
    assert "**1.00 times as long**" in "\n".join(m.value for m in opened(view="toy", angle="45").markdown)
    assert len(app.get("plotly_chart")) == 3


def test_more_steps_are_shorter_and_rougher_and_a_smooth_optimum_is_not():
    app = opened(view="steps")
    seen = panels(app)
    assert list(seen) == ["Original", "10 steps", "50 steps", "1000 steps", "1000 steps, ρ = 30"]
    first, second, third, smooth = [panel["array"][None] for panel in list(seen.values())[1:]]
    assert float(l2(third)) < float(l2(second)) < float(l2(first))
    rough = [float(roughness(r, 1.0, normalised=True)) for r in (first, second, third, smooth)]
    assert rough[3] < rough[0] < rough[1] < rough[2]
    assert f"{rough[0]:.2f} to {rough[2]:.2f}" in "\n".join(m.value for m in app.markdown)
    (link,) = [each.proto for each in app.get("page_link") if each.proto.label == "Run it live"]
    assert "values=10%2C50%2C1000" in link.query_string
