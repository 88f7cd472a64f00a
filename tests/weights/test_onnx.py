"""ONNX: what is traced is the model, and onnxruntime computes from it what the model does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.errors import UserError
from hornbook.models._traced import Traced, WholeText
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram
from hornbook.weights import onnx
from hornbook.weights.onnx import GRAPH, WEIGHTS, write_onnx

Make = Callable[[str], Model]
MODELS = [
    "gpt", "gpt-no-qkv-bias", "gpt-no-bias-untied", "gpt-sinusoidal", "gpt-rotary", "gpt-alibi", "gpt-relative",
    "gpt-without-positions", "gpt-norm-after", "bigram", "llama", "llama-grouped-untied", "llama-llama3", "llama-linear",
    "llama-of-no-family", "qwen2", "qwen2-wide-heads", "qwen3", "qwen3-wide-heads", "qwen3-linear", "mistral",
    "mistral-wide-heads",
]  # fmt: skip


def tokens_of(model: Model, count: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randint(0, model.config.vocab_size, (count, length), generator=generator)


def in_onnxruntime(folder: Path, tokens: torch.Tensor) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(folder / GRAPH, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(["logits"], {"input_ids": tokens.numpy()})[0]
    return found


@pytest.mark.parametrize("name", MODELS)
def test_what_is_traced_is_the_model(make_model: Make, name: str) -> None:
    model = make_model(name)
    for shape in ((3, 7), (1, 1), (1, 24)):
        tokens = tokens_of(model, *shape)
        with torch.no_grad():
            torch.testing.assert_close(Traced(model)(tokens), model(tokens), rtol=1e-5, atol=2e-5)


def test_a_whole_text_has_nothing_before_it(make_model: Make) -> None:
    model = make_model("mistral")
    tokens = tokens_of(model, 1, 9)
    cache = WholeText(9)
    with torch.no_grad():
        first, again = model(tokens, cache), model(tokens, cache)
    assert torch.equal(first, again)
    assert cache.length == 0


def test_a_weight_that_is_no_number_is_refused(make_model: Make, tmp_path: Path) -> None:
    model = make_model("gpt")
    with torch.no_grad():
        model.token_embedding.weight[3, 2] = torch.inf
    with pytest.raises(UserError, match="'token_embedding.weight' holds a weight that is no number"):
        write_onnx(tmp_path, model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_without_the_packages_it_says_what_to_install(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(UserError, match=f"needs the package '{package}'"):
        write_onnx(tmp_path, make_model("bigram"))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_computes_the_same(make_model: Make, tmp_path: Path, name: str) -> None:
    model = make_model(name)
    exported = write_onnx(tmp_path, model, {"hornbook.name": "tale"})
    assert [path.name for path in tmp_path.iterdir()] == [GRAPH]
    assert exported.counts.keys() == {"f32"}
    assert b"site-packages" not in (tmp_path / GRAPH).read_bytes()  # no path of this machine
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / GRAPH).read_bytes()
    for shape in ((1, 1), (1, 24), (5, 13), (3, 2)):
        tokens = tokens_of(model, *shape)
        with torch.no_grad():
            expected = model(tokens).numpy()
        found = in_onnxruntime(tmp_path, tokens)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.slow
def test_its_names_sizes_and_keys(make_model: Make, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = make_model("qwen3")
    write_onnx(tmp_path, model, {"hornbook.name": "tale"})
    session = runtime.InferenceSession(tmp_path / GRAPH, providers=["CPUExecutionProvider"])
    (put,), (got,) = session.get_inputs(), session.get_outputs()
    vocab_size = model.config.vocab_size
    assert (put.name, put.shape, put.type) == ("input_ids", ["batch", "sequence"], "tensor(int64)")
    assert (got.name, got.shape, got.type) == ("logits", ["batch", "sequence", vocab_size], "tensor(float)")
    keys = session.get_modelmeta().custom_metadata_map
    assert keys["hornbook.name"] == "tale"
    assert (keys["context_length"], keys["vocab_size"]) == ("24", str(vocab_size))
    with pytest.raises(Exception, match="ONNXRuntimeError"):  # beyond the positions that there are
        in_onnxruntime(tmp_path, torch.zeros(1, 25, dtype=torch.int64))


@pytest.mark.slow
def test_large_weights_lie_beside_the_graph_and_the_bytes_are_always_the_same(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "APART", 1000)
    model = make_model("gpt")
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        write_onnx(tmp_path / place, model)
    for name in (GRAPH, WEIGHTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / WEIGHTS).stat().st_size > 100_000
    tokens = tokens_of(model, 2, 5)
    with torch.no_grad():
        np.testing.assert_allclose(in_onnxruntime(tmp_path / "one", tokens), model(tokens).numpy(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_shortest_contexts(tmp_path: Path, length: int) -> None:
    from hornbook.models.gpt import GPT, GPTConfig

    model = GPT(GPTConfig(vocab_size=11, context_length=length, num_layers=1, num_heads=2, embed_dim=8)).eval()
    write_onnx(tmp_path, model)
    tokens = tokens_of(model, 3, length)
    with torch.no_grad():
        np.testing.assert_allclose(in_onnxruntime(tmp_path, tokens), model(tokens).numpy(), atol=1e-5)


@pytest.mark.slow
def test_a_model_that_can_not_be_traced_is_said(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(self: Bigram, tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        return self.token_embedding(tokens if int(tokens.sum()) > 3 else tokens + 1)

    model = make_model("bigram")
    monkeypatch.setattr(Bigram, "hidden", hidden)
    with pytest.raises(UserError, match="torch.onnx can't write a hornbook-bigram: .*data-dependent"):
        write_onnx(tmp_path, model)
    assert not list(tmp_path.iterdir())
