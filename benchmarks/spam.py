"""How well a small model of our own sorts spam: `python benchmarks/spam.py OUT --seeds 5`, after `hornbook fetch sms-spam`.

The base is the recipe spam-base, trained once. Then, for each seed, `hornbook finetune classifier` on 747 ham and 747
spam messages, 70 % of them to learn from, 10 % to choose the best weights by, 20 % to test:

--split own    drawn by the seed, copies of a message in one part (`--balance downsample`)
--split book   the very messages and parts of Raschka's book (its pandas draws with numpy's old generator), in which
               copies of some test messages are learned from; the seed then draws the head and the order only
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from hornbook.commands._finetune_data import find_data
from hornbook.finetuning.labelled import split


def main() -> None:
    """Train, measure, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--split", choices=["own", "book"], default="own")
    parser.add_argument("--data", default="sms-spam", help="the corpus, or its file")
    asked, flags = parser.parse_known_args()  # further flags go to the fine-tuning
    source = find_data(asked.data)
    base = asked.out / "base"
    seconds = 0.0 if base.exists() else timed("train", "spam-base", "--out", str(base))[1]
    data = book_files(source, asked.out / "book") if asked.split == "book" else own_flags(source)
    results = []
    for seed in range(asked.seeds):
        run = asked.out / f"{asked.split}-{seed}"
        found, took = timed("finetune", "classifier", str(base), *data, *RECIPE, "--training.seed", str(seed),
                            "--out", str(run), *flags)  # fmt: skip
        baseline = max(scores["accuracy"] for scores in found["baselines"].values())
        results.append((found["test"]["accuracy"], baseline, found["calibration"]["error"]))
        print(
            f"seed {seed}: {results[-1][0]:.4f}, features {baseline:.4f}, ECE {results[-1][2]:.3f}, {took:.0f} s",
            flush=True,
        )
    accuracies = [result[0] for result in results]
    spread = stdev(accuracies) if len(accuracies) > 1 else 0.0
    print(f"base {seconds:.0f} s; test accuracy {mean(accuracies):.4f}, from {min(accuracies):.4f} to "
          f"{max(accuracies):.4f}, spread {spread:.4f}; features {mean(result[1] for result in results):.4f}")  # fmt: skip


RECIPE = ("--pooling", "mean", "--optimizer.learning_rate", "1e-3")  # all else is the default


def timed(*words: str) -> tuple[dict[str, Any], float]:
    """A command's JSON, and the seconds that it took."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "hornbook", *words, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout), time.perf_counter() - begun


def own_flags(source: Path) -> list[str]:
    """The file has no header: its columns go by number."""
    return ["--data", str(source), "--label", "1", "--text", "2", "--balance", "downsample"]


def book_files(source: Path, folder: Path) -> list[str]:
    """Write the book's three parts and name them."""
    with open(source, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t") if row]
    ham, spam = ([place for place, row in enumerate(rows) if row[0] == label] for label in ("ham", "spam"))
    drawn = np.random.RandomState(123).choice(len(ham), len(spam), replace=False)
    chosen = [ham[place] for place in drawn] + spam
    shuffled = [rows[chosen[place]] for place in np.random.RandomState(123).permutation(len(chosen))]
    names = ("train", "validation", "test")
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(names, split(shuffled, (0.7, 0.1)), strict=True):
        with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("label", "text"), *part])
    paths = {name: str((folder / f"{name}.csv").absolute()) for name in names}
    return ["--data", paths["train"], "--finetune.validation", paths["validation"], "--test", paths["test"]]


if __name__ == "__main__":
    main()
