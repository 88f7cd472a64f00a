"""SentencePiece's vocabulary as llama.cpp reads it: tokens with scores instead of merges, and 256 tokens for bytes.

llama.cpp merges any two neighbours whose text is a token, the highest score first, of equal ones the leftmost
(src/llama-vocab.cpp, `llm_tokenizer_spm_session`). A `tokenizer.json` has pairs in an order. Both are the same where
every pair that makes a token is a merge and the pairs of a token stand together, as in files that were converted from
SentencePiece's own; and where each token has one pair, the one that the order of tokens implies, as in files of which
`tokenizers` learned the merges.
"""

from itertools import groupby

from hornbook.errors import UserError
from hornbook.tokenizers._merges import parents
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.weights._gguf_vocabulary import (
    CONTROL,
    NORMAL,
    UNUSED,
    Vocabulary,
    free_names,
    special_names,
    taking_notes,
)

UNKNOWN, BYTE = 2, 6  # llama.cpp's types of tokens, beside those of byte level vocabularies
UNKNOWN_NAMES = ("<unk>", "<|unk|>")
LOWEST = -1e9  # the score of what no merge makes
Pair = tuple[str, str]


def translate(tokenizer: SentencePieceBPE, vocab_size: int) -> Vocabulary:
    """The vocabulary of a model with `vocab_size` ids. Errors: `UserError` where llama.cpp would give other ids."""
    model = tokenizer.to_json()["model"]
    vocab: dict[str, int] = model["vocab"]
    ranks = _ranks(vocab, [_pair(merge) for merge in model["merges"]])
    names = {token_id: (text, NORMAL) for text, token_id in vocab.items()} | special_names(tokenizer)
    names |= {vocab[name]: (name, BYTE) for name in (f"<0x{byte:02X}>" for byte in range(256))}
    unknown = next((tokenizer.special_tokens[name] for name in UNKNOWN_NAMES if name in tokenizer.special_tokens), None)
    if unknown is not None:
        names[unknown] = (names[unknown][0], UNKNOWN)
    free = free_names({text for text, _ in names.values()})
    rows = [names.get(token_id) or (next(free), UNUSED) for token_id in range(vocab_size)]
    return Vocabulary(
        tokens=[text for text, _ in rows],
        types=[kind for _, kind in rows],
        merges=[],
        pattern="default",
        ids=_role_ids(tokenizer, vocab) | ({} if unknown is None else {"unk": unknown}),
        notes=_notes(tokenizer),
        scores=[_score(text, kind, ranks) for text, kind in rows],
        space_first=tokenizer.scheme != "never",
    )


def _pair(merge: str | list[str]) -> Pair:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _ranks(vocab: dict[str, int], merges: list[Pair]) -> dict[str, int]:
    """Token -> its place in the order in which merges make tokens. Errors: `UserError` where pairs alone decide."""
    order = [text for text, _ in groupby(left + right for left, right in merges)]
    ranks = {text: rank for rank, text in enumerate(order)}
    if len(ranks) != len(order) or not (_all_pairs(vocab, merges) or _implied(ranks, merges)):
        raise UserError(
            "llama.cpp merges any two parts that make a token, and this vocabulary's merges are only some of them"
        )
    return ranks


def _all_pairs(vocab: dict[str, int], merges: list[Pair]) -> bool:
    """Whether every two tokens that make a token are a merge; marks such as <0x0A> are made by none."""
    known, made = set(merges), {left + right for left, right in merges}
    for text in made:
        for place in range(1, len(text)):
            pair = text[:place], text[place:]
            if pair[0] in vocab and pair[1] in vocab and pair not in known:
                return False
    return True


def _implied(ranks: dict[str, int], merges: list[Pair]) -> bool:
    """Whether each token has one pair, the one that merging the best first leads to."""
    characters = {character: -1 for text in ranks for character in text}
    try:
        return parents(characters | ranks) == merges
    except ValueError:
        return False


def _score(text: str, kind: int, ranks: dict[str, int]) -> float:
    """Higher is merged sooner; of characters, bytes and marks no score is ever looked at."""
    if kind in (NORMAL, CONTROL) and text in ranks:
        return float(-ranks[text])
    return LOWEST if kind == UNUSED else 0.0


def _role_ids(tokenizer: SentencePieceBPE, vocab: dict[str, int]) -> dict[str, int]:
    """The ids that texts begin and end with. Without any, llama.cpp would take 1 and 2, whatever they are: then a byte
    that no UTF-8 text holds is named."""
    found = {role: tokenizer.special_id(f"{role}_token") for role in ("bos", "eos", "pad")}
    ids = {role: token_id for role, token_id in found.items() if token_id is not None}
    end = ids.get("eos", vocab["<0xFF>"])
    return {"bos": end, "eos": end, **ids}


def _notes(tokenizer: SentencePieceBPE) -> list[str]:
    notes = taking_notes(tokenizer)
    if tokenizer.scheme in ("always", "first"):
        notes.append("a text that begins with a space has one more in llama.cpp, which puts a space before every text")
    return notes
