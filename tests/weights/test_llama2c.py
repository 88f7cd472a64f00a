"""llama2.c's files: what is refused, then the mathematics and the merging of its program, written here once more."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from hornbook.cli import run
from hornbook.errors import UserError
from hornbook.tokenizers._llama2c import read_tokenizer_bin
from hornbook.tokenizers.base import load_tokenizer
from hornbook.weights.llama2c import read_llama2c
from hornbook.weights.model_folder import load_model_folder

LENGTH, LAYERS, HEADS = 12, 3, 4
SHAPES = {"tied": (24, 40, 2, True), "untied, one key head": (16, 36, 1, False)}  # dim, hidden_dim, n_kv_heads, tied
PIECES = [" ", "e", "t", "h", " t", "he", "a", "n", "d", " the", "an", "and", "  ", "é", "1", "    ", " a", "aa", "the"]
PIECES += sorted(set("bcfgijklmopqrsuvwxyz.,!") - set("".join(PIECES)))
VOCABULARY = 259 + len(PIECES)
TEXTS = [
    "", " ", "   ", "the", " the and", "thethe  then", "a    a", "hätte é 1", "日本 🦊", "\n\tx", "aaaaaaa", "ANDand the",
    *("".join(np.random.default_rng(seed).choice(list("  aaethnd1é☺"), 40)) for seed in range(60)),
]  # fmt: skip


def piece_bytes(place: int, newer: bool) -> bytes:
    """What the exporter writes for an id: its older versions wrote bytes as characters, the newer as <0x..>."""
    if place >= 259:
        return PIECES[place - 259].encode()
    if place < 3:
        return (b"<unk>", b"\n<s>\n", b"\n</s>\n")[place]
    return f"<0x{place - 3:02X}>".encode() if newer else chr(place - 3).encode()


def score_of(place: int) -> float:
    return -float(place - 259) if place >= 259 else 0.0


def write_vocabulary(path: Path, newer: bool = True) -> Path:
    texts = [piece_bytes(place, newer) for place in range(VOCABULARY)]
    entries = [struct.pack("<fI", score_of(place), len(text)) + text for place, text in enumerate(texts)]
    path.write_bytes(struct.pack("<I", max(map(len, texts))) + b"".join(entries))
    return path


def reference_ids(text: str) -> list[int]:
    """As the C program: characters (or their bytes, 3 further), then again and again the best-scored pair, leftmost first."""
    known = {piece: 259 + place for place, piece in enumerate(PIECES)}
    ids = [known[" "]] if text else []
    for character in text:
        ids += [known[character]] if character in known else [byte + 3 for byte in character.encode()]
    while True:
        best, at = -1e10, None
        for place in range(len(ids) - 1):
            if min(ids[place], ids[place + 1]) < 259:
                continue
            joined = known.get(PIECES[ids[place] - 259] + PIECES[ids[place + 1] - 259])
            if joined is not None and score_of(joined) > best:
                best, at = score_of(joined), (place, joined)
        if at is None:
            return ids
        ids[at[0] : at[0] + 2] = [at[1]]


class Reference:
    """The C program's forward pass, one token at a time, in numpy: interleaved rotation, shared key heads, SwiGLU."""

    def __init__(self, shape: str) -> None:
        self.dim, self.hidden, self.kv_heads, self.tied = SHAPES[shape]
        self.head = self.dim // HEADS
        draw = np.random.default_rng(7)
        kv = self.kv_heads * self.head
        sizes = {
            "emb": (VOCABULARY, self.dim), "att": (LAYERS, self.dim), "q": (LAYERS, self.dim, self.dim),
            "k": (LAYERS, kv, self.dim), "v": (LAYERS, kv, self.dim), "o": (LAYERS, self.dim, self.dim),
            "ffn": (LAYERS, self.dim), "w1": (LAYERS, self.hidden, self.dim), "w2": (LAYERS, self.dim, self.hidden),
            "w3": (LAYERS, self.hidden, self.dim), "final": (self.dim,), "out": (VOCABULARY, self.dim),
        }  # fmt: skip
        self.w = {name: draw.normal(0.1, 0.4, size).astype(np.float32) for name, size in sizes.items()}
        pairs = 10000.0 ** -(np.arange(0, self.head, 2) / self.head)
        angles = np.outer(np.arange(LENGTH), pairs)
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def write(self, path: Path, version: int = 0) -> Path:
        w, vocabulary = self.w, VOCABULARY if self.tied or version else -VOCABULARY
        header = struct.pack("<7i", self.dim, self.hidden, LAYERS, HEADS, self.kv_heads, vocabulary, LENGTH)
        order = [w[name] for name in ("emb", "att", "q", "k", "v", "o", "ffn", "w1", "w2", "w3", "final")]
        order += [self.cos, self.sin]
        if version == 1:
            header = struct.pack("<Ii", 0x616B3432, 1) + header + struct.pack("B", self.tied)
            header = header.ljust(256, b"\0")
            order = [w[name] for name in ("att", "ffn", "final", "emb", "q", "k", "v", "o", "w1", "w2", "w3")]
        numbers = b"".join(part.astype("<f4").tobytes() for part in [*order, *([] if self.tied else [w["out"]])])
        path.write_bytes(header + numbers)
        return path

    def logits(self, tokens: list[int]) -> np.ndarray:
        keys: list[list[np.ndarray]] = [[] for _ in range(LAYERS)]
        values: list[list[np.ndarray]] = [[] for _ in range(LAYERS)]
        return np.stack([self.step(token, place, keys, values) for place, token in enumerate(tokens)])

    def step(self, token: int, place: int, keys: list, values: list) -> np.ndarray:
        w, x = self.w, self.w["emb"][token].astype(np.float64)
        for layer in range(LAYERS):
            normed = self.norm(x, w["att"][layer])
            q, k = self.turned(w["q"][layer] @ normed, place), self.turned(w["k"][layer] @ normed, place)
            keys[layer].append(k.reshape(self.kv_heads, self.head))
            values[layer].append((w["v"][layer] @ normed).reshape(self.kv_heads, self.head))
            mixed = []
            for head in range(HEADS):
                shared = head * self.kv_heads // HEADS
                seen = np.array([key[shared] for key in keys[layer]])
                scores = seen @ q.reshape(HEADS, self.head)[head] / np.sqrt(self.head)
                weights = np.exp(scores - scores.max())
                mixed.append(weights / weights.sum() @ np.array([value[shared] for value in values[layer]]))
            x = x + w["o"][layer] @ np.concatenate(mixed)
            normed = self.norm(x, w["ffn"][layer])
            gate = w["w1"][layer] @ normed
            x = x + w["w2"][layer] @ (gate / (1 + np.exp(-gate)) * (w["w3"][layer] @ normed))
        return self.w["emb" if self.tied else "out"] @ self.norm(x, w["final"])

    @staticmethod
    def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return weight * x / np.sqrt((x * x).mean() + 1e-5)

    def turned(self, x: np.ndarray, place: int) -> np.ndarray:
        pairs = x.reshape(-1, self.head // 2, 2)
        cos, sin = self.cos[place], self.sin[place]
        first, second = pairs[..., 0], pairs[..., 1]
        return np.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten()


@pytest.fixture
def small(tmp_path) -> Path:
    return Reference("tied").write(tmp_path / "small.bin")


def patched(path: Path, place: int, number: int) -> Path:
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, 4 * place, number)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("place", "number", "message"),
    [
        (0, -24, "is no file of llama2.c: its header says -24, 40, 3, 4, 2"),
        (0, 23, "is no file of llama2.c: its header says 23"),
        (2, 0, "is no file of llama2.c"),
        (2, 2**30, "is no file of llama2.c"),
        (4, 3, "is no file of llama2.c"),
        (5, 0, "is no file of llama2.c"),
        (1, 41, "but its header asks for"),
        (5, -VOCABULARY, "but its header asks for"),
        (0, 0x616B3432, "is version 40 of llama2.c's format .choices: the legacy format, version 1"),
    ],
)
def test_headers_that_can_not_be(small, place, number, message) -> None:
    with pytest.raises(UserError, match=message):
        read_llama2c(patched(small, place, number))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9999])
