"""How fast tokenizers train and encode, as ratios of turns: `python benchmarks/tokenizer_speed.py TEXT`.

Each pair of programs works in turns on the same text and the ratio of each pair of turns is taken, so that a machine
whose speed drifts slows both alike. Printed: the median ratio with its range, and the megabytes per second behind it.
TEXT is a file of about a megabyte; without it, sentences of a small world are made.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tiktoken

from hornbook.tokenizers._patterns import PATTERNS
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from tokenizers import Tokenizer as Foreign

VOCAB_SIZE, TURNS, BATCH = 4096, 5, 4


def sentences() -> str:
    """A megabyte of plain text: every sentence a different mix of the same few hundred words."""
    firsts = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn")
    names = [first + second for first in firsts for second in ("", "a", "y", "ette")]
    things = [size + " " + kind for size in ("big", "small", "old", "red") for kind in ("ball", "key", "lamp", "boat")]
    made = [f"{names[i % 24]} gave the {things[i % 16]} to {names[i // 24 % 24]} on day {i}.\n" for i in range(25_000)]
    return "".join(made)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def compare(title: str, size: int, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Print how long ours takes over theirs: the median and the range of TURNS turns, after one for warming up."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(TURNS + 1)][1:]
    ratios = sorted(our / their for our, their in pairs)
    speeds = [size / 1e6 / statistics.median(times) for times in zip(*pairs, strict=True)]
    middle = statistics.median(ratios)
    print(f"{title:<58} {middle:6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})  {speeds[0]:6.1f} {speeds[1]:6.1f} MB/s")


def main() -> None:
    text = Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else sentences()
    size = len(text.encode())
    lines = text.splitlines(keepends=True)
    bpe, character, word = BPE.train([text], vocab_size=VOCAB_SIZE), Character.train([text]), Word.train([text])
    plain = tiktoken.Encoding("plain", pat_str=PATTERNS["qwen2"], mergeable_ranks=bpe.parts.tokens, special_tokens={})
    foreign = {}
    for tokenizer in (bpe, character, word):
        with tempfile.TemporaryDirectory() as folder:
            foreign[tokenizer.kind] = Foreign.from_file(str(tokenizer.save(folder)))

    def train(trainer: str) -> Callable[[], object]:
        return lambda: BPE.train([text], vocab_size=VOCAB_SIZE, trainer=trainer)

    def cold_lines() -> object:
        bpe._cache.clear()
        return [bpe.encode(line) for line in lines]

    texts = [text] * BATCH
    print(f"{size / 1e6:.2f} MB; time of the first over time of the second (range), speed of each")
    compare(f"train bpe to {VOCAB_SIZE} ids: ours / rustbpe", size, train("hornbook"), train("rustbpe"))
    compare(
        "encode bpe, whole text: encode / tiktoken", size, lambda: bpe.encode(text), lambda: plain.encode_ordinary(text)
    )
    compare(
        f"encode bpe, {BATCH} texts: encode_batch / tiktoken",
        size * BATCH,
        lambda: bpe.encode_batch(texts),
        lambda: plain.encode_ordinary_batch(texts),
    )
    compare(
        f"encode bpe, {BATCH} texts: encode_batch / tokenizers",
        size * BATCH,
        lambda: bpe.encode_batch(texts),
        lambda: foreign["bpe"].encode_batch_fast(texts),
    )
    compare(
        "encode bpe, line by line: our loop / tiktoken",
        size,
        cold_lines,
        lambda: [plain.encode_ordinary(line) for line in lines],
    )
    for lossy in (character, word):
        theirs = foreign[lossy.kind].encode
        compare(f"encode {lossy.kind}: ours / tokenizers", size, partial(lossy.encode, text), partial(theirs, text))


if __name__ == "__main__":
    main()
