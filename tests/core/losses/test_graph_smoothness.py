"""The graph smoothness loss against explicit Laplacians, scikit-learn's graphs and finite differences."""

import math

import pytest
import torch
from sklearn.neighbors import kneighbors_graph
from torch.autograd import gradcheck

from core.losses import graph_smoothness, label_smoothness, neighbour_graph, similarity_graph
from core.losses.graph_smoothness import GraphSmoothness
from core.models.heads import KernelHead, distances
from tests.problems import uniform


def problem(n=24, dim=5, classes=4, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, dim, generator=generator, dtype=dtype)
    return torch.nn.functional.normalize(z), torch.arange(n) % classes


@pytest.mark.parametrize("alpha", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("k", [None, 1, 3, 10, 23])
def test_it_is_the_sum_of_the_label_signals_laplacian_forms(k, alpha):
    """Definition 1: the sum over classes of s_c^T L s_c, L = D - W written out entry by entry."""
    z, y = problem()
    n = len(y)
    weights = torch.zeros(n, n, dtype=torch.float64)
    order = [sorted((j for j in range(n) if j != i), key=lambda j: math.dist(z[i], z[j])) for i in range(n)]
    for i in range(n):
        for j in range(n):
            if i != j and (k is None or j in order[i][:k] or i in order[j][:k]):
                weights[i, j] = math.exp(-alpha * math.dist(z[i], z[j]))
    laplacian = torch.diag(weights.sum(1)) - weights
    signals = [(y == c).double() for c in range(4)]
    forms = torch.stack([s @ laplacian @ s for s in signals])
    torch.testing.assert_close(graph_smoothness(z, y, alpha, k), forms.sum())
    torch.testing.assert_close(similarity_graph(z, alpha, k), weights)
    torch.testing.assert_close(label_smoothness(weights, y, 4), forms)


def test_by_hand():
    """Three points on a line at 0, 1, 3, the first alone in its class: edges of length 1 and 3, counted both ways."""
    z, y = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 1, 1])
    assert graph_smoothness(z, y, 2.0).item() == pytest.approx(2 * (math.exp(-2) + math.exp(-6)))
    assert graph_smoothness(z, y, 2.0, k=1).item() == pytest.approx(2 * math.exp(-2))


@pytest.mark.parametrize("k", [1, 2, 5, 11])
def test_the_neighbour_graph_is_scikit_learns_symmetrised_by_union(k):
    z, _ = problem(n=60)
    one_way = torch.from_numpy(kneighbors_graph(z.numpy(), k).toarray()).bool()
    assert torch.equal(neighbour_graph(distances(z, z), k), one_way | one_way.T)


def test_all_pairs_and_k_of_n_minus_1_agree():
    z, y = problem()
    assert torch.equal(graph_smoothness(z, y, 2.0), graph_smoothness(z, y, 2.0, k=23))


@pytest.mark.parametrize("k", [None, 3])
def test_gradients(k):
    z, y = problem(n=10, dim=3)
    assert gradcheck(lambda v: graph_smoothness(v, y, 2.0, k), z.requires_grad_())
    assert gradcheck(lambda v: similarity_graph(v, 2.0, k), z)


def test_identical_embeddings_have_a_finite_gradient():
    z = torch.zeros(6, 3, requires_grad=True)
    value = graph_smoothness(z, torch.tensor([0, 0, 1, 1, 2, 2]), 2.0)
    assert value.item() == 6 * 4
    (gradient,) = torch.autograd.grad(value, z)
    assert gradient.abs().max() == 0


def test_pairs_of_one_class_do_not_count():
    z, _ = problem()
    same = torch.zeros(len(z), dtype=torch.long)
    assert graph_smoothness(z, same, 2.0).item() == 0


def test_it_falls_as_classes_part_whatever_happens_within():
    z, y = problem(classes=2)
    push = torch.where(y[:, None] == 0, 1.0, -1.0) * torch.eye(1, 5)
    values = [graph_smoothness(z + s * push, y, 2.0).item() for s in (2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-3 * values[0]


def test_the_loss_is_the_function_and_its_mean_is_over_all_ordered_pairs():
    z, y = problem()
    head = KernelHead(5, 4, references=4)
    value = graph_smoothness(z, y, 3.0, 6)
    torch.testing.assert_close(GraphSmoothness(alpha=3, k=6, reduction="sum")(head, z, y), value)
    torch.testing.assert_close(GraphSmoothness(alpha=3, k=6)(head, z, y), value / (24 * 23))


def test_a_last_small_batch_takes_all_pairs():
    z, y = problem(n=5)
    loss = GraphSmoothness(k=10, reduction="sum")
    head = KernelHead(5, 4, references=4)
    assert torch.equal(loss(head, z, y), graph_smoothness(z, y, 2.0))
    assert loss(head, z[:1], y[:1]).item() == 0


def test_the_layout_is_the_papers():
    """Section 4.1: as many dimensions as classes on the unit sphere; 4.2: two dimensions are batch-normalised."""
    assert GraphSmoothness().layout(10, 512) == {
        "embedding": 10,
        "embedding_norm": "l2",
        "head": "kernel",
        "head_arguments": {"alpha": 10.0, "references": 1000},
    }
    assert GraphSmoothness(alpha=3, head_alpha=4).layout(10, 512)["head_arguments"]["alpha"] == 4
    assert GraphSmoothness(dim=2).layout(10, 512)["embedding_norm"] == "batch"
    assert GraphSmoothness(dim=2, norm="l2").layout(10, 512)["embedding_norm"] == "l2"
    assert GraphSmoothness.preset("paper, Table 2").dim == 200


Z, Y = uniform(4, 2), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((Z[0], Y, 2.0), "embeddings must be a float tensor (N, d), N >= 1; got (2,) torch.float32."),
        ((Z.long(), Y, 2.0), "embeddings must be a float tensor"),
        ((Z[:0], Y[:0], 2.0), "embeddings must be a float tensor"),
        ((Z, Y[:3], 2.0), "labels must be 4 integers; got (3,) torch.int64."),
        ((Z, Y.float(), 2.0), "labels must be 4 integers"),
        ((Z, Y, 0.0), "alpha must be a finite number greater than 0; got 0.0."),
        ((Z, Y, math.inf), "alpha must be a finite number"),
        ((Z, Y, 2.0, 0), "k must be from 1 to 3, one less than the 4 embeddings, or None for all; got 0."),
        ((Z, Y, 2.0, 4), "k must be from 1 to 3"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        graph_smoothness(*arguments)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