def test_a_file_that_is_cut_short(small, share) -> None:
    data = small.read_bytes()
    small.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="is cut short"):
        read_llama2c(small)


def test_another_rotation_is_refused(tmp_path) -> None:
    reference = Reference("tied")
    reference.cos = np.cos(np.outer(np.arange(LENGTH), 500.0 ** -(np.arange(0, 6, 2) / 6))).astype(np.float32)
    with pytest.raises(UserError, match="is not that of theta 10000"):
        read_llama2c(reference.write(tmp_path / "other.bin"))


@pytest.mark.parametrize("cut", [0, 3, 7, 500, -1])
def test_a_vocabulary_that_is_damaged(tmp_path, cut) -> None:
    path = write_vocabulary(tmp_path / "tokenizer.bin")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="is no vocabulary of llama2.c"):
        read_tokenizer_bin(path)
    with pytest.raises(UserError, match="no such file"):
        read_tokenizer_bin(tmp_path / "absent.bin")


def test_a_model_without_its_vocabulary(small, tmp_path, capsys) -> None:
    out = str(tmp_path / "deep" / "out")
    assert run(["import", str(small), "--out", out]) == 2
    assert "no tokenizer.bin lies beside it; hint: add --tokenizer" in capsys.readouterr().err
    short = write_vocabulary(tmp_path / "tokenizer.bin")
    short.write_bytes(short.read_bytes()[: -len(PIECES[-1]) - 8])
    assert run(["import", str(small), "--out", out]) == 2
    assert "is not this model's vocabulary: it has" in capsys.readouterr().err
    assert run(["import", str(tmp_path), "--out", out, "--tokenizer", str(short)]) == 2
    assert "--tokenizer belongs to a .bin of llama2.c" in capsys.readouterr().err
    assert not (tmp_path / "deep").exists()


