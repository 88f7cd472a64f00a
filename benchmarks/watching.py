#!/usr/bin/env python
"""What `hornbook train --watch` costs a training, with a page open that follows: `python benchmarks/watching.py`.

The model of the recipe shakespeare-char trains on random tokens in turns of some seconds, with and without the page's
process beside it. While it is there a client asks each second for what is new, as an open page does. Turns alternate,
and the ratio of each pair counts, so that a machine whose speed drifts slows both alike. Beside it stands the processor
time of the page's process, its start included, as a share of the time that it was there: whatever else the machine does,
it can't have taken more.
"""

import argparse
import json
import resource
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from loop_overhead import our_loop

from hornbook.commands._watch import watched

ASK_SECONDS = 1.0  # as the page


def speed(run: Path, steps: int, *, watch: bool) -> float:
    """Tokens per second of a run of so many steps."""
    loop = our_loop(run, steps)
    if not watch:
        loop.run(lambda record: None)
    else:
        with watched(run) as address, followed(address, run.name):
            loop.run(lambda record: None)
    return loop.speed.tokens_per_second


@contextmanager
def followed(address: str, name: str) -> Iterator[None]:
    """Ask as a page does, once the server is up: its start is no part of what is measured."""
    with urllib.request.urlopen(f"{address}/view/runs/{name}", timeout=60) as answer:
        answer.read()
    ended = threading.Event()

    def ask() -> None:
        offset, mark = 0, ""
        while not ended.wait(ASK_SECONDS):
            with (
                suppress(OSError),
                urllib.request.urlopen(f"{address}/view/runs/{name}/records?offset={offset}&mark={mark}") as answer,
            ):
                found = json.load(answer)
                offset, mark = found["offset"], found["mark"]

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure(pairs: int, steps: int) -> dict[str, object]:
    """The ratio of the speeds with and without a page, of each pair; the order within a pair alternates."""
    ratios, shares = [], []
    with tempfile.TemporaryDirectory() as home:
        speed(Path(home) / "warm", steps // 4, watch=False)
        for number in range(pairs):
            found = {}
            for watch in (number % 2 == 0, number % 2 == 1):
                before, begun = _children(), time.perf_counter()
                found[watch] = speed(Path(home) / f"{number}-{watch}" / "run", steps, watch=watch)
                if watch:
                    shares.append((_children() - before) / (time.perf_counter() - begun))
            ratios.append(found[True] / found[False])
    return {
        "threads": torch.get_num_threads(),
        "pairs": pairs,
        "steps": steps,
        "ratio": {
            "least": round(min(ratios), 3),
            "median": round(statistics.median(ratios), 3),
            "most": round(max(ratios), 3),
        },
        "share of one processor for the page": round(statistics.median(shares), 4),
    }


def _children() -> float:
    """Seconds of processor time of the processes that were begun and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1000)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.pairs, asked.steps), indent=2))
