"""sim.netlist_check: netlists of both families compute golden's integers, and one that does not is caught."""

import copy
import itertools
import json

import numpy as np
import pytest

from tests.hw.configurations import VARIANTS, small
from trine.firmware.link import ERROR, RESPONSE_BIT, Error, Frame, Request
from trine.firmware.presets import PRESETS
from trine.golden.accumulate import accumulate
from trine.hw.accelerator import Accelerator
from trine.hw.bare_array import BareArray
from trine.hw.build import tools
from trine.hw.build.parts import find_part
from trine.hw.build.store import Store
from trine.hw.build.synthesise import Synthesis, synthesise, to_rtlil
from trine.sim import netlist_check
from trine.sim.errors import NetlistMismatch
from trine.sim.model import Transfer
from trine.sim.netlist_check import check_model, check_netlist, choose_products

ECP5, ICE40 = "LFE5U-25F-6-CABGA381", "iCE40UP5K-sg48"

SMALLEST = {"lanes": 2, "depth": 2, "result_width": 1, "accumulator_bits": 16, "maximum_payload": 64,
            "activation_chunks": 8, "weight_words": 32, "program_words": 8}

DEVICES = {  # the first is as large as it takes to have a block RAM
    "ecp5 array": small(part=ECP5, bare=True, lanes=2, depth=6, weight_words=512),
    "ecp5 accelerator": small(part=ECP5, **SMALLEST),
    "ice40 array": small(part=ICE40, bare=True, lanes=2, depth=3, packing="trit3x5", result_width=1),
    "ice40 accelerator": small(part=ICE40, **SMALLEST),
}


def synthesised(configuration, folder):
    top = BareArray(configuration) if configuration.bare else Accelerator(configuration)
    return synthesise(to_rtlil(top), find_part(configuration.part), folder / "yosys.log")


@pytest.mark.parametrize("device", DEVICES)
def test_netlist(device, cache, tmp_path, monkeypatch):
    """Every integer is golden's; and what passed is not simulated again."""
    configuration, store = DEVICES[device], Store(tmp_path)
    family = find_part(configuration.part).family
    synthesis = synthesised(configuration, tmp_path)
    checked = check_netlist(synthesis, family, configuration, store=store, cache=cache)
    assert checked.products == (8 if configuration.bare else 6)
    assert checked.integers >= 36
    monkeypatch.setattr(netlist_check, "build_netlist", None)
    assert check_netlist(synthesis, family, configuration, store=store, cache=cache) == checked
    if device == "ecp5 array":
        assert synthesis.cells["DP16KD"] > 0


def test_another_netlist_or_configuration_did_not_pass(tmp_path, monkeypatch):
    """It is simulated, whatever passed before."""
    def refuse(*arguments, **options):
        raise NetlistMismatch("simulated")

    configuration, store = DEVICES["ecp5 array"], Store(tmp_path)
    monkeypatch.setattr(netlist_check, "build_netlist", refuse)
    monkeypatch.setattr(netlist_check, "source_hash", lambda *names: "same")
    text = netlist_check.configuration_text(configuration)
    store.put("8 96 5", "checked", Synthesis("a", {}).netlist_hash, "ecp5", text, tools.version("yosys"), "same")
    assert check_netlist(Synthesis("a", {}), "ecp5", configuration, store=store).integers == 96
    for netlist, family, other in (("b", "ecp5", configuration), ("a", "ice40", configuration),
                                   ("a", "ecp5", small(bare=True))):
        with pytest.raises(NetlistMismatch, match=r"^simulated$"):
            check_netlist(Synthesis(netlist, {}), family, other, store=store)


def flip(top):
    """One bit of the table of the second adder: what it adds for 0 and 0."""
    adders = [cell for cell in top["cells"].values() if cell["type"] == "CCU2C"
              and {*cell["connections"]["C0"], *cell["connections"]["D0"]} <= {"0", "1"}]
    parameters, pins = adders[1]["parameters"], adders[1]["connections"]
    address = 4 * int(pins["C0"][0]) + 8 * int(pins["D0"][0])
    parameters["INIT0"] = f"{int(parameters['INIT0'], 2) ^ 1 << address:016b}"


def swap(top):
    """Two bits of what a flip-flop takes."""
    first, second = [cell for cell in top["cells"].values() if cell["type"] == "TRELLIS_FF"][-2:]
    one, other = first["connections"], second["connections"]
    one["DI"], other["DI"] = other["DI"], one["DI"]


