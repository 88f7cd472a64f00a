"""What weights on the way write: the very weights of the checkpoint, the first ones drawn again, the finished model's."""

import math
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hornbook
from hornbook.commands._bigram_line import bigram_line, counted_loss
from hornbook.commands._checkpoint_text import model_at, write_text
from hornbook.commands._serve import Serving, open_app
from hornbook.errors import UserError
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator
from hornbook.serving.runs import Wanted, facts


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_each_place_has_its_own_weights(trained: Path) -> None:
    places = [place["place"] for place in facts(trained)["places"]]
    assert (places[0], places[-1]) == ("0", "model")
    assert len(places) > 2
    for place in places[1:-1]:
        file = trained / "checkpoints" / f"step-{int(place):08d}" / "weights.safetensors"
        assert same(dict(model_at(trained, place).model.state_dict()), load_file(file))
    first = model_at(trained, "0").model
    assert isinstance(first.config, LlamaConfig)
    assert same(dict(first.state_dict()), dict(Llama(first.config, torch_generator(5, "weights")).state_dict()))


def test_the_same_prompt_and_seed(trained: Path) -> None:
    model = hornbook.load(trained)
    wanted = Wanted("model", "Nora", seed=7, temperature=0.9, max_tokens=12)
    expected = model.generate("Nora", max_new_tokens=12, seed=7, temperature=0.9, top_k=None)
    assert "".join(write_text(trained, wanted)) == expected


def test_damaged_weights_write_nothing(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    place = facts(run)["places"][1]["place"]
    file = run / "checkpoints" / f"step-{int(place):08d}" / "weights.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(UserError, match="is damaged"):
        next(write_text(run, Wanted(place, "Nora", 0, 0.0, 4)))


def test_a_run_without_a_model_can_be_served(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "tale"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "model")
    name, app = open_app(Serving(str(run), "127.0.0.1", 0, None, None, "cpu", False, False), None)
    assert name == "tale"
    assert "has no finished model yet" in capsys.readouterr().err
    paths = {route.path for route in app.inner.routes}  # type: ignore[attr-defined]
    assert "/view/runs/{name}/records" in paths
    assert "/v1/completions" not in paths


def test_pairs_are_counted_as_witten_and_bell_do() -> None:
    """The same numbers from the formula, written out pair by pair."""
    generator = np.random.default_rng(0)
    train, val = (np.minimum(generator.geometric(0.2, size), 20).astype(np.uint16) - 1 for size in (500, 200))
    ids = train.tolist()
    pairs, firsts, alone = Counter(pairwise(ids)), Counter(ids[:-1]), Counter(ids)
    losses = []
    for a, b in pairwise(val.tolist()):
        spread = max(1, sum(1 for pair in pairs if pair[0] == a))
        share = (pairs[a, b] + spread * (alone[b] + 1) / (500 + 20)) / (firsts[a] + spread)
        losses.append(-math.log(share))
    assert counted_loss(train, val, 20) == pytest.approx(sum(losses) / len(losses), rel=1e-12)
    certain = np.array([0, 1] * 500)
    assert counted_loss(certain, certain, 2) < 0.01


def test_the_line_comes_from_a_bigram_run_beside_or_is_counted(trained: Path, tmp_path: Path) -> None:
    found = bigram_line(trained)
    assert found is not None
    assert found["from"].startswith("counted")
    assert 2 < found["loss"] < math.log(300)
    run, beside = tmp_path / "a", tmp_path / "b"
    shutil.copytree(trained, run)
    beside.mkdir()
    (beside / "run.toml").write_text((run / "run.toml").read_text().replace('kind = "llama"', 'kind = "bigram"'))
    lines = [
        f'{{"kind": "evaluation", "step": {n}, "validation_loss": {loss}}}\n'
        for n, loss in ((1, 5.0), (2, 4.0), (3, 4.5))
    ]
    (beside / "metrics.jsonl").write_text("".join(lines))
    assert bigram_line(run) == {"loss": 4.0, "from": "the run “b” on the same text"}
    assert bigram_line(beside) is None
    (beside / "run.toml").write_text((beside / "run.toml").read_text().replace('fingerprint = "', 'fingerprint = "0'))
    assert bigram_line(run) == found
