"""`hornbook show ...`, from the command line to what is printed: refusals, numbers, JSON, pictures, 80 columns."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import safetensors.numpy
import tiktoken
import torch
from rich.cells import cell_len

import hornbook
from hornbook.cli import run
from hornbook.commands._show_terminal import bar, visible
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
Shown = Callable[..., dict[str, Any]]
Number = Callable[[str], Any]

WORDS = ["closer", "every", "effort", "forward", "inches", "moves", "pizza", "toward", "you"]
LOGITS = [4.51, 0.89, -1.90, 6.75, 1.63, -1.62, -1.89, 6.28, 1.79]
WHAT = ["tokens", "vocabulary", "batch", "examples", "model", "embeddings", "attention", "next", "gradients"]
GPT2 = """
[data]
tokenizer = "gpt2"
[model]
kind = "gpt"
context_length = 1024
biases = "all_but_qkv"
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def public(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's files, without a network."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No network, no files, and a tiktoken that has loaded nothing yet."""

    def refuse(*_: object, **__: object) -> None:
        raise requests.exceptions.ConnectionError("no network")

    monkeypatch.setattr(requests, "get", refuse)
    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path_factory.mktemp("empty")))


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """`shown("tokens", "a cat")` -> its JSON, after checking that it is all of stdout; the plain form fits 80 columns."""

    def check(*arguments: str | Path) -> dict[str, Any]:
        words = ["show", *map(str, arguments)]
        capsys.readouterr()
        assert run(words) == 0
        for line in capsys.readouterr().out.splitlines():
            assert cell_len(line) <= 80, line
        assert run([*words, "--json"]) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert list(Path().rglob("*.png")) == []
        found: dict[str, Any] = json.loads(out)
        return found

    return check


