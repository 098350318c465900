"""The accelerator's generated Verilog against golden and against the functional device, on Verilator."""

from tests.cocotb.designs import ACCELERATOR, BUILD_ID
from tests.cocotb.simulator import run_bench
from trine.hw.accelerator import Accelerator


def test_accelerator(tmp_path, monkeypatch):
    names = run_bench(Accelerator(ACCELERATOR, BUILD_ID), "tests.cocotb.bench_accelerator", tmp_path, monkeypatch)
    assert len(names) == 5
