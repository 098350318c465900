import pytest

from trine.host.errors import UsageError
from trine.host.published import PUBLISHED, find_published

BILLIONS = {"bitnet-2b4t": 2.41, "bitnet-0.7b": 0.73, "bitnet-1.3b": 1.27, "bitnet-3b": 3.32,
            "falcon3-1b-1.58bit": 1.67, "falcon3-3b-1.58bit": 3.23, "falcon3-7b-1.58bit": 7.46,
            "falcon3-10b-1.58bit": 10.31, "llama3-8b-1.58": 8.03}
"""All parameters, embeddings and head included: what the names round."""


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.name)
def test_sizes(model):
    assert round((model.ternary_weights + model.embedding_weights) / 1e9, 2) == BILLIONS[model.name]
    assert len(model.shapes) == 7 * model.config.num_hidden_layers


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.name)
def test_requests_are_all_layers_in_their_order(model):
    assert [layer for layers in model.requests for layer in layers] == list(model.shapes)
    for layers in model.requests:
        assert len({model.shapes[layer][1] for layer in layers}) == 1


def test_shapes_of_2b4t():
    model = find_published(" BitNet-2B4T")
    assert [model.shapes[f"model.layers.29.{name}"] for name in (
        "self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj", "mlp.down_proj")] == [
            (2560, 2560), (640, 2560), (6912, 2560), (2560, 6912)]
    assert model.embedding_weights == 128256 * 2560


def test_an_untied_head_counts():
    model = find_published("llama3-8b-1.58")
    assert model.embedding_weights == 2 * 128256 * 4096


def test_unknown():
    with pytest.raises(UsageError, match=r"no published model is called 'bitnet'; there are bitnet-2b4t, .*llama3-8b"):
        find_published("bitnet")
