"""Several programs at the same work, each in turn: figures, ratios of each round, spread.

The contract of a benchmark program (a file in this folder, named in `all.py`'s PROGRAMS):

    '''What it measures, one line: the title of its section in docs/speed.md.'''

    from side_by_side import Contest, Row, main, rate

    def rows() -> list[Row]:                      # cheap: nothing heavy imported, built or measured here
        return [Row("encode-bpe", "BPE encoding of 4 MB", "MB/s", encoding, aim=14)]

    def encoding(contest: Contest) -> None:       # the row's setup: builds what its turns use
        text, ours = ...
        contest.add("hornbook", rate(4.0, lambda: ours.encode(text)))   # the first is ours
        contest.peer("tiktoken", lambda: tiktoken_turn(text))           # left out where its package isn't installed
        contest.facts["ids"] = "the same"                               # anything to be said under the row's table

    if __name__ == "__main__":
        main(rows)                                # python benchmarks/NAME.py [--only ROW] [--turns N] [--json]

- A turn is a function without arguments that does the work once and returns its figure in the row's unit: `rate(amount,
  work)` makes one that gives amount per second, `seconds(work)` one that gives seconds (then `smaller_is_better=True`).
  It may time only a part of what it does, and may write into `contest.facts` what it found (a loss, memory).
- All contestants take a turn, then all again in the opposite order, `turns` times after `warm_up` rounds that don't count.
  Reported: each one's median, and the median over the rounds of how many times better ours is than each peer (for
  seconds, theirs / ours), with the least and the most. A row should take less than about a minute.
- A peer comes from the package registry. `contest.peer(name, make)` builds its turn by `make()`; where that raises
  ImportError, or `Absent("why")`, the peer is left out and the page says so. `Absent` raised by the setup itself leaves
  the whole row out ("no GPU here").
- What has to be closed or removed afterwards goes to `contest.stack` (an ExitStack).
- `Row(only_named=True)`: too long for the whole; run by `--only NAME` alone, its result stays on the page.
- `Row(smoke=True)`: a few seconds long and steady; `pytest -m perf` repeats it and fails below half of the page's ratio.
- Messages go to stderr; stdout is for results.
"""

import argparse
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from page import Result, remarks, table

Turn = Callable[[], float]

WIDE = 0.3  # a ratio whose rounds lie further apart than this share of their median is to be measured again


class Absent(Exception):
    """What a contestant or a row needs isn't here; the message says what."""


class Contest:
    """Who takes part in a row, ours first, who is left out and why, and what else was found."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.turns: dict[str, Turn] = {}
        self.missing: dict[str, str] = {}
        self.facts: dict[str, str | float] = {}

    def add(self, name: str, turn: Turn) -> None:
        """Enter a contestant."""
        self.turns[name] = turn

    def peer(self, name: str, make: Callable[[], Turn]) -> None:
        """Enter a contestant whose package may be missing."""
        try:
            self.add(name, make())
        except (ImportError, Absent) as error:
            self.missing[name] = str(error)


@dataclass(frozen=True)
class Row:
    """One line of the table; see the contract above. `aim` is our own figure to reach, in the unit."""

    name: str
    work: str
    unit: str
    setup: Callable[[Contest], None] = field(repr=False)
    aim: float | None = None
    smaller_is_better: bool = False
    turns: int = 5
    warm_up: int = 1
    only_named: bool = False
    smoke: bool = False


def rate(amount: float, work: Callable[[], object]) -> Turn:
    """A turn that does the work and gives `amount` per second: rate(2.0, work) of half a second is 4.0."""
    needed = seconds(work)
    return lambda: amount / needed()


def seconds(work: Callable[[], object]) -> Turn:
    """A turn that does the work and gives the seconds it took."""

    def turn() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return turn


def measure(row: Row, turns: int | None = None) -> Result:
    """Set the row up, let all take their turns, and sum up. Errors: `Absent` where the row can't be measured here."""
    begun = time.perf_counter()
    with ExitStack() as stack:
        contest = Contest(stack)
        row.setup(contest)
        rounds = take_turns(contest.turns, turns or row.turns, row.warm_up)
        found = summary(rounds, row.smaller_is_better)
    gc.collect()
    return {
        "name": row.name,
        "work": row.work,
        "unit": row.unit,
        "aim": row.aim,
        "smaller_is_better": row.smaller_is_better,
        "turns": len(rounds),
        **found,
        "missing": contest.missing,
        "facts": contest.facts,
        "seconds": round(time.perf_counter() - begun, 1),
    }


def take_turns(contestants: dict[str, Turn], turns: int, warm_up: int) -> list[dict[str, float]]:
    """The figure of each in every round that counts. Every second round goes backwards: drift then slows all alike."""
    rounds = []
    for number in range(warm_up + turns):
        figures = dict.fromkeys(contestants, 0.0)
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            figures[name] = contestants[name]()
        if number >= warm_up:
            rounds.append(figures)
    return rounds


def summary(rounds: Sequence[dict[str, float]], smaller_is_better: bool) -> Result:
    """Middle, least and most of each figure, and of how many times better ours, the first, is than each peer's.

    [{"ours": 4.0, "peer": 2.0}], False -> figures of both, ratios {"peer": {"median": 2.0, "least": 2.0, "most": 2.0}},
    wide [] (the peers whose ratio spreads too far to be believed).
    """
    ours, *peers = rounds[0]
    better = {
        peer: [(each[peer] / each[ours]) if smaller_is_better else (each[ours] / each[peer]) for each in rounds]
        for peer in peers
    }
    ratios = {peer: spread(values) for peer, values in better.items()}
    return {
        "figures": {name: spread([each[name] for each in rounds]) for name in rounds[0]},
        "ratios": ratios,
        "wide": [peer for peer, found in ratios.items() if found["most"] - found["least"] > WIDE * found["median"]],
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most, to four digits."""
    found = {"median": median(values), "least": min(values), "most": max(values)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def main(rows: Callable[[], Sequence[Row]], argv: Sequence[str] | None = None) -> None:
    """A program's command line: measure its rows, print a table (or, with --json, a line of JSON as each is done)."""
    asked = parse(rows(), argv)
    failed = 0
    results: list[Result] = []
    for row in asked.rows:
        print(f"{row.name}: {row.work}", file=sys.stderr, flush=True)
        try:
            results.append(measure(row, asked.turns))
        except Absent as error:
            print(f"{row.name}: left out: {error}", file=sys.stderr, flush=True)
        except Exception:  # the other rows shall not be lost by it
            failed += 1
            traceback.print_exc()
        else:
            if asked.json:
                print(json.dumps(results[-1]), flush=True)
    if not asked.json:
        print(table(results), *remarks(results), sep="\n")
    sys.exit(failed > 0)


def parse(rows: Sequence[Row], argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags, and in `.rows` the rows that they choose."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[], metavar="ROW", help="these rows (the long ones run only so)")
    parser.add_argument("--turns", type=int, help="how many rounds count, instead of each row's own number")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each row")
    asked = parser.parse_args(argv)
    known = {row.name: row for row in rows}
    if unknown := [name for name in asked.only if name not in known]:
        parser.error(f"no row '{unknown[0]}'; choose from {', '.join(known)}")
    asked.rows = [known[name] for name in asked.only] or [row for row in rows if not row.only_named]
    return asked
