"""The arrays' generated Verilog against golden, on Verilator."""

from tests.cocotb.designs import ARRAYS, Arrays
from tests.cocotb.simulator import run_bench


def test_arrays(tmp_path, monkeypatch):
    names = run_bench(Arrays(), "tests.cocotb.bench_ternary_array", tmp_path, monkeypatch)
    assert len(names) == 3 * len(ARRAYS)
