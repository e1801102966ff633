"""The menu of networks: grouped, and its beginnings, which are all that a narrow box shows, tell what matters."""

from itertools import groupby

import driver

from core import models
from core.train import against
from pages.parts.inputs.choose import menu


def test_networks_are_grouped_by_data_set_and_told_apart_by_what_comes_first():
    cards = models.cards()
    titles = menu(cards)
    assert sorted(titles) == sorted(cards)
    groups = [dataset for dataset, _ in groupby(cards[name].dataset for name in titles)]
    assert sorted(groups) == sorted(set(groups))
    assert len(set(titles.values())) == len(titles)
    assert titles["mnist-c4-mmc-fgsm"] == "MNIST MMC + FGSM, C4"
    assert titles["mnist-lenet-mmc-rand"] == "MNIST MMC (rand), LeNet"
    assert titles["cifar10-preactresnet18-graph-2d"] == "CIFAR-10 graph, 2D, PreActResNet-18"
    seen = {name: title.partition(", ")[0] for name, title in titles.items()}
    assert max(map(len, seen.values())) < 25
    for name, card in cards.items():  # of another loss, or trained in another way
        for other in cards:
            facts = [
                (c.dataset, c.loss, c.loss_arguments.get("centers"), against(c.recipe)) for c in (card, cards[other])
            ]
            assert (seen[name] == seen[other]) == (facts[0] == facts[1])


def test_ones_own_networks_come_last_and_say_so():
    shipped = models.card("mnist-c4-ce")
    own = {name: shipped.model_copy(update={"name": name}) for name in ("a-first", "second")}
    titles = menu(own | {"mnist-c4-ce": shipped})
    assert list(titles.values()) == ["MNIST CE, C4", "Own: a-first, MNIST CE, C4", "Own: second, MNIST CE, C4"]
    same = shipped.model_copy(update={"name": "mnist-lenet-ce"})  # another of the shipped, by its name
    assert menu({"mnist-c4-ce": shipped, "mnist-lenet-ce": same})["mnist-lenet-ce"] == "MNIST CE, C4 (mnist-lenet-ce)"


def test_the_accuracy_with_mirror_images_is_told_apart():
    app = driver.opened("Attack_lab", model="cifar10-whitened-ce")
    card = models.card("cifar10-whitened-ce")
    told = (
        f"{100 * card.accuracy.value:.2f} % of 10,000 test images right "
        f"({100 * card.mirrored.value:.2f} % with their mirror images)"
    )
    assert any(told in driver.unescaped(caption.value) for caption in app.caption)
