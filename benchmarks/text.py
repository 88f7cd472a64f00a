"""Tokenizers: training and encoding, MB of text a second over all cores: `python benchmarks/text.py`.

Every contestant has the same text, pattern and number of ids (4,096), and as many threads as it likes; encoding gives
lists of ids, and the same ones (checked before the first turn). The texts are the speeches of tiny-shakespeare in ever
new orders: as pieces of a megabyte, as one such piece, and as documents of a thousand characters.
"""

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from _shuffled import documents, texts
from side_by_side import Absent, Contest, Row, Turn, main, rate

if TYPE_CHECKING:
    from hornbook.tokenizers.base import Tokenizer
    from hornbook.tokenizers.bpe import BPE

MEGABYTES, VOCAB_SIZE = 8, 4096


def rows() -> list[Row]:
    return [
        Row("train-bpe", "BPE training, long texts", "MB/s", train_long, aim=12, turns=3, smoke=True),
        Row("train-bpe-short", "BPE training, short documents", "MB/s", train_short, aim=12, turns=3),
        Row("encode-bpe", "BPE encoding, long texts", "MB/s", encode_long, aim=14, smoke=True),
        Row("encode-bpe-one", "BPE encoding, one text of a megabyte", "MB/s", encode_one, aim=14),
        Row("encode-bpe-short", "BPE encoding, short documents", "MB/s", encode_short, aim=14, smoke=True),
        Row("train-bpe-readable", "BPE training by our own Python", "MB/s", train_readable, turns=3, warm_up=0),
        Row("encode-bpe-readable", "BPE encoding by our own Python, line by line", "MB/s", encode_readable, turns=3),
        Row("encode-character", "characters to ids", "MB/s", partial(encode_lossy, kind="character"), turns=3),
        Row("encode-word", "words to ids", "MB/s", partial(encode_lossy, kind="word"), turns=3),
    ]


def train_long(contest: Contest) -> None:
    train(contest, list(texts(MEGABYTES)))


def train_short(contest: Contest) -> None:
    train(contest, list(documents(MEGABYTES)))


def train(contest: Contest, given: Sequence[str]) -> None:
    """Enter the trainers. Errors: AssertionError where rustbpe's vocabulary isn't ours."""
    from hornbook.tokenizers.bpe import BPE

    size = sum(len(text.encode()) for text in given) / 1e6
    contest.add("hornbook", rate(size, lambda: BPE.train(given, vocab_size=VOCAB_SIZE, special_tokens=())))
    contest.peer("rustbpe", lambda: rustbpe_turn(given, size))
    contest.peer("tokenizers", lambda: rate(size, tokenizers_training(given)))


def rustbpe_turn(given: Sequence[str], size: float) -> Turn:
    import rustbpe

    from hornbook.tokenizers._patterns import PATTERNS
    from hornbook.tokenizers.bpe import BPE

    def work() -> dict[bytes, int]:
        trainer = rustbpe.Tokenizer()
        trainer.train_from_iterator(iter(given), VOCAB_SIZE, pattern=PATTERNS["qwen2"])
        return {bytes(token): token_id for token, token_id in trainer.get_mergeable_ranks()}

    ours = BPE.train(given, vocab_size=VOCAB_SIZE, special_tokens=())
    assert work() == ours.parts.tokens, "rustbpe's vocabulary differs from ours"
    return rate(size, work)


def tokenizers_training(given: Sequence[str]) -> Callable[[], object]:
    from hornbook.tokenizers._patterns import PATTERNS
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    splitter = pre_tokenizers.Split(Regex(PATTERNS["qwen2"]), "isolated")

    def work() -> object:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitter, byte_level])
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, show_progress=False, initial_alphabet=alphabet)
        tokenizer.train_from_iterator(given, trainer)
        return tokenizer

    return work


def encode_long(contest: Contest) -> None:
    encode(contest, list(texts(MEGABYTES)))


def encode_one(contest: Contest) -> None:
    encode(contest, list(texts(1)))


def encode_short(contest: Contest) -> None:
    encode(contest, list(documents(MEGABYTES)))


def encode(contest: Contest, given: list[str]) -> None:
    """Enter the encoders. Errors: AssertionError where one's ids aren't ours."""
    from hornbook.tokenizers.bpe import BPE

    size = sum(len(text.encode()) for text in given) / 1e6
    ours = BPE.train(texts(2, seed=1), vocab_size=VOCAB_SIZE, special_tokens=())
    ids = ours.encode_batch(given)

    def same(work: Callable[[], list[list[int]]]) -> Turn:
        if work() != ids:
            raise Absent("its ids are others than ours, which must not be")
        return rate(size, work)

    contest.add("hornbook", rate(size, lambda: ours.encode_batch(given)))
    contest.peer("tiktoken", lambda: same(tiktoken_encoding(ours, given)))
    contest.peer("tokenizers", lambda: same(tokenizers_encoding(ours, given)))


def tiktoken_encoding(ours: "BPE", given: list[str]) -> Callable[[], list[list[int]]]:
    import tiktoken

    from hornbook.tokenizers._patterns import PATTERNS

    ranks = ours.parts.tokens
    encoding = tiktoken.Encoding("plain", pat_str=PATTERNS["qwen2"], mergeable_ranks=ranks, special_tokens={})
    return lambda: encoding.encode_ordinary_batch(given, num_threads=os.cpu_count() or 1)


def tokenizers_encoding(ours: "Tokenizer", given: list[str]) -> Callable[[], list[list[int]]]:
    from tokenizers import Tokenizer

    foreign = Tokenizer.from_str(json.dumps(ours.to_json()))
    return lambda: [found.ids for found in foreign.encode_batch_fast(given)]


def train_readable(contest: Contest) -> None:
    """The code of `_merges.py`, which a reader can follow and which `train` hands over to rustbpe where it is installed."""
    from hornbook.tokenizers.bpe import BPE

    given = list(texts(1))
    contest.add("hornbook", rate(1.0, lambda: BPE.train(given, vocab_size=VOCAB_SIZE, trainer="hornbook")))
    contest.peer("rustbpe", lambda: rustbpe_turn(given, 1.0))


def encode_readable(contest: Contest) -> None:
    """The loop that short texts go through, with nothing remembered from the turn before."""
    from hornbook.tokenizers.bpe import BPE

    ours = BPE.train(texts(2, seed=1), vocab_size=VOCAB_SIZE, special_tokens=())
    lines = next(texts(1)).splitlines(keepends=True)

    def turn() -> None:
        fresh = BPE(ours.parts)
        for line in lines:
            fresh.encode(line)

    contest.add("hornbook", rate(1.0, turn))
    contest.peer("tokenizers", lambda: rate(1.0, tokenizers_encoding(ours, lines)))


def encode_lossy(contest: Contest, kind: str) -> None:
    from hornbook.discovery import find

    given = list(texts(1))
    ours = find("tokenizers", kind).train(texts(2, seed=1))
    contest.add("hornbook", rate(1.0, lambda: ours.encode_batch(given)))
    contest.peer("tokenizers", lambda: rate(1.0, tokenizers_encoding(ours, given)))


if __name__ == "__main__":
    main(rows)