@pytest.fixture(scope="session")
def nine_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bigram model over nine words in which the logits after 'every' are LOGITS."""
    tokenizer = Word.train([" ".join(WORDS)], special_tokens=())
    model = Bigram(BigramConfig(vocab_size=tokenizer.vocab_size))
    with torch.no_grad():
        model.token_embedding.weight.fill_(-1e9)  # <|unk|> never comes
        for word, logit in zip(WORDS, LOGITS, strict=True):
            model.token_embedding.weight[tokenizer.encode("every")[0], tokenizer.encode(word)[0]] = logit
    return save_model_folder(tmp_path_factory.mktemp("nine") / "model", model, tokenizer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tokens", " \n"], "the text is empty; hint: hornbook show tokens"),
        (["tokens", "a", "--tokenizer", "gtp2"], "unknown tokenizer 'gtp2' (choices:"),
        (["tokens", "a", "--model", "nothing"], "no such folder 'nothing'"),
        (["tokens", "a", "--model", "."], "'.' has no tokenizer.json; hint:"),
        (["tokens", "a" * 401, "--picture", "x", "--tokenizer", "character"], "401 tokens can't be drawn legibly"),
        (["vocabulary"], "no source given (choices:"),
        (["vocabulary", "nothing.txt"], "'nothing.txt' is neither a corpus nor a path here"),
        (["vocabulary", "village", "--clean", "soap"], "unknown cleaning recipe or rule 'soap'"),
        (["vocabulary", "village", "--context-length", "0"], "context_length '0' is below 1"),
        (["batch", "nothing"], "'nothing' is not a dataset folder"),
        (["model", "gpt2-124"], "model folder; hint: did you mean 'gpt2-124m'?"),
        (["tokens", "The", "fox"], "hint: a text of several words stands in quotes; hornbook show --help"),
        (["model", "gpt5"], "'gpt5' is neither a recipe nor a model folder; hint:"),
        (["model", "nothing.toml"], "no such file 'nothing.toml'"),
        (["model", "."], "'.' is neither a model folder nor a run folder"),
        (["model", "gpt2-124m", "--vocab-size", "0"], "model.vocab_size = 0 is not allowed"),
        (["embeddings", "nothing"], "'nothing' is neither a model folder nor a run folder"),
        (["attention", "nothing", "a"], "'nothing' is neither a model folder nor a run folder"),
        (["next", "nothing", "a"], "'nothing' is neither a model folder nor a run folder"),
        (["attention", "nothing", ""], "the text is empty"),
        (["next", "nothing", ""], "the text is empty"),
        (["gradients", "--layers", "0"], "layers '0' is not a number from 1 to 60"),
        (["gradients", "--width", "5000"], "width '5000' is not a number from 1 to 4096"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_bad_input_is_one_line(refused: Refused, arguments: list[str], flags: list[str], message: str) -> None:
    assert message in refused("show", *arguments, *flags)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("what", "arguments", "message"),
    [
        (
            "attention",
            ["Once", "--layer", "2"],
            "layer '2' is not one of the 1 here; hint: they are counted from 1 to 1",
        ),
        ("attention", ["Once", "--layer", "0"], "layer '0' is not one of the 1 here"),
        ("attention", ["Once", "--head", "3"], "head '3' is not one of the 2 here"),
        ("attention", ["Once " * 30], "tokens long, and the model reads at most 16; hint: give less text"),
        ("next", ["Once " * 30], "tokens long, and the model reads at most 16; hint: give less text"),
        ("next", ["Once", "--temperature", "0"], "temperature '0' is not a number above 0; hint:"),
        ("next", ["Once", "--temperature", "1", "--temperature", "-2"], "temperature '-2' is not a number above 0"),
        ("next", ["Once", "--temperature", "nan"], "temperature 'nan' is not a number above 0"),
        ("next", ["Once", "--top-k", "0"], "top_k '0' is below 1"),
        ("next", ["Once", "--count", "0"], "count '0' is below 1"),
        ("embeddings", ["--token", "xylophone"], "'xylophone' is no token of this model; hint: it is read as"),
        ("embeddings", ["--token", ""], "'' is no token of this model"),
        ("embeddings", ["--neighbours", "0"], "neighbours '0' is below 1"),
        ("model", ["--vocab-size", "9"], "a model folder has its vocabulary"),
    ],
)
def test_a_model_is_asked_for_what_it_has_not(
    refused: Refused, trained: Path, what: str, arguments: list[str], message: str
) -> None:
    assert message in refused("show", what, trained, *arguments)


def test_a_model_without_attention_says_so(refused: Refused, nine_words: Path) -> None:
    assert "this model has no attention to show: it is a bigram" in refused("show", "attention", nine_words, "every")
    assert "what this model can't read: 'Ever'" in refused("show", "next", nine_words, "Ever")


def test_a_picture_that_cannot_be_written_is_one_line(refused: Refused) -> None:
    Path("file").touch()
    assert "'file'" in refused("show", "gradients", "--layers", "2", "--width", "4", "--picture", "file/x")


def test_no_help_imports_torch_and_every_help_fits(capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        "import sys\n"
        "from hornbook.cli import run\n"
        f"for what in {WHAT}:\n"
        "    assert run(['show', what, '--help']) == 0\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'tiktoken'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "False" not in done.stdout
    assert "[default: ()]" not in done.stdout
    run(["show", "--help"])
    listed = capsys.readouterr().out
    assert all(f" {what} " in listed for what in WHAT)


def test_one_sentence_five_ways(public: None, capsys: pytest.CaptureFixture[str], number: Number) -> None:
    text = "Akwirw ier"
    assert run(["show", "tokens", text, "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["tokenizers"]}
    assert list(rows) == ["character", "word", "bpe", "gpt2", "cl100k_base"]
    assert rows["character"]["tokens"] == list(text)
    assert rows["character"]["vocab_size"] == len(set(text))
    assert rows["word"]["tokens"] == text.split()
    assert rows["gpt2"]["ids"] == number("bpe-03")["ids"]
    assert rows["gpt2"]["tokens"] == number("bpe-03")["pieces"]
    assert rows["cl100k_base"]["ids"] == tiktoken.get_encoding("cl100k_base").encode(text)
    assert "".join(rows["bpe"]["tokens"]) == text
    assert rows["bpe"]["vocab_size"] == 2048


def test_blanks_ids_and_counts_are_printed_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    run(["show", "tokens", "to be\nor not to be", "--tokenizer", "word"])
    assert capsys.readouterr().out.splitlines() == [
        "word: 6 tokens, 3.00 characters each",
        "  vocabulary of 4, learned from this text",
        "  to|be|or|not|to|be|",
        "  3  0  2  1   3  0",
    ]
    run(["show", "tokens", "a b\n", "--tokenizer", "character"])
    assert "  a|·|b|↵|" in capsys.readouterr().out


def test_neighbours_have_other_colours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    run(["show", "tokens", "to be or", "--tokenizer", "word"])
    line = capsys.readouterr().out.splitlines()[2]
    styles = [part.partition("m")[0] for part in line.split("\x1b[") if part.partition("m")[2].strip(" ")]
    assert len(styles) == 3
    assert styles[0] == styles[2] != styles[1]
    assert "|" not in line


def test_without_their_files_public_vocabularies_are_one_line_each(
    offline: None, shown: Shown, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", "tokens", "The fox"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    missing = [line for line in out.splitlines() if "is not here and can't be fetched; hint: " in line]
    assert [line.partition(":")[0] for line in missing] == ["gpt2", "cl100k_base"]
    assert max(map(len, missing)) < 160
    assert "\nbpe: " in out
    assert run(["show", "tokens", "The fox", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tokenizers"]
    assert ["missing" in row for row in rows] == [False, False, False, True, True]
    assert "'gpt2' is not here and can't be fetched; hint: save https" in refused(
        "show", "tokens", "The fox", "--tokenizer", "gpt2"
    )


def test_the_models_own_tokenizer_stands_in_for_bpe(trained: Path, shown: Shown) -> None:
    row = shown("tokens", "The fox", "--model", trained, "--tokenizer", "bpe")["tokenizers"][0]
    assert row["ids"] == hornbook.load(trained).tokenizer.encode("The fox")
    by_path = shown("tokens", "The fox", "--tokenizer", trained / "model" / "tokenizer.json")["tokenizers"][0]
    assert by_path["ids"] == row["ids"]


def test_vocabularies_of_meditations(
    public: None,
    shared_data: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: Number,
) -> None:
    """The source counts 9,959 words because it takes the byte-order mark for a part of the first one."""
    monkeypatch.setattr("hornbook.commands._show_tokenizers.PUBLIC", ("gpt2",))  # the other takes seconds to read
    book = shared_data("meditations.txt")
    rows = {}
    for clean in ("letters", "words"):
        assert run(["show", "vocabulary", str(book), "--clean", clean, "--bpe", "300", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["vocabularies"]
        rows[clean] = {row["name"]: row for row in found}
    assert rows["letters"]["characters"]["vocab_size"] == number("mixa-01")["chars_vocab"]
    words = rows["words"]["words (at blanks)"]
    assert words["vocab_size"] == number("mixa-01")["words_vocab"] - 1
    assert words["tokens"] == number("mixa-02")["word_tokens_if_split_all_whitespace"]
    assert words["context_words"] == 256
    assert rows["words"]["characters"]["context_characters"] == 256
    public_row = rows["words"]["gpt2"]
    assert public_row["vocab_size"] == number("bpe-01")["n_vocab"]
    raw = tiktoken.get_encoding("gpt2").encode(book.read_text(encoding="utf-8").lower())
    assert public_row["tokens"] == pytest.approx(len(raw), rel=0.1)


def test_a_table_of_vocabularies(shown: Shown, tale: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hornbook.commands._show_tokenizers.PUBLIC", ())
    text = tale.read_text(encoding="utf-8")
    found = shown("vocabulary", tale, "--clean", "none", "--bpe", "300", "--context-length", "64")
    rows = {row["name"]: row for row in found["vocabularies"]}
    assert (found["characters"], found["words"]) == (len(text), len(text.split()))
    assert rows["characters"]["vocab_size"] == len(set(text))
    assert rows["words (at blanks)"]["vocab_size"] == len(set(text.split()))
    assert rows["byte pairs 300"]["vocab_size"] == 300
    for row in rows.values():
        assert row["characters_per_token"] == pytest.approx(len(text) / row["tokens"], abs=1e-4)
        assert row["context_characters"] == round(64 * len(text) / row["tokens"])


def test_a_small_text_gives_fewer_byte_pairs_than_asked(offline: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("small.txt").write_text("ab ab ab abc\n")
    assert run(["show", "vocabulary", "small.txt", "--bpe", "400", "--bpe", "500", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["vocabularies"]
    pairs = [row for row in rows if row["name"].startswith("byte pairs")]
    assert len(pairs) == 1
    assert 256 < pairs[0]["vocab_size"] < 270
    assert [row["name"] for row in rows if "missing" in row] == ["gpt2", "cl100k_base"]
    assert run(["show", "vocabulary", "small.txt", "--bpe", "400"]) == 0
    assert capsys.readouterr().out.startswith("small.txt: 13 characters, 4 words (cleaning: standard)\n")


def test_ids_stand_below_their_tokens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert run(["show", "tokens", "a fox, 漢 sees an owl here", "--tokenizer", "character"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines()[2:] if line.strip()]
    assert len(lines) > 2
    assert max(map(cell_len, lines)) <= 50
    ids = []
    for tokens, numbers in zip(lines[::2], lines[1::2], strict=True):
        starts = [cell_len(tokens[: place + 1]) for place in range(1, len(tokens) - 1) if tokens[place] in " |"]
        found = [match.start() for match in re.finditer(r"\d+", numbers)]
        assert set(found) <= set(starts)
        ids += [int(number) for number in numbers.split()]
    assert len(ids) == len("a fox, 漢 sees an owl here")


def test_temperature_sharpens_and_flattens(nine_words: Path, shown: Shown, number: Number) -> None:
    found = shown("next", nine_words, "every")["distributions"]
    assert [row["temperature"] for row in found] == [0.1, 1.0, 5.0]
    by_name = [{token["text"]: token["probability"] for token in row["tokens"]} for row in found]
    cold, plain, hot = by_name
    assert [plain[word] for word in WORDS] == pytest.approx(number("samp-02")["probs_T1"], abs=1e-4)
    assert cold["forward"] == pytest.approx(number("samp-02")["probs_T0_1_forward"], abs=1e-4)
    assert [hot[word] for word in WORDS] == pytest.approx(number("samp-02")["probs_T5"], abs=1e-4)
    assert hot["pizza"] == pytest.approx(number("samp-04"), abs=1e-4)
    for row in found:
        assert sum(token["probability"] for token in row["tokens"]) + row["rest"] == pytest.approx(1, abs=1e-6)


def test_top_k_comes_before_temperature(nine_words: Path, shown: Shown) -> None:
    found = shown("next", nine_words, "every", "--top-k", "3", "--temperature", "5")["distributions"][0]
    kept = np.exp(np.array([6.75, 6.28, 4.51]) / 5)
    assert [token["text"] for token in found["tokens"]] == ["forward", "toward", "closer"]
    assert [token["probability"] for token in found["tokens"]] == pytest.approx(kept / kept.sum(), abs=1e-6)
    assert found["rest"] == 0


def test_next_reads_as_the_model_does(trained: Path, shown: Shown) -> None:
    language_model = hornbook.load(trained)
    found = shown("next", trained, "Once there", "--temperature", "1", "--count", "3")["distributions"][0]
    with torch.inference_mode():
        logits = language_model.model(torch.tensor([language_model.tokenizer.encode("Once there")]))[0, -1]
    best = logits.softmax(-1).topk(3)
    assert [token["id"] for token in found["tokens"]] == best.indices.tolist()
    assert [token["probability"] for token in found["tokens"]] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert found["rest"] == pytest.approx(1 - float(best.values.sum()), abs=1e-5)


def test_attention_is_the_models_own(trained: Path, shown: Shown) -> None:
    language_model = hornbook.load(trained)
    ids = language_model.tokenizer.encode("The fox was")
    with torch.inference_mode():
        expected = language_model.model.attention_weights(torch.tensor([ids]))[-1][0]
    mean = shown("attention", trained, "The fox was")
    assert mean["ids"] == ids
    assert (mean["layer"], mean["head"], mean["num_layers"], mean["num_heads"]) == (1, None, 1, 2)
    np.testing.assert_allclose(mean["weights"], expected.mean(0), atol=1e-5)
    second = shown("attention", trained, "The fox was", "--head", "2", "--layer", "1")
    np.testing.assert_allclose(second["weights"], expected[1], atol=1e-5)
    np.testing.assert_allclose(np.sum(second["weights"], axis=1), 1, atol=1e-5)
    assert np.triu(second["weights"], 1).max() == 0
    assert second["looks_most_at"] == np.argmax(second["weights"], axis=1).tolist()


def test_the_map_in_the_terminal_is_a_triangle(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["show", "attention", trained.as_posix(), "The fox was"])
    head, columns, *rows, legend = capsys.readouterr().out.splitlines()
    assert head == "layer 1 of 1, mean of 2 heads"
    assert legend.startswith("█ from 70 %")
    tokenizer = hornbook.load(trained).tokenizer
    ids = tokenizer.encode("The fox was")
    assert columns.split()[: len(ids)] == [str(number + 1) for number in range(len(ids))]
    cells = [row[20 : 20 + 2 * len(ids)] for row in rows]
    assert [len(row.rstrip()) for row in cells] == [2 * place + 2 for place in range(len(ids))]
    assert cells[0].strip() == "██"
    assert rows[0].endswith(f"100%   1 {visible(tokenizer.token_text(ids[0]))}")


def test_neighbours_are_nearest_by_cosine(trained: Path, shown: Shown) -> None:
    language_model = hornbook.load(trained)
    row = shown("embeddings", trained, "--token", "the", "--neighbours", "3")["tokens"][0]
    assert row["text"] == " the"
    vectors = language_model.model.get_parameter("token_embedding.weight").detach().numpy()
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[row["id"]] / lengths / lengths[row["id"]]
    found = [other["cosine"] for other in row["neighbours"]]
    assert found == pytest.approx([cosines[other["id"]] for other in row["neighbours"]], abs=1e-5)
    assert found == sorted(found, reverse=True)
    assert row["id"] not in [other["id"] for other in row["neighbours"]]
    assert all("�" not in other["text"] for other in row["neighbours"])


def test_without_a_token_the_most_frequent_words_are_shown(trained: Path, shown: Shown) -> None:
    rows = shown("embeddings", trained)["tokens"]
    assert len(rows) > 1
    assert all(row["text"].startswith(" ") for row in rows)
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


def test_character_and_word_models_have_neighbours_too(nine_words: Path, shown: Shown, tmp_path: Path) -> None:
    rows = shown("embeddings", nine_words)["tokens"]
    assert {row["text"] for row in rows} <= set(WORDS)
    tokenizer = Character.train(["abc"])
    model = Bigram(BigramConfig(vocab_size=tokenizer.vocab_size))
    letters = shown("embeddings", save_model_folder(tmp_path / "letters", model, tokenizer))["tokens"]
    assert [row["text"] for row in letters] == ["a", "b", "c"]


def test_shortcuts_keep_the_gradient(shown: Shown) -> None:
    norms = shown("gradients", "--layers", "12", "--width", "32")["norms"]
    without, beside = norms["without_shortcuts"], norms["with_shortcuts"]
    assert without[0] < 1e-3 * without[-1]
    assert min(beside) > 0.1 * max(beside)
    assert shown("gradients", "--layers", "12", "--width", "32")["norms"] == norms
    assert shown("gradients", "--layers", "12", "--width", "32", "--seed", "1")["norms"] != norms


@pytest.mark.parametrize(
    ("size", "layers", "heads", "dim"),
    [("small", 12, 12, 768), ("medium", 24, 16, 1024), ("large", 36, 20, 1280), ("xl", 48, 25, 1600)],
)
def test_the_sizes_of_gpt2(
    public: None, shown: Shown, number: Number, size: str, layers: int, heads: int, dim: int
) -> None:
    total, without_output, mebibytes = number("gpt-05")[size]
    sizes = f"num_layers = {layers}\nnum_heads = {heads}\nembed_dim = {dim}\n"
    for tied, parameters in ((False, total), (True, without_output)):
        Path("size.toml").write_text(f"{GPT2}{sizes}tied_output = {str(tied).lower()}\n")
        found = shown("model", "size.toml", "--vocab-size", "50257")
        assert found["parameters"] == found["tree"]["parameters"] == parameters
        assert found["memory_bytes"]["weights"] == 4 * parameters
        assert found["memory_bytes"]["training"] == 16 * parameters
        if not tied:
            assert found["memory_bytes"]["weights"] / 1024**2 == pytest.approx(mebibytes, abs=0.01)


def test_the_size_of_a_qwen3_and_of_grouped_keys(shown: Shown, number: Number) -> None:
    qwen3 = "embed_dim = 1024\nnum_heads = 16\nnum_layers = 28\nhidden_dim = 3072\nhead_dim = 128\nnum_kv_heads = 8\n"
    Path("a.toml").write_text(f"[model]\ncontext_length = 64\n{qwen3}")
    assert shown("model", "a.toml", "--vocab-size", "151936")["parameters"] == number("llama-08")["unique"]
    for kv_heads, gigabytes in ((32, number("gqa-01")["mha_gb"]), (8, number("gqa-01")["gqa_gb"])):
        sizes = (
            f"embed_dim = 4096\nnum_heads = 32\nnum_layers = 32\nnum_kv_heads = {kv_heads}\ncontext_length = 32768\n"
        )
        Path("b.toml").write_text(f"[model]\n{sizes}")
        cache = shown("model", "b.toml", "--vocab-size", "100")["memory_bytes"]["kv_cache"]
        assert cache / 2e9 == pytest.approx(gigabytes, abs=0.01)  # theirs are two bytes a number, ours four


def test_every_tensor_of_a_folder_stands_in_the_tree(trained: Path, shown: Shown) -> None:
    """The file's own header is the outsider: the tree's shapes, times the blocks, are what lies on the disk."""
    found = shown("model", trained)
    on_disk = safetensors.numpy.load_file(trained / "model" / "model.safetensors")

    def numbers(part: dict[str, Any]) -> int:
        own = sum(int(np.prod(shape)) for shape in part["shapes"].values())
        return part["times"] * (own + sum(map(numbers, part["parts"])))

    assert numbers(found["tree"]) == found["parameters"] == sum(tensor.size for tensor in on_disk.values())


def test_the_vocabulary_of_a_recipe(recipe: str, trained: Path, shown: Shown, tale: Path) -> None:
    assert shown("model", recipe)["parameters"] == shown("model", trained)["parameters"]
    Path("c.toml").write_text(
        f'[data]\nsource = "{tale.as_posix()}"\ntokenizer = "character"\n[model]\nkind = "bigram"\n'
    )
    assert run(["prepare", str(tale), "--tokenizer", "character", "--out", "data"]) == 0
    vocab_size = json.loads(Path("data/dataset.json").read_text())["tokenizer"]["vocab_size"]
    assert shown("model", "c.toml")["parameters"] == vocab_size**2


def test_the_tree_of_a_packaged_recipe(public: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "model", "gpt2-124m"]) == 0
    out = capsys.readouterr().out
    assert "each of 12 blocks" in out
    assert "qkv  weight 2304×768, bias 2304" in out
    assert "the output layer is the token embedding again (tied)" in out
    assert "124,439,808" in out.splitlines()[0]
    assert "474.7 MiB  weights" in out


@pytest.mark.parametrize("what", [what for what in WHAT if what != "examples"])  # which draws none
def test_every_picture_is_a_png_and_an_svg(
    what: str, trained: Path, tale: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornbook.commands._show_tokenizers.PUBLIC", ())
    arguments = {
        "tokens": ["The fox.", "--tokenizer", "word"],
        "vocabulary": [str(tale), "--bpe", "300"],
        "batch": [str(trained)],
        "model": [str(trained)],
        "embeddings": [str(trained), "--token", "the"],
        "attention": [str(trained), "The fox", "--head", "1"],
        "next": [str(trained), "The fox"],
        "gradients": ["--layers", "3", "--width", "8"],
    }[what]
    assert run(["show", what, *arguments, "--picture", "a/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == [str(Path("a/b.png")), str(Path("a/b.svg"))]
    assert Path("a/b.png").read_bytes().startswith(b"\x89PNG")
    assert Path("a/b.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_terminal_is_told_where_the_picture_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "gradients", "--layers", "2", "--width", "4", "--picture", "x"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == ["", "picture  x.png", "picture  x.svg"]


@pytest.mark.parametrize(
    ("share", "shown_as"), [(0, ""), (1e-9, "▏"), (0.5, "██"), (0.53125, "██▏"), (1, "████"), (7, "████")]
)
def test_bars_are_true_to_an_eighth(share: float, shown_as: str) -> None:
    assert bar(share, 4) == shown_as


def test_a_batch_of_a_run_is_read_as_the_run_reads_it(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Windows that stay begin at multiples of their length; those that move do not in every epoch."""
    starts = {}
    for moving in ("true", "false"):
        out = tmp_path / moving
        flags = ["--training.moving_windows", moving, "--training.steps", "1", "--training.batch_size", "8"]
        assert run(["train", recipe, "--out", str(out), "--device", "cpu", *flags]) == 0
        capsys.readouterr()
        assert run(["show", "batch", str(out), "--step", "100", "--json"]) == 0
        starts[moving] = [row["first_token"] % 16 for row in json.loads(capsys.readouterr().out)["rows"]]
    assert not any(starts["false"])
    assert all(starts["true"])