@pytest.fixture(scope="module")
def tiny():
    return small(part=ECP5, bare=True, lanes=1, depth=2, weight_words=16, result_width=1, accumulator_bits=16)


@pytest.fixture(scope="module")
def tiny_netlist(tiny, tmp_path_factory):
    return json.loads(synthesised(tiny, tmp_path_factory.mktemp("tiny")).netlist)


@pytest.mark.parametrize("sabotage", [flip, swap])
def test_sabotage_is_caught(sabotage, tiny, tiny_netlist, cache):
    netlist = copy.deepcopy(tiny_netlist)
    sabotage(netlist["modules"]["top"])
    assert netlist != tiny_netlist
    with pytest.raises(NetlistMismatch, match=r"^the netlist of small (computes|gives) "):
        check_netlist(Synthesis(json.dumps(netlist), {}), "ecp5", tiny, cache=cache)


def test_message(monkeypatch):
    """Row and both values, in one line."""
    configuration = small(bare=True)
    product = choose_products(configuration, 0)[1]
    wrong = product.results
    wrong[5] += 3
    expected, (rows, columns) = product.results[5], product.weights.shape
    with pytest.raises(NetlistMismatch, match=rf"^the netlist of small computes {expected + 3} in row 5 of a "
                                              rf"{rows} x {columns} product, golden {expected}; 1 of 12 rows differ$"):
        netlist_check._compare(product, wrong)


class Answering:
    """A model that answers whatever it is asked with the same bytes."""

    def __init__(self, answer):
        self._answer = answer

    def transfer(self, data, want, *, idle_cycles):
        return Transfer(self._answer, 0, 0)


HELLO = Frame(Request.HELLO | RESPONSE_BIT, 0, bytes(4)).encode()


@pytest.mark.parametrize(("answer", "message"), [
    (b"", "HELLO wrongly: nothing comes"),
    (HELLO[:-1] + bytes([HELLO[-1] ^ 1]), "HELLO wrongly: frame CRC is "),
    (HELLO[:-3], "HELLO wrongly: opcode 0x81 and 4 of 4 bytes"),
    (HELLO + Frame(ERROR, 1, bytes([Error.BAD_ADDRESS, 3])).encode(), "WRITE wrongly: error BAD_ADDRESS"),
    (HELLO + HELLO, "WRITE wrongly: opcode 0x81 and 4 of 4 bytes"),
    (HELLO + bytes(20), "WRITE wrongly: a frame starts with 0x58b1"),
])
def test_accelerator_that_answers_wrongly(answer, message):
    with pytest.raises(NetlistMismatch, match=rf"^the netlist of small answers {message}"):
        check_model(Answering(answer), small(**SMALLEST))


def test_array_that_does_not_answer():
    with pytest.raises(NetlistMismatch, match=r"gives 3 of 16 bytes of results, and then nothing$"):
        check_model(Answering(bytes(3)), small(bare=True))


@pytest.mark.parametrize("configuration", [
    *(small(bare=bare, **VARIANTS[variant]) for variant in VARIANTS for bare in (True, False)), *PRESETS.values()],
    ids=lambda configuration: f"{configuration.name}-{configuration.packing}-{configuration.bare}")
@pytest.mark.parametrize("seed", [0, 1])
def test_products_fit(configuration, seed):
    """In the memories, side by side, up to their last word; and golden and the accumulators can hold them."""
    c = configuration
    products = choose_products(c, seed)
    assert len(products) == (4 if c.bare else 3)
    places = [(p.weight_word, p.weight_word + p.row_blocks * p.chunks, p.activation_chunk,
               p.activation_chunk + p.chunks, p.result_beat, p.result_beat + p.beats) for p in products]
    assert places[-1][3] == c.activation_chunks
    for place in places:
        assert place[1] <= c.weight_words
        assert place[3] <= c.activation_chunks
        assert place[5] <= c.result_beats
    if not c.bare:
        assert places[-1][1::4] == (c.weight_words, c.result_beats)
        for one, other in itertools.pairwise(places):
            assert all(end <= start for end, start in zip(one[1::2], other[::2], strict=True))
    for product in products:
        rows, results = len(product.weights), product.results
        assert np.array_equal(results[:rows], accumulate(product.weights, product.codes, c.accumulator_mode))
        assert np.abs(results).max(initial=0) < 2 ** (c.accumulator_bits - 1)
