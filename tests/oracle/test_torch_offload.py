"""Models of transformers whose layers a device executes, against the same models left alone."""

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers.integrations import bitnet

from trine.golden.accumulate import accumulate
from trine.host.device import Device
from trine.host.errors import MismatchError, UsageError
from trine.host.open import open_device
from trine.host.torch import BitLinear, offload

TOKENS = torch.tensor([[3, 14, 15, 9, 2, 6, 5]])
KINDS = ("bitlinear", "autobitlinear", "online")


def observe(model, tokens):
    """(logits, {layer: (input, output)}) of the layers of transformers in a model."""
    seen = {}
    hooks = [module.register_forward_hook(lambda _, x, y, name=name: seen.update({name: (x[0], y)}))
             for name, module in model.named_modules() if isinstance(module, bitnet.BitLinear | bitnet.AutoBitLinear)]
    with torch.no_grad():
        logits = model(tokens).logits
    for hook in hooks:
        hook.remove()
    return logits, seen


def their_sums(layer, x):
    """The integers of a layer of transformers, from its own codes and weights, int64; and the codes int8."""
    if isinstance(layer, bitnet.BitLinear):
        codes, weights = layer.activation_quant(x)[0], bitnet.unpack_weights(layer.weight, torch.float32)
    else:
        scale = 127 / x.float().abs().amax(-1, keepdim=True).clamp(min=1e-5)
        exact = bitnet.ActQuant.apply(x.float()) * scale
        codes = exact.round()
        assert (codes - exact).abs().max() < 1e-3
        weights = (bitnet.WeightQuant.apply(layer.weight) if layer.online_quant else layer.weight).sign()
    return codes.long() @ weights.long().T, codes.to(torch.int8).numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_accumulators_of_every_layer(make_model, device, kind, dtype):
    """The unmodified layers' inputs, captured; their integers against the device's, and for bitlinear every output."""
    model = make_model(kind, dtype)
    originals = dict(model.named_modules())
    _, seen = observe(model, TOKENS)
    assert len(seen) == 14
    with torch.no_grad(), offload(model, device) as offloaded:
        for name, (x, y) in seen.items():
            expected, codes = their_sums(originals[name], x)
            module = model.get_submodule(name)
            assert isinstance(module, BitLinear)
            assert np.array_equal(module.quantise(x)[0].numpy(), codes), name
            assert np.array_equal(offloaded.layers.sums(name, codes), expected.numpy()), name
            if kind == "bitlinear" and dtype == torch.float32:
                assert torch.equal(module(x), y), name
            else:
                tolerance = 1e-5 if dtype == torch.float32 else 2**-5
                assert (module(x) - y).abs().max() <= tolerance * y.abs().max(), name


def test_logits_and_tokens_are_equal(make_model, device):
    """Of bitlinear in float32, where nothing is rounded otherwise: the whole model, left to itself."""
    model = make_model("bitlinear")
    logits, _ = observe(model, TOKENS)
    tokens = model.generate(TOKENS, max_new_tokens=6, min_new_tokens=6, do_sample=False, pad_token_id=0)
    with offload(model, device, verify=True) as offloaded:
        assert torch.equal(observe(model, TOKENS)[0], logits)
        generated = model.generate(TOKENS, max_new_tokens=6, min_new_tokens=6, do_sample=False, pad_token_id=0)
    assert torch.equal(generated, tokens)
    assert offloaded.layers.integers_compared == (7 + 7 + 5) * 2 * (32 + 16 + 16 + 32 + 40 + 40 + 32)


@pytest.mark.parametrize("kind", ["autobitlinear", "online"])
def test_the_other_classes_differ_by_roundings(make_model, device, kind):
    model = make_model(kind)
    logits, _ = observe(model, TOKENS)
    with offload(model, device), torch.no_grad():
        assert (model(TOKENS).logits - logits).abs().max() <= 1e-4 * logits.abs().max()


def test_four_requests_a_layer_and_token(make_model, device):
    model = make_model()
    with offload(model, device) as offloaded:
        before = device.exchanges
        model.generate(TOKENS, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0)
    figures = offloaded.figures()
    passes = 7 + 3
    assert (figures["layers"], figures["requests_a_pass"]) == (14, 2 * 4)
    assert figures["requests"] == passes * 2 * 4
    assert device.exchanges - before == (1 + 3) * 2 * 4, "the prompt's vectors go together"
    assert figures["results_shared"] == passes * 2 * 3, "k, v and up"
    assert figures["array_cycles"] == offloaded.layers.counters.engine.cycles > 0
    assert figures["integers_compared"] == 0
    assert [plan.layers for plan in offloaded.layers.image.requests][:4] == [
        tuple(f"model.layers.0.{name}" for name in names)
        for names in (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), ("self_attn.o_proj",),
                      ("mlp.gate_proj", "mlp.up_proj"), ("mlp.down_proj",))]


