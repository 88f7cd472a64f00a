"""How fast `hornbook prepare` is and how much memory it needs: python benchmarks/prepare.py --megabytes 1000

The text is the village's stories over and over, each with a number of its own, so that none is dropped as a duplicate.
Prints one JSON object. The peak is the largest sum of resident memory over the command and its children (Linux).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from hornbook.village.stories import document, stories

NUM_STORIES = 2000
POLL_SECONDS = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--form", choices=["txt", "jsonl"], default="txt", help="one long text, or a document a story")
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--clean", default="standard")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / f"stories.{choices.form}", Path(folder) / "dataset"
        write_text(source, choices.megabytes * 1_000_000, choices.form)
        command = [sys.executable, "-m", "hornbook", "prepare", str(source), "--out", str(out), "--json"]
        command += ["--tokenizer", choices.tokenizer, "--clean", choices.clean]
        seconds, peak, info = measure(command)
        megabytes = source.stat().st_size / 1e6
    result = {
        **vars(choices),
        "documents": sum(split["documents"] for split in info["splits"].values()),
        "tokens": sum(split["tokens"] for split in info["splits"].values()),
        "seconds": round(seconds, 1),
        "megabytes_per_second": round(megabytes / seconds, 1),
        "peak_megabytes": round(peak / 1e6),
        "cores": os.cpu_count(),
    }
    print(json.dumps(result))


def write_text(path: Path, num_bytes: int, form: str) -> None:
    """Numbered stories until the file has about `num_bytes`."""
    with open(path, "w", encoding="utf-8") as file:
        for number, text in enumerate(numbered(num_bytes)):
            story = f"Story {number}\n\n{text}"
            file.write(story + "\n" if form == "txt" else json.dumps({"text": story}) + "\n")


def numbered(num_bytes: int) -> Iterator[str]:
    """The same stories in turn, about `num_bytes` of them."""
    texts = [document(story) for story in stories(1, NUM_STORIES)]
    each = sum(map(len, texts)) / len(texts) + len("Story 1000000\n\n\n\n")
    return islice(cycle(texts), int(num_bytes / each))


def measure(command: list[str]) -> tuple[float, int, dict]:
    """(seconds, peak bytes of resident memory with all children, the JSON it printed)."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
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
        sys.exit(f"prepare failed with exit code {process.returncode}")
    return seconds, peak, json.loads(output)


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
    main()
