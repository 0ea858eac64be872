"""ONNX files: what they hold, that they repeat, that they agree, and what they cost."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import tiny_project
from ostinato.core import registry
from ostinato.core.task import Task
from ostinato.errors import OstinatoError
from ostinato.export import cost, estimators, graphs, networks
from ostinato.layers.stack import Stack, pool
from ostinato.training import estimator

SHAPE = (1, 12, 9)
CLASSES = ("blues", "jazz", "rock")


def small(seed: int) -> nn.Module:
    """Make a network with statistics of noise, whose logits spread."""
    torch.manual_seed(seed)
    network = registry.load("ostinato.architectures", "freq").Network({"x": SHAPE}, len(CLASSES))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()(torch.randn(64, *SHAPE))
    with torch.no_grad():
        network.head.weight.mul_(20)
    return network.eval()


def stack(kind: str) -> Stack:
    members = {"one": small(1), "other": small(2)}
    torch.manual_seed(3)
    head = registry.load("ostinato.architectures", "timefreq").Network(
        dict.fromkeys(members, len(CLASSES)), 3, hidden=(8,)
    )
    return Stack(members, head, kind).eval()


@pytest.fixture(scope="module")
def network():
    torch.set_num_threads(1)
    return small(0)


@pytest.fixture(scope="module")
def content(network):
    return graphs.annotate(networks.convert(network, {"mel": SHAPE}, opset=18), {"classes": ["jåzz"], "b": 1})


def test_the_same_network_gives_the_same_bytes(network, content):
    assert (
        graphs.annotate(networks.convert(network, {"mel": SHAPE}, opset=18), {"b": 1, "classes": ["jåzz"]}) == content
    )


def test_nothing_of_the_machine_stands_in_the_file(content):
    for place in (
        str(Path.cwd()),
        str(Path(__file__).parents[1]),
        sys.prefix,
        "site-packages",
        "/ostinato",
        ".py",
        torch.__version__,
    ):
        assert place.encode() not in content, place
    model = onnx.load_from_string(content)
    assert [p.key for p in model.metadata_props] == ["ostinato"]
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert all(t.data_location == TensorProto.DEFAULT for t in model.graph.initializer)


def test_the_metadata_is_read_back_by_the_runtime(content):
    metadata = graphs.session(content).get_modelmeta().custom_metadata_map["ostinato"]
    assert json.loads(metadata) == {"b": 1, "classes": ["jåzz"]}


def test_inputs_and_outputs_are_named(content):
    session = graphs.session(content)
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("mel", ["batch", *SHAPE])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [
        ("logits", ["batch", 3]),
        ("embedding", ["batch", 256]),
    ]


def test_parity_is_small_for_the_network_and_large_for_another(network, content):
    x = networks.sample(networks.readings(network, {"mel": SHAPE}), 4, 0)["mel"]
    assert network(torch.from_numpy(x)).std() > 0.1
    assert networks.parity(content, network, {"mel": SHAPE}) < 1e-5
    assert networks.parity(content, small(9), {"mel": SHAPE}) > 0.1


def test_words_and_maps_of_two_lengths_go_into_one_graph():
    tiny_project.install_plugins()
    torch.manual_seed(0)
    shapes = {"mel": (1, 8, 20), "lyrics": (1, 30, 12), "cover": (3, 6, 6), "year": (1, 1, 1)}
    network = registry.load("ostinato.architectures", "several").Network(shapes, 3).eval()
    model = networks.convert(network, shapes, opset=18, words=["lyrics"])
    content = graphs.annotate(model, {})
    given = {i.name: (i.type, i.shape) for i in graphs.session(content).get_inputs()}
    assert given["lyrics"] == ("tensor(int64)", ["batch", "lyrics_frames"])
    assert given["mel"] == ("tensor(float)", ["batch", 1, 8, "mel_frames"])
    assert given["cover"] == ("tensor(float)", ["batch", 3, 6, 6])
    assert networks.parity(content, network, shapes, ["lyrics"]) < 1e-5
    maps = 6 * 8 * 20 + 6 * 6 * (3 * 6) + 6
    assert cost.multiply_adds(model, shapes, ["lyrics"]) == maps + 24 * 3


def test_a_network_of_other_classes_is_refused(content):
    other = registry.load("ostinato.architectures", "freq").Network({"x": SHAPE}, 7).eval()
    with pytest.raises(OstinatoError, match=r"gives \(1, 3\), the original gives \(1, 7\)"):
        networks.parity(content, other, {"mel": SHAPE})


def test_what_is_no_number_is_no_parity(content):
    broken = small(0)
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    assert networks.parity(content, broken, {"mel": SHAPE}) == np.inf


@pytest.mark.parametrize(("kind", "name"), [("single", "genre"), ("multi", "tags"), ("embedding", "artist_embedding")])
def test_pooling_is_that_of_the_task(kind, name):
    logits = torch.tensor([[3.0, -2.0, 40.0], [0.5, 0.1, 30.0], [-1.0, 2.0, 20.0]], dtype=torch.float64)
    task = Task(name, CLASSES)
    np.testing.assert_allclose(pool(logits, kind)[0].numpy(), task.pool(logits.numpy()), rtol=1e-6)


def test_a_stack_is_one_graph_of_its_members_chunks():
    whole = stack("single")
    shapes = {"one": SHAPE, "other": SHAPE}
    content = graphs.annotate(networks.convert(whole, shapes, opset=18), {})
    assert networks.parity(content, whole, shapes) < 1e-5
    rng = np.random.default_rng(0)
    chunks = {"one": rng.normal(size=(3, *SHAPE)), "other": rng.normal(size=(5, *SHAPE))}
    chunks = {name: x.astype(np.float32) for name, x in chunks.items()}
    logits, embedding = graphs.run(content, chunks)
    task = Task("genre", CLASSES)
    with torch.inference_mode():
        pooled = [task.pool(whole.members[n](torch.from_numpy(x)).numpy()) for n, x in chunks.items()]
        expected = whole.network(torch.from_numpy(np.concatenate(pooled)[None]).float()).numpy()
    assert logits.shape == (1, 3)
    assert embedding.shape == (1, 8)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_stack_gives_its_network_numbers_that_are_not_known():
    chunks = [torch.randn(2, *SHAPE), torch.randn(1, *SHAPE)]
    plain = stack("single")
    first, second = plain.members
    reads = {first: 3, "lyrics": 2, second: 3, "year": 1}
    wider = Stack(dict(plain.members.items()), plain.network, "single", reads)
    read = wider.member_logits(*chunks)
    assert read.shape == (1, 9)
    torch.testing.assert_close(read[:, [0, 1, 2, 5, 6, 7]], plain.member_logits(*chunks))
    assert read[:, [3, 4, 8]].isnan().all()
    assert wider.state_dict().keys() == plain.state_dict().keys()


def test_members_of_a_stack_stay_as_they_are():
    whole = stack("single").train()
    before = {n: t.clone() for n, t in whole.members.state_dict().items()}
    whole(torch.randn(4, *SHAPE), torch.randn(4, *SHAPE)).sum().backward()
    assert all(p.grad is None for p in whole.members.parameters())
    assert all(torch.equal(t, before[n]) for n, t in whole.members.state_dict().items())
    assert whole.network.training


def test_a_stack_without_members_is_refused():
    with pytest.raises(OstinatoError, match="needs members"):
        Stack({}, nn.Identity(), "single")


def graph_of(nodes, inputs, weights):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *s[1:]]) for n, s in inputs.items()]
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in weights.items()]
    return helper.make_model(
        helper.make_graph(nodes, "g", values, [out], tensors),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )


def test_multiplications_of_a_convolution_and_a_product():
    nodes = [
        helper.make_node(
            "Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], group=2, auto_pad="SAME_UPPER", strides=[2, 1]
        ),
        helper.make_node("ReduceMean", ["a", "axes"], ["b"], keepdims=0),
        helper.make_node("Gemm", ["b", "d"], ["logits"], transB=1),
    ]
    model = graph_of(nodes, {"x": (1, 4, 11, 10)}, {"w": (6, 2, 3, 3), "d": (5, 6)})
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    assert cost.multiply_adds(model, {"x": (4, 11, 10)}) == 6 * 6 * 10 * (2 * 9) + 6 * 5


def test_multiplications_of_a_recurrent_layer():
    nodes = [
        helper.make_node("Squeeze", ["x", "axis"], ["y"]),
        helper.make_node("Transpose", ["y"], ["z"], perm=[2, 0, 1]),
        helper.make_node("GRU", ["z", "w", "r"], ["logits"], hidden_size=5),
    ]
    model = graph_of(nodes, {"x": (1, 1, 4, 7)}, {"w": (1, 15, 4), "r": (1, 15, 5)})
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    assert cost.multiply_adds(model, {"x": (1, 4, 7)}) == 7 * (15 * 4 + 15 * 5)


def test_multiplications_of_freq(network, content):
    first = sum(2 * k for k in (12, 6, 4, 3, 2, 1)) * 12 * 9
    widths, separable, channels = (9, 5, 3, 2), 0, 12
    for width, filters in zip(widths, (16, 32, 64, 128), strict=True):
        separable += 12 * width * channels * (3 + filters)
        channels = filters
    last = 12 * 128 * (2 + 256) + 256 * 3
    assert cost.multiply_adds(onnx.load_from_string(content), {"mel": SHAPE}) == first + separable + last


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_an_estimator_gives_logits_and_its_input_standardised(kind, rng):
    x = (3 + 7 * rng.normal(size=(40, 6))).astype(np.float32)
    x[:, 5] = 0.3
    target = np.eye(4, dtype=np.float32)[(x[:, 0] > 3) + 2 * (x[:, 1] > 10)]
    target[:, 3] = 0 if kind == "single" else 1
    if kind == "single":
        target[target.sum(1) == 0, 0] = 1
    task = Task("genre" if kind == "single" else "tags", ("a", "b", "c", "d"))
    fitted = estimator.fit(registry.load("ostinato.estimators", "mfcc_svm"), x, target, 0, {}, kind)
    plain = estimator.to_onnx(fitted, 6, kind, 4)
    content = graphs.annotate(estimators.convert(plain, kind, "mfcc"), {"a": 1})
    logits, embedding = graphs.run(content, {"mfcc": x})
    np.testing.assert_allclose(task.scores(logits), fitted.scores(x), atol=1e-5)
    np.testing.assert_allclose(embedding.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(embedding.std(axis=0), [1, 1, 1, 1, 1, 0], atol=1e-5)
    assert estimators.parity(content, plain, "mfcc", task.logits) < 1e-5
    assert graphs.annotate(estimators.convert(plain, kind, "mfcc"), {"a": 1}) == content