@pytest.fixture
def dynamo(monkeypatch):
    """PyTorch's compiler, which the other tests do without; nothing that it compiled is left."""
    monkeypatch.delenv("TORCHDYNAMO_DISABLE")
    with torch._dynamo.config.patch(disable=False):
        torch._dynamo.reset()
        yield torch._dynamo
        torch._dynamo.reset()


def test_a_compiled_block(make_model, device, dynamo):
    """The graph is broken at each layer, and what lies between is compiled."""
    model, graphs = make_model(), []
    block, x = model.model.layers[0].mlp, torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(2))

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    with torch.no_grad():
        expected = block(x)
        with offload(model, device, verify=True) as offloaded:
            assert torch.equal(torch.compile(block, backend=backend)(x), expected)
    assert offloaded.layers.requests == 2 * 7
    assert len(graphs) == 2, "the activation of gate, and the product with up and its norm"


def test_a_graph_that_has_to_be_whole(make_model, device, dynamo):
    model = make_model()
    block = torch.compile(model.model.layers[0].mlp, backend="eager", fullgraph=True)
    with offload(model, device), pytest.raises(dynamo.exc.Unsupported, match=r"torch\.compiler\.disable"):
        block(torch.ones(1, 7, 32))


def test_several_sequences_at_once(make_model, device):
    model = make_model()
    batch = torch.cat([TOKENS, TOKENS.flip(1)])
    logits, _ = observe(model, batch)
    with offload(model, device) as offloaded, torch.no_grad():
        assert torch.equal(model(batch).logits, logits)
    assert offloaded.layers.requests == 2 * 7 * 8


def test_a_layer_called_alone_and_with_another_input(make_model, device):
    model = make_model()
    attention = model.model.layers[0].self_attn
    originals = attention.q_proj, attention.k_proj, attention.v_proj
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    with offload(model, device):
        query, key, value = attention.q_proj, attention.k_proj, attention.v_proj
        query(x)
        x[1, 5] = 9  # in place: the same tensor is another input
        assert torch.equal(key(x), originals[1](x))
        assert torch.equal(value(x[:1]), originals[2](x[:1]))
        assert torch.equal(query(x), originals[0](x))


def test_scaled_input_has_the_same_codes(make_model, device):
    """Only the sums are shared: the scale is each call's own."""
    model = make_model()
    attention = model.model.layers[0].self_attn
    original = attention.k_proj
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    with offload(model, device) as offloaded:
        attention.q_proj(x)
        assert torch.equal(attention.k_proj(4 * x), original(4 * x))
    assert offloaded.layers.requests == 3


def test_restore(make_model, device):
    model = make_model()
    state, modules = model.state_dict(), dict(model.named_modules())
    offloaded = offload(model, device)
    assert not any(isinstance(module, bitnet.BitLinear) for module in model.modules())
    offloaded.restore()
    offloaded.restore()
    assert dict(model.named_modules()) == modules
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_restored_after_a_failure(make_model, device):
    model = make_model()
    modules = dict(model.named_modules())
    with pytest.raises(ZeroDivisionError), offload(model, device):
        raise ZeroDivisionError
    assert dict(model.named_modules()) == modules


def test_an_image_that_is_there_is_not_sent_again(make_model, device):
    model = make_model()
    offload(model, device).restore()
    before = device.exchanges
    with offload(model, device):
        assert device.exchanges == before + 1, "what image it has"


def test_progress(make_model, device):
    seen = []
    with offload(make_model(), device, progress=seen.append):
        assert seen == sorted(seen)
        assert seen[-1] == 1.0


def test_a_wrong_device_is_found(make_model, device, monkeypatch):
    def wrong(weights, codes, mode):
        sums = accumulate(weights, codes, mode)
        sums[-1] ^= 1
        return sums

    monkeypatch.setattr("trine.firmware.machine.accumulate", wrong)
    model = make_model()
    with offload(model, device, verify=True), torch.no_grad(), pytest.raises(MismatchError, match=r"q_proj, row 31: "):
        model(TOKENS)


@pytest.mark.parametrize(("norm", "requests"), [(False, 4), (True, 7)])
def test_llama(device, tmp_path, norm, requests):
    """Another architecture, quantised likewise; a norm of each layer's own leaves them no input in common."""
    torch.manual_seed(2)
    config = transformers.LlamaConfig(
        vocab_size=24, hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.2)
    model = transformers.LlamaForCausalLM(config).eval()
    quantization = transformers.BitNetQuantConfig(use_rms_norm=norm, rms_norm_eps=1e-5)
    bitnet.replace_with_bitnet_linear(model, ["lm_head"], quantization)
    model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        if tensor.dtype == torch.uint8:
            tensor.copy_(bitnet.pack_weights(torch.randint(-1, 2, (4 * len(tensor), tensor.shape[1])).float()))
        else:
            tensor.copy_(torch.rand(tensor.shape) + 0.5 if tensor.dim() == 1 else torch.randn(tensor.shape))
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    logits, _ = observe(model, TOKENS)
    with offload(model, device) as offloaded, torch.no_grad():
        assert torch.equal(model(TOKENS).logits, logits)
    assert offloaded.figures()["requests_a_pass"] == requests
    assert offloaded.layers.requests == 7 * requests


