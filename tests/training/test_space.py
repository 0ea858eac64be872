"""The artist space: what it learns, what it draws, and that a seed repeats it."""

import numpy as np
import pytest
import torch

from ostinato.core.params.schema import Phase
from ostinato.curation.artist_graph import from_pairs
from ostinato.errors import GraphError
from ostinato.evaluation.similarity.artist_graph import compare_neighbourhoods, score_held_out
from ostinato.training.artist_space import Pairs, Table, fit_space

N_CLIQUES, SIZE = 6, 5
PHASES = [Phase(lr=0.02, batch_size=8, patience=3), Phase(lr=0.005, batch_size=4, patience=2)]


def cliques() -> object:
    """Return six groups of five artists, all related within and none across."""
    pairs = [[SIZE * c + i, SIZE * c + j] for c in range(N_CLIQUES) for i in range(SIZE) for j in range(i + 1, SIZE)]
    return from_pairs(tuple(f"a{i}" for i in range(N_CLIQUES * SIZE)), np.array(pairs))


def fit_vectors(links, seed: int = 0, **options):
    torch.set_num_threads(1)
    return fit_space(links, **{"dimension": 16, "phases": PHASES, "max_epochs": 40, "seed": seed, **options})


def test_cliques_are_found():
    graph = cliques()
    vectors, curve = fit_vectors(graph.links)
    assert compare_neighbourhoods(vectors, graph).tolist() == [1.0] * len(graph)
    assert [row["phase"] for row in curve] == sorted(row["phase"] for row in curve)
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]


def test_relations_that_were_not_seen_are_found_again():
    left, taken = cliques().hold_out(0.15, seed=2)
    vectors, _ = fit_vectors(left.links)
    assert score_held_out(vectors, left, taken).mean() > 0.95


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones():
    links = cliques().links
    one, same, other = (fit_vectors(links, seed, max_epochs=2)[0] for seed in (0, 0, 1))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_an_epoch_shows_every_relation_both_ways_and_as_many_random_artists():
    graph = cliques()
    data, shown = Pairs(graph.links, 7, seed=4), []
    for number in range(data.n_batches):
        (artists, owner, others), target = data[(3, number)]
        assert target[:, 0].tolist() == [1.0] * (len(target) // 2) + [0.0] * (len(target) // 2)
        near = target[:, 0] == 1
        shown += list(zip(artists[owner[near]].tolist(), others[near].tolist(), strict=True))
    links = graph.links.tocoo()
    assert sorted(shown) == sorted(zip(links.row.tolist(), links.col.tolist(), strict=True))


def test_an_isolated_artist_is_never_shown_for_its_relations():
    graph = from_pairs(("a", "b", "c"), np.array([[0, 1]]))
    (artists, _, _), _ = Pairs(graph.links, 5, seed=0)[(0, 0)]
    assert sorted(artists.tolist()) == [0, 1]


def test_a_logit_is_a_line_of_the_cosine():
    table = Table(2, 2)
    with torch.no_grad():
        table.vectors.weight.copy_(torch.tensor([[2.0, 0.0], [3.0, 4.0]]))
        table.line.weight.copy_(torch.tensor([[5.0, -1.0]]))
    logit = table(torch.tensor([0]), torch.tensor([0]), torch.tensor([1]))
    assert logit.tolist() == [[pytest.approx(5 * 0.6 - 1)]]


def test_the_paper_s_table_has_as_many_numbers():
    with torch.device("meta"):
        table = torch.nn.Embedding(109_883, 800)
    assert (
        sum(p.numel() for p in table.parameters()) + sum(p.numel() for p in Table(1, 2).line.parameters()) == 87_906_402
    )


def test_a_graph_without_relations_is_refused():
    with pytest.raises(GraphError, match="no two artists are related"):
        fit_vectors(from_pairs(("a", "b"), np.zeros((0, 2), int)).links)
