"""`hornbook prepare`, text to a dataset folder, and the memory it needs: `python benchmarks/prepare.py`.

The whole command is timed: start, cleaning, duplicates, training a BPE of 4,096 ids, encoding, writing. Texts are the
speeches of tiny-shakespeare in ever new orders, so that no document repeats another. The peer is a script as people write
it: the whole text read at once, rustbpe, tiktoken, a file of numbers; it neither cleans nor splits nor keeps a record.
Memory is the largest sum of resident memory over a process and its children (Linux).
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from _shuffled import write
from side_by_side import Absent, Contest, Row, Turn, main

POLL_SECONDS = 0.05
PLAIN = """
import sys, numpy, rustbpe, tiktoken
text = open(sys.argv[1], encoding="utf-8").read()
pattern = sys.argv[3]
trainer = rustbpe.Tokenizer()
trainer.train_from_iterator([text[start : start + 1_000_000] for start in range(0, len(text), 1_000_000)], 4096, pattern=pattern)
ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
encoding = tiktoken.Encoding("plain", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
numpy.array(encoding.encode_ordinary(text), dtype=numpy.uint16).tofile(sys.argv[2])
"""


def rows() -> list[Row]:
    once = {"turns": 1, "warm_up": 0}
    return [
        Row(
            "prepare-60mb",
            "`hornbook prepare`, 60 MB in one text",
            "MB/s",
            partial(enter, megabytes=60, form="txt"),
            aim=10,
            turns=3,
            warm_up=0,
        ),
        Row(
            "prepare-100mb",
            "`hornbook prepare`, 100 MB in 80,000 documents",
            "MB/s",
            partial(enter, megabytes=100, form="jsonl"),
            aim=10,
            **once,
        ),
        Row(
            "prepare-1gb",
            "`hornbook prepare`, 1 GB in 800,000 documents",
            "MB/s",
            partial(enter, megabytes=1000, form="jsonl"),
            aim=10,
            **once,
        ),
    ]


def enter(contest: Contest, megabytes: int, form: str) -> None:
    """Make the text, enter the command, and for a long text the script."""
    folder = Path(contest.stack.enter_context(tempfile.TemporaryDirectory()))
    source = folder / f"speeches.{form}"
    write(source, megabytes, form)
    contest.add("hornbook", prepare_turn(contest, source, folder))
    if form == "txt":
        contest.peer("plain script", lambda: plain_turn(contest, source, folder))


def prepare_turn(contest: Contest, source: Path, folder: Path) -> Turn:
    def turn() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            command = [sys.executable, "-m", "hornbook", "prepare", str(source), "--out", f"{place}/data", "--json"]
            seconds, peak, output = measure(command)
        splits = json.loads(output)["splits"].values()
        contest.facts["documents"] = f"{sum(split['documents'] for split in splits):,}"
        contest.facts["memory at most"] = f"{peak / 1e6:,.0f} MB"
        return source.stat().st_size / 1e6 / seconds

    return turn


def plain_turn(contest: Contest, source: Path, folder: Path) -> Turn:
    from hornbook.tokenizers._patterns import PATTERNS

    if missing := [name for name in ("rustbpe", "tiktoken") if not find_spec(name)]:
        raise Absent(f"{missing[0]} isn't installed")

    def turn() -> float:
        seconds, peak, _ = measure([sys.executable, "-c", PLAIN, str(source), str(folder / "ids"), PATTERNS["qwen2"]])
        contest.facts["memory at most, plain script"] = f"{peak / 1e6:,.0f} MB"
        return source.stat().st_size / 1e6 / seconds

    return turn


def measure(command: list[str]) -> tuple[float, int, str]:
    """(seconds, peak bytes of resident memory with all children, what it printed)."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, sum(resident_bytes(each) for each in with_children(process.pid)))
            time.sleep(POLL_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - begun
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed with exit code {process.returncode}")
    return seconds, peak, output


def with_children(pid: int) -> list[int]:
    """The process and everything that it has started, as the kernel lists them."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += with_children(int(child))
        except OSError:
            continue  # it ended while we looked
    return found


def resident_bytes(pid: int) -> int:
    """The memory of one process that is in RAM, its libraries included; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmRSS")]
    return 1024 * sum(kilobytes)


if __name__ == "__main__":
    main(rows)
