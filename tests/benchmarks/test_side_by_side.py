"""The frame of the benchmarks: turns, ratios, who is left out, what is printed."""

import json
from collections.abc import Callable

import pytest
from page import number, remarks, table
from side_by_side import Absent, Contest, Row, main, measure, rate, seconds, summary, take_turns


def row(setup: Callable[[Contest], None], **more: object) -> Row:
    return Row("row", "some work", "MB/s", setup, **more)  # type: ignore[arg-type]


def test_every_second_round_goes_backwards_and_warming_up_does_not_count() -> None:
    order: list[str] = []
    contestants = {name: lambda name=name: float(order.append(name) or len(order)) for name in "abc"}
    rounds = take_turns(contestants, turns=2, warm_up=1)
    assert "".join(order) == "abccbaabc"
    assert rounds == [{"a": 6, "b": 5, "c": 4}, {"a": 7, "b": 8, "c": 9}]


def test_ratios_are_taken_round_by_round() -> None:
    rounds = [{"ours": 2.0, "peer": 1.0}, {"ours": 30.0, "peer": 10.0}, {"ours": 4.0, "peer": 1.0}]
    found = summary(rounds, smaller_is_better=False)
    assert found["figures"]["ours"] == {"median": 4.0, "least": 2.0, "most": 30.0}
    assert found["ratios"]["peer"] == {"median": 3.0, "least": 2.0, "most": 4.0}
    assert found["wide"] == ["peer"]


def test_of_seconds_fewer_are_better() -> None:
    found = summary([{"ours": 2.0, "peer": 6.0}, {"ours": 2.0, "peer": 6.2}], smaller_is_better=True)
    assert found["ratios"]["peer"]["median"] == 3.05
    assert found["wide"] == []


def test_a_rate_is_the_amount_over_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.5, 20.0, 20.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert rate(2.0, lambda: None)() == 4.0
    assert seconds(lambda: None)() == 0.5


def test_a_peer_that_is_not_installed_is_left_out_and_named() -> None:
    def setup(contest: Contest) -> None:
        contest.add("hornbook", lambda: 3.0)
        contest.peer("gone", lambda: __import__("no_such_package_anywhere"))
        contest.peer("other ids", refuse)
        contest.facts["memory"] = "1 MB"

    def refuse() -> Callable[[], float]:
        raise Absent("its ids differ")

    found = measure(row(setup, aim=2.0))
    assert list(found["figures"]) == ["hornbook"]
    assert remarks([found]) == [
        "- row: memory: 1 MB",
        "- row: left out: gone: No module named 'no_such_package_anywhere'",
        "- row: left out: other ids: its ids differ",
    ]
    assert table([found]).splitlines()[-1] == "| some work [row] | MB/s | hornbook 3 | >= 2 | | | |"


def test_what_the_setup_opened_is_closed_when_a_turn_fails() -> None:
    closed = []

    def setup(contest: Contest) -> None:
        contest.stack.callback(closed.append, True)
        contest.add("hornbook", lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        measure(row(setup))
    assert closed == [True]


def test_a_row_that_fails_does_not_lose_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def good(contest: Contest) -> None:
        contest.add("hornbook", lambda: 2.0)
        contest.peer("peer", lambda: lambda: 1.0)

    def bad(contest: Contest) -> None:
        raise ValueError("broken")

    def absent(contest: Contest) -> None:
        raise Absent("no GPU here")

    rows = [Row("bad", "", "s", bad), Row("absent", "", "s", absent), Row("good", "", "s", good)]
    rows.append(Row("long", "", "s", bad, only_named=True))
    with pytest.raises(SystemExit) as ended:
        main(lambda: rows, ["--json"])
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["good"]
    assert "ValueError: broken" in err
    assert "absent: left out: no GPU here" in err
    with pytest.raises(SystemExit) as ended:
        main(lambda: rows, ["--only", "good"])
    assert ended.value.code == 0
    assert "| peer | 1 | 2 (2 to 2) |" in capsys.readouterr().out


def test_an_unknown_row_is_said_with_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(lambda: [Row("good", "", "s", lambda _: None)], ["--only", "god"])
    assert ended.value.code == 2
    assert "no row 'god'; choose from good" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "text"), [(0.1234, "0.123"), (5.678, "5.68"), (1234.5, "1,234"), (99.96, "100")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
