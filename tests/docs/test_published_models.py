"""docs/published-models.md has what its script prints today, as far as a few seconds can tell."""

import runpy
from pathlib import Path

from trine.firmware.presets import find_preset
from trine.host.energy import OPERATIONS
from trine.host.published import PUBLISHED, find_published
from trine.host.routed import clock_of
from trine.host.workload import analyse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "published-models.md").read_text(encoding="utf-8").splitlines()
SCRIPT = runpy.run_path(str(ROOT / "examples" / "published_models.py"))


def test_tables():
    """All boards for the smallest model, and one for the model that is shown in detail."""
    model = find_published("bitnet-0.7b")
    workloads = [analyse(model, board, clock_of(board)) for board in SCRIPT["BOARDS"]]
    seconds, _, row = [line for line in SCRIPT["report"]({model.name: workloads}) if model.name in line or not line]
    assert seconds in PAGE
    timed = row.rindex(" | ")  # the host's milliseconds are another machine's
    assert any(line.startswith(row[:timed]) for line in PAGE)
    board = find_preset("butterstick")
    detailed = SCRIPT["board_row"](analyse(find_published(SCRIPT["DETAILED"]), board, clock_of(board)))
    assert f"| {' | '.join(detailed)} |" in PAGE


def test_every_model_and_energy_is_there():
    for model in PUBLISHED:
        assert sum(line.startswith(f"| `{model.name}` |") for line in PAGE) == 2, model.name
    for name, nodes in OPERATIONS.items():
        costs = [f"{getattr(nodes[node], kind):g}" for kind in ("add", "mul") for node in (45, 7)]
        assert any(line.lower() == f"| {name} | {' | '.join(costs)} |" for line in PAGE), name
