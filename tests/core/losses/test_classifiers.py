"""The classifiers on features: the kernel head, neighbours, support vectors, centres."""

import pytest
import torch
from sklearn.metrics import pairwise_distances
from torch import nn
from torch.autograd import gradcheck

from core import data, models
from core.losses import CLASSIFIERS, choose_references, classify
from core.models.heads import CenterHead, Embedding, KernelHead
from core.models.networks import initialise


def clouds(n=90, dim=3, classes=3, deviation=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return 2 * torch.eye(dim)[y] + deviation * torch.randn(n, dim, generator=generator), y


def kernel_head(train, labels, alpha=2.0, classes=3):
    head = KernelHead(train.shape[1], classes, alpha=alpha, references=len(train)).to(train.dtype)
    head.refer(train, labels)
    return head


def test_kernel_logits_are_the_formula():
    train, labels = clouds()
    z, _ = clouds(20, seed=1)
    d = torch.from_numpy(pairwise_distances(z.numpy(), train.numpy())).double()
    expected = torch.stack([torch.exp(-2 * d[:, labels == c]).sum(1).log() for c in range(3)], 1)
    torch.testing.assert_close(kernel_head(train, labels)(z).double(), expected, rtol=1e-4, atol=1e-5)


def test_kernel_logits_do_not_underflow():
    train, labels = clouds()
    logits = kernel_head(train, labels, alpha=50.0)(100 * clouds(20, seed=1)[0])
    assert logits.isfinite().all()
    assert logits.max() < -100


def test_a_sharp_kernel_is_the_nearest_neighbour():
    train, labels = clouds()
    z, _ = clouds(200, seed=1)
    head = kernel_head(train, labels, alpha=500.0)
    assert torch.equal(head(z).argmax(1), classify("1-nn", head, train, labels, z))


def test_gradients_of_the_kernel_head():
    train, labels = clouds(30)
    z = clouds(5, seed=1)[0].double().requires_grad_()
    assert gradcheck(kernel_head(train.double(), labels), z)
    on_reference = train[:3].double().requires_grad_()
    logits = kernel_head(train.double(), labels)(on_reference)
    (gradient,) = torch.autograd.grad(logits.sum(), on_reference)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("alpha", [2.0, 10.0])
def test_the_kernel_head_agrees_with_10_nn_on_real_features(alpha):
    """500 gallery digits as references, the other 500 classified: features of the committed C4 on the unit sphere."""
    model, digits = models.load("mnist-c4-ce", "cpu"), data.gallery.read("mnist")
    with torch.no_grad():
        z = nn.functional.normalize(model.features(digits.images))
    train, labels, z, truth = z[:500], digits.labels[:500], z[500:], digits.labels[500:]
    head = kernel_head(train, labels, alpha, classes=10)
    kernel, neighbours = (classify(name, head, train, labels, z) for name in ("argmax", "10-nn"))
    print(f"kernel head, alpha {alpha:g}, agrees with 10-NN on", (kernel == neighbours).float().mean().item())
    assert (kernel == neighbours).float().mean() >= 0.99
    assert (kernel == truth).float().mean() >= 0.98


@pytest.mark.parametrize("k", [1, 10])
def test_neighbours_are_the_majority_of_the_nearest(k):
    train, labels = clouds(60)
    z, _ = clouds(40, seed=1)
    votes = labels[torch.cdist(z, train).topk(k, largest=False).indices]
    expected = [row.bincount(minlength=3).argmax().item() for row in votes]
    assert classify(f"{k}-nn", nn.Identity(), train, labels, z).tolist() == expected


def test_support_vectors_separate_what_no_line_does():
    z = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    y = (z.norm(dim=1) > 1.1).long()
    assert (classify("rbf-svc", nn.Identity(), z[:200], y[:200], z[200:]) == y[200:]).float().mean() > 0.9


def test_the_nearest_centre_is_the_argmax_of_a_centre_head():
    head = CenterHead(3, 3)
    head.centers.copy_(2 * torch.eye(3))
    z, _ = clouds(60)
    got = classify("nearest-center", head, z, torch.zeros(60).long(), z)
    assert torch.equal(got, classify("argmax", head, z, torch.zeros(60).long(), z))
    assert torch.equal(got, z.argmax(1))


@pytest.mark.parametrize("norm", ["none", "l2", "batch"])
def test_embeddings_are_normalised_as_asked(norm):
    x = 3 + torch.randn(64, 10, generator=torch.Generator().manual_seed(0))
    embedding = Embedding(10, 2, norm).train()
    initialise(embedding, torch.Generator().manual_seed(1))
    z = embedding(x)
    if norm == "none":
        assert torch.equal(z, embedding.linear(x))
    elif norm == "l2":
        torch.testing.assert_close(z.norm(dim=1), torch.ones(64))
    else:
        torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
        torch.testing.assert_close(z.std(0, correction=0), torch.ones(2), atol=1e-3, rtol=0)
        assert [name for name, _ in embedding.named_parameters()] == ["linear.weight", "linear.bias"]


def test_references_are_balanced_and_follow_the_generator():
    shuffled = torch.randperm(100, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0] * 50 + [1] * 20 + [2] * 30)[shuffled]
    rows = choose_references(labels, 31, torch.Generator().manual_seed(0))
    assert labels[rows].bincount().tolist() == [11, 10, 10]
    assert len(rows.unique()) == 31
    assert torch.equal(rows, choose_references(labels, 31, torch.Generator().manual_seed(0)))
    assert not torch.equal(rows, choose_references(labels, 31, torch.Generator().manual_seed(1)))


Z, Y = clouds(12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: classify("2-nn", nn.Identity(), Z, Y, Z), "there is no classifier '2-nn'; there are argmax,"),
        (lambda: classify("1-nn", nn.Identity(), Z, Y[:3], Z), "labels must be 12 integers"),
        (lambda: classify("1-nn", nn.Identity(), Z, Y, Z[:, :2]), "features must be (N, 3) as those of training"),
        (lambda: classify("10-nn", nn.Identity(), Z[:9], Y[:9], Z), "train must hold at least 10 features for 10-nn"),
        (lambda: classify("nearest-center", nn.Linear(3, 3), Z, Y, Z), "head must have centres for nearest-center"),
        (lambda: KernelHead(3, 10, references=9), "references must be at least 10, one for each class; got 9."),
        (lambda: KernelHead(3, 3, alpha=0.0), "alpha must be a finite number greater than 0; got 0.0."),
        (lambda: KernelHead(3, 3, references=12).refer(Z[:4], Y[:4]), "features must be (12, 3) with one label each"),
        (lambda: KernelHead(3, 4, references=12).refer(Z, Y), "labels must hold each of 0 to 3"),
        (lambda: choose_references(Y, 2, torch.Generator()), "n must leave each class 1 to 4 rows"),
        (lambda: choose_references(Y, 15, torch.Generator()), "n must leave each class 1 to 4 rows"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        call()
    assert str(caught.value).startswith(words)


def test_there_is_a_classifier_for_every_loss():
    from core.losses import LOSSES

    assert {name for cls in LOSSES.values() for name in cls.classifiers} == set(CLASSIFIERS)
