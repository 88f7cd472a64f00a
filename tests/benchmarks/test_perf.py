"""Short rows of the benchmarks once more: have we become half as fast beside a peer as docs/speed.json says?"""

import json

import all as everything
import pytest
from side_by_side import Absent, Row, measure

GROSS = 2.0
TRIES = 3  # one that another program disturbed isn't a regression


def smoke_rows() -> list[Row]:
    """The rows that are short and steady."""
    return [row for name in everything.PROGRAMS for row in everything.import_module(name).rows() if row.smoke]


def test_there_are_rows_to_repeat() -> None:
    assert smoke_rows()


@pytest.mark.perf
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("row", smoke_rows(), ids=lambda row: row.name)
def test_no_ratio_has_halved(row: Row) -> None:
    kept = json.loads(everything.KEPT.read_text(encoding="utf-8"))["rows"] if everything.KEPT.exists() else {}
    if row.name not in kept:
        pytest.skip("docs/speed.json has no such row: python benchmarks/all.py")
    before = kept[row.name]["ratios"]
    for _ in range(TRIES):
        try:
            ratios = measure(row, turns=3)["ratios"]
        except Absent as error:
            pytest.skip(str(error))
        now = {peer: (found["median"], before[peer]["median"]) for peer, found in ratios.items() if peer in before}
        halved = {peer: pair for peer, pair in now.items() if pair[0] < pair[1] / GROSS}
        if not halved:
            return
    pytest.fail(f"times better now and before: {halved}")
