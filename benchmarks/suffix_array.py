"""How long the index of a training text takes, how much memory, and how fast it is searched: python benchmarks/suffix_array.py.

`varied` is 100 MB of the village's stories, all different; `repeated` one MB of them a hundred times, the worst case for
sorting suffixes, as they are alike for very long. The index is built in a process of its own. Prints one JSON object a
text. The peak is the resident memory of that process (Linux).
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hornbook.batches.dataset import Dataset, open_dataset
from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.batches.text_index import build_index, open_index
from hornbook.corpora.village import Village

REPEATS = 100
QUERY = 1000  # tokens of a text whose spans are looked for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--text", choices=["varied", "repeated"], default="varied")
    parser.add_argument("--tokenizer", default="bpe")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        begun = time.perf_counter()
        dataset = make(asked.text, asked.megabytes * 1_000_000, asked.tokenizer, Path(place))
        print(f"the dataset took {time.perf_counter() - begun:.0f} s", flush=True)
        result = {**vars(asked), "tokens": len(dataset.train)}
        result |= apart(_built, dataset.folder) | searched(dataset)
        folder = dataset.folder / "suffixes"
        result["index_megabytes"] = round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6)
    print(json.dumps(result))


def make(text: str, num_bytes: int, tokenizer: str, place: Path) -> Dataset:
    """A dataset of so much text."""
    settings = PrepareSettings(tokenizer=tokenizer, clean="none" if text == "repeated" else "standard")
    if text == "varied":
        return prepare(Village(num_bytes), settings, place / "dataset")
    once = "\n".join(document.text for document in Village(num_bytes // REPEATS).documents())
    (place / "repeated.txt").write_text(once * REPEATS)
    return prepare([place / "repeated.txt"], settings, place / "dataset")


def apart(work: Any, folder: Path) -> dict[str, float]:
    """What `work(folder)` says of itself, in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: dict[str, float] = pool.apply(work, (folder,))
        return found


def _built(folder: Path) -> dict[str, float]:
    dataset, begun, processor = open_dataset(folder), time.perf_counter(), time.process_time()
    build_index(dataset)
    return {
        "seconds": round(time.perf_counter() - begun, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "peak_megabytes": _peak(),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def searched(dataset: Dataset) -> dict[str, float]:
    """Microseconds a token (processor time) of looking for spans of held-out text, the median of ten after a first."""
    index = open_index(dataset)
    assert index
    times, longest = [], 0
    for number in range(11):
        query = np.asarray(dataset.val[number * QUERY : (number + 1) * QUERY]).tolist()
        begun = time.process_time()
        spans = index.spans(query)
        times.append((time.process_time() - begun) / max(1, len(query)))
        longest = max([longest, *(span.stop - span.start for span in spans)])
    return {"microseconds_a_token": round(1e6 * median(times[1:]), 1), "longest_span": longest}


if __name__ == "__main__":
    main()