@torch.no_grad()
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_c_program(tmp_path, shape, version) -> None:
    reference = Reference(shape)
    model = read_llama2c(reference.write(tmp_path / "model.bin", version))
    tokens = np.random.default_rng(3).integers(0, VOCABULARY, LENGTH).tolist()
    expected = reference.logits(tokens)
    assert 0.5 < expected.std() < 50
    found = model(torch.tensor([tokens]))[0].double().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("newer", [False, True])
def test_ids_are_those_of_the_c_program(tmp_path, newer) -> None:
    tokenizer = read_tokenizer_bin(write_vocabulary(tmp_path / "tok.bin", newer))
    assert tokenizer.vocab_size == VOCABULARY
    assert tokenizer.special_tokens == {"<unk>": 0, "<s>": 1, "</s>": 2}
    for text in TEXTS:
        assert tokenizer.encode(text) == reference_ids(text), text
        assert tokenizer.decode(tokenizer.encode(text)) == text
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(tokenizer.save(tmp_path)))
    assert [theirs.encode(text, add_special_tokens=False).ids for text in TEXTS] == [
        reference_ids(text) for text in TEXTS
    ]


def test_the_command_makes_a_model_folder(tmp_path, capsys) -> None:
    reference = Reference("untied, one key head")
    source, words = reference.write(tmp_path / "stories.bin"), write_vocabulary(tmp_path / "tok.bin")
    out = tmp_path / "out"
    flags = ["--tokenizer", str(words), "--skip-comparison", "--json"]
    assert run(["import", str(source), "--out", str(out), *flags]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["source"], result["format"], result["architecture"]) == ("stories.bin", "llama2.c", "llama")
    model, tokenizer, info = load_model_folder(out)
    assert info["imported"]["source"] == "stories.bin"
    assert json.loads((out / "config.json").read_text())["bos_token_id"] == 1
    assert load_tokenizer(out).encode("the and") == tokenizer.encode("the and") == reference_ids("the and")
    assert model.config.rope_theta == 10000.0
    assert not list(out.glob("README-source.md"))


@pytest.mark.slow
def test_transformers_agrees(tmp_path, capsys) -> None:
    pytest.importorskip("transformers")
    source = Reference("tied").write(tmp_path / "stories.bin")
    write_vocabulary(tmp_path / "tokenizer.bin")
    assert run(["import", str(source), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parity"]["greedy_tokens"] > 0
