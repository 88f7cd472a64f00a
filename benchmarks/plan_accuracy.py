"""How near `hornbook plan` comes: five recipes, predicted and measured: `python benchmarks/plan_accuracy.py --rounds 3`.

Each recipe is shortened by flags to well under a minute, planned and trained in fresh processes, in turns: plan, train,
plan, train. The medians of the rounds count, since the speed of a shared machine drifts. Where other programs take much of it,
--clock cpu measures both sides in seconds of the processor instead (with OMP_NUM_THREADS=1 those of a machine at rest, but
for waiting on its disk). Texts have to be fetched before: tiny-shakespeare, meditations, verdict.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

VILLAGE = """
[data]
source = "village"
vocab_size = 2048
[model]
kind = "llama"
num_layers = 4
num_heads = 4
embed_dim = 128
context_length = 256
tied_output = false
[optimizer]
kind = "muon"
learning_rate = 0.007
adamw_learning_rate = 0.004
[training]
batch_size = 8
[generation]
prompts = ["One morning Nora"]
"""
RECIPES = {  # name -> (steps, evaluate_every, evaluate_fraction, further settings)
    "shakespeare-char": (600, 300, 0.5, []),
    "notebook": (200, 100, 0.5, []),
    "meditations-gpt-letters": (100, 50, 0.3, []),
    "verdict-book": (8, 4, 1.0, ["--generation.max_new_tokens", "20"]),
    "village": (60, 30, 0.1, []),
}


START = {
    "wall": "from hornbook.cli import main; main()",
    "cpu": "import time; time.perf_counter = time.process_time; from hornbook.cli import main; main()",
}


def hornbook(folder: Path, clock: str, *words: str) -> dict[str, Any]:
    """The JSON of one command, in a process of its own."""
    command = [sys.executable, "-c", START[clock], *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr.splitlines()[-1]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def once(name: str, folder: Path, clock: str) -> dict[str, float]:
    """One plan and one run of a recipe: what was predicted and what came."""
    steps, every, fraction, more = RECIPES[name]
    words = [
        str(folder / "village.toml") if name == "village" else name,
        *("--training.steps", str(steps), "--training.evaluate_every", str(every)),
        *("--training.evaluate_fraction", str(fraction), *more),
    ]
    data = folder / "data" / name
    if not data.exists():
        hornbook(
            folder, clock, "train", *words[:1], "--training.steps", "1", "--out", str(folder / "once" / name), *more
        )
        (folder / "data").mkdir(exist_ok=True)
        (folder / "once" / name / "data").rename(data)
    words += ["--data", str(data)]
    plan = hornbook(folder, clock, "plan", *words)
    with tempfile.TemporaryDirectory(dir=folder) as runs:
        hornbook(folder, clock, "train", *words, "--device", "cpu", "--out", f"{runs}/run")
        report = tomllib.loads((Path(runs) / "run" / "run.toml").read_text())["report"]
    return {
        "memory": plan["memory"]["peak"],
        "seconds": plan["seconds"]["all"],
        "measured_memory": report["measured_peak_memory"],
        "measured_seconds": report["measured_seconds"],
        "own_memory": report["predicted_peak_memory"],
        "own_seconds": report["predicted_seconds"],
    }


def line(name: str, rounds: list[dict[str, float]]) -> str:
    """A row of the table: predicted / measured, in MB and seconds, and how far apart they are."""
    middle = {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}
    memory, seconds = (middle[key] / middle[f"measured_{key}"] - 1 for key in ("memory", "seconds"))
    pairs = [f"{found['seconds'] / found['measured_seconds'] - 1:+.0%}" for found in rounds]
    return (
        f"| `{name}` | {middle['memory'] / 1e6:,.0f} | {middle['measured_memory'] / 1e6:,.0f} | {memory:+.0%} "
        f"| {middle['seconds']:.1f} | {middle['measured_seconds']:.1f} | {seconds:+.0%} | {', '.join(pairs)} "
        f"| {middle['own_memory'] / middle['measured_memory'] - 1:+.0%} "
        f"| {middle['own_seconds'] / middle['measured_seconds'] - 1:+.0%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=list(START), default="wall")
    parser.add_argument("names", nargs="*", default=list(RECIPES))
    chosen = parser.parse_args()
    print("| recipe | MB planned | MB measured | apart | s planned | s measured | apart | apart in each round "
          "| MB by run.toml | s by run.toml |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "village.toml").write_text(VILLAGE)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in chosen.names}
        for _ in range(chosen.rounds):
            for name, rounds in found.items():
                rounds.append(once(name, folder, chosen.clock))
                print(name, {key: round(value) for key, value in rounds[-1].items()}, file=sys.stderr, flush=True)
        for name, rounds in found.items():
            print(line(name, rounds), flush=True)


if __name__ == "__main__":
    main()
