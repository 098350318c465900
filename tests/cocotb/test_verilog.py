"""The accelerator's and the arrays' generated Verilog against golden and the functional device, on Verilator."""

from tests.cocotb.designs import ARRAYS, Designs
from tests.cocotb.simulator import run_benches


def test_verilog(tmp_path, monkeypatch):
    names = run_benches(Designs(), ["tests.cocotb.bench_accelerator", "tests.cocotb.bench_ternary_array"], tmp_path,
                        monkeypatch)
    assert len(names) == 5 + 3 * len(ARRAYS)