def test_layers_of_any_names(make_layer, device):
    model = nn.Sequential(make_layer("bitlinear"), nn.ReLU(), nn.Linear(24, 40), make_layer("online", bias=True))
    x = torch.randn(2, 40)
    with torch.no_grad():
        expected = model(x)
        with offload(model, device) as offloaded:
            assert (model(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert [plan.layers for plan in offloaded.layers.image.requests] == [("0",), ("3",)]


def refused(model, device: Device, message: str) -> None:
    """`offload` raises UsageError with that message, and leaves the model as it was."""
    modules = dict(model.named_modules())
    with pytest.raises(UsageError, match=message) as raised:
        offload(model, device)
    assert "\n" not in str(raised.value)
    assert dict(model.named_modules()) == modules


def test_offloaded_already(make_model, device):
    with offload(model := make_model(), device):
        refused(model, device, r"this BitNetForCausalLM is offloaded already; restore it first")


def test_nothing_to_offload(device):
    refused(nn.Linear(3, 3), device, r"this Linear has no BitLinear or AutoBitLinear of transformers")


def test_a_single_layer(make_layer, device):
    refused(make_layer("bitlinear"), device, r"the model is a single BitLinear, which cannot be replaced in place")


def test_a_code_that_is_no_weight(make_model, device):
    model = make_model()
    model.model.layers[1].mlp.up_proj.weight[2, 5] = 0b00001100
    refused(model, device, r"^model\.layers\.1\.mlp\.up_proj: code 3 at row and column \(12, 5\) is no weight")


@pytest.mark.parametrize("value", [0.25, -2])
def test_weights_that_are_not_ternary(make_model, device, value):
    model = make_model("autobitlinear")
    model.model.layers[0].mlp.down_proj.weight.data[3, 4] = value
    message = rf"^model\.layers\.0\.mlp\.down_proj: its weight at row 3, column 4 is {value}, not -1, 0 or \+1"
    refused(model, device, message)


def test_packed_weights_of_another_shape(make_model, device):
    model = make_model()
    model.model.layers[0].mlp.down_proj.out_features = 36
    refused(model, device, r"down_proj: its packed weights are of \(32, 40\), the layer is \(36, 40\)")


def test_weight_scale_of_zero(make_model, device):
    model = make_model()
    model.model.layers[0].mlp.down_proj.weight_scale.zero_()
    refused(model, device, r"down_proj: weight_scale must be one positive finite number, not \[0\.0\]")


def test_weights_elsewhere(make_layer, device):
    model = nn.Sequential(make_layer("bitlinear")).to("meta")
    refused(model, device, r"^0: its weights are on meta; move the model to the CPU first")


def test_array_that_does_not_add_exactly(make_model, tmp_path):
    (tmp_path / "narrow.toml").write_text('base = "ulx3s_85f"\nactivation_bits = 4\n')
    (tmp_path / "groups.toml").write_text('base = "ulx3s_85f"\ngroup_accumulator_bits = 12\n')
    model = make_model()
    for name, message in (("narrow", "narrow adds 4-bit codes exactly"), ("groups", "groups adds 8-bit codes in nar")):
        with open_device(f"golden:{tmp_path / name}.toml") as device:
            refused(model, device, message)


def test_sums_that_may_overflow(make_model, tmp_path):
    (tmp_path / "short.toml").write_text('base = "ulx3s_85f"\naccumulator_bits = 12\n')
    with open_device(f"golden:{tmp_path}/short.toml") as device:
        refused(make_model(), device, r"^model\.layers\.0\.self_attn\.q_proj: row \d+ may reach \d+, but the 12-bit")


def test_model_that_is_larger_than_the_device(make_model):
    """It is streamed, its loads once for all tokens of the prompt, and says the same."""
    model = make_model()
    logits, _ = observe(model, TOKENS)
    with open_device("golden:tinyfpga_bx") as device, offload(model, device, verify=True) as offloaded:
        assert len(offloaded.layers.image.loads) > 1
        assert torch.equal(observe(model, TOKENS)[0], logits)
    assert offloaded.figures()["integers_compared"] >= 7 * 2 * (32 + 16 + 16 + 32 + 40 + 40 + 32)
