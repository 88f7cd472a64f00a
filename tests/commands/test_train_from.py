"""Continued pretraining: what is refused, the first step of a model that is loaded, and a resume that knows its base."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hornbook.cli import run
from hornbook.config import read_toml
from hornbook.layers.loss import mean_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.training.checkpoint import folder_of
from hornbook.weights.model_folder import fingerprint_of, load_model_folder, save_model_folder

Refused = Callable[..., str]
STEPS = ["--training.steps", "6", "--training.checkpoint_every", "3", "--training.evaluate_every", "6"]


@pytest.fixture(scope="module")
def base(tale: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another shape than the recipe's, with three rows more than its tokenizer has ids."""
    tokenizer = BPE.train([tale.read_text()], vocab_size=280)
    config = LlamaConfig(vocab_size=283, context_length=12, num_layers=2, num_heads=2, embed_dim=8, dropout=0.0)
    return save_model_folder(tmp_path_factory.mktemp("base") / "old", Llama(config), tokenizer)


@pytest.fixture(scope="module")
def continued(base: Path, recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that began with `base`. Tests copy it; none changes it."""
    out = tmp_path_factory.mktemp("runs") / "new"
    assert run(["train", recipe, "--from", str(base), "--out", str(out), "--device", "cpu", *STEPS]) == 0
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model_folder(folder)[0].state_dict())


def test_what_can_not_be_continued(base: Path, recipe: str, refused: Refused, tmp_path: Path) -> None:
    train = ("train", recipe, "--out", tmp_path / "out")
    assert "'absent' is neither a model folder nor a run folder" in refused(*train, "--from", "absent")
    line = refused(*train, "--from", base, "--model.num_layers", "6")
    assert f"model.num_layers = 6 is not that of '{base}', which has 2; hint: only dropout may differ" in line
    assert "model.kind = 'gpt' is not that of" in refused(*train, "--from", base, "--model.kind", "gpt")
    assert "unknown setting 'model.droput'" in refused(*train, "--from", base, "--model.droput", "0.1")
    line = refused(*train, "--from", base, "--data.tokenizer", "bpe", talk=True)
    assert (
        f"the dataset was made with another tokenizer than that of '{base}'; hint: prepare the text with --tok" in line
    )
    shutil.copytree(base, tmp_path / "older")
    (tmp_path / "older" / "tokenizer.json").unlink()
    assert "has no tokenizer.json; hint: hornbook import" in refused(*train, "--from", tmp_path / "older")
    assert not (tmp_path / "out" / "run.toml").exists()


def test_the_first_step_has_the_loss_of_the_base(base: Path, continued: Path) -> None:
    """Also the tokens are the base's: the recipe would have learned a vocabulary of 300."""
    from hornbook.commands._parts import build_parts, dataset_of_run
    from hornbook.commands._recipe import check_recipe

    settings = read_toml(continued / "run.toml")
    parts = build_parts(check_recipe(settings, continued), dataset_of_run(continued, settings), "cpu")
    first = json.loads((continued / "metrics.jsonl").read_text().splitlines()[0])
    model = load_model_folder(base)[0]
    losses = [mean_loss(model(inputs), targets).item() for inputs, targets in parts.batches(0)]
    assert (first["kind"], first["step"]) == ("step", 1)
    assert first["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-6)
    assert (continued / "data" / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    before, after = weights(base), weights(continued / "model")
    assert {name: tensor.shape for name, tensor in before.items()} == {name: part.shape for name, part in after.items()}
    assert not torch.equal(before["token_embedding.weight"], after["token_embedding.weight"])


def test_the_run_knows_its_base(base: Path, continued: Path) -> None:
    model = read_toml(continued / "run.toml")["model"]
    assert model["from_hash"] == fingerprint_of(base)
    assert Path(model["from"]) == base
    assert (model["num_layers"], model["context_length"]) == (2, 12)
    assert load_model_folder(continued / "model")[2]["run"]["model"]["from_hash"] == model["from_hash"]


def test_a_resume_ends_with_the_same_weights(continued: Path, tmp_path: Path) -> None:
    for steps in ((6,), (3, 6)):  # from the middle, and from the base itself
        copy = tmp_path / f"without-{len(steps)}"
        shutil.copytree(continued, copy)
        shutil.rmtree(copy / "model")
        for step in steps:
            shutil.rmtree(folder_of(copy / "checkpoints", step))
        assert run(["resume", str(copy), "--device", "cpu"]) == 0
        one, other = weights(continued / "model"), weights(copy / "model")
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_base_that_has_changed_is_no_base(base: Path, recipe: str, tmp_path: Path, refused: Refused) -> None:
    """The base lies beside the run here, so that both can be moved together."""
    old, out = tmp_path / "old", tmp_path / "new"
    shutil.copytree(base, old)
    assert run(["train", recipe, "--from", str(old), "--out", str(out), "--device", "cpu", *STEPS]) == 0
    assert read_toml(out / "run.toml")["model"]["from"] == "../old"
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for folder in (old, out):
        shutil.move(folder, moved)
    assert run(["resume", str(moved / "new"), "--device", "cpu", "--training.steps", "7"]) == 0
    shutil.rmtree(moved / "old")
    tokenizer = load_model_folder(base)[1]
    config = load_model_folder(base)[0].config
    save_model_folder(moved / "old", Llama(config, torch.Generator().manual_seed(9)), tokenizer)
    line = refused("resume", moved / "new", "--training.steps", "8", talk=True)
    assert "is not the model that this run began with; hint: put the old one back, or begin anew" in line
    shutil.rmtree(moved / "old")
    assert "is neither a model folder nor a run folder" in refused("resume", moved / "new", talk=True)


def test_a_recipe_may_name_its_base_itself(base: Path, tale: Path, tmp_path: Path, capsys) -> None:
    """A run.toml is a recipe too, and a run a base; of the settings dropout may differ."""
    text = f'[data]\nsource = "{tale.as_posix()}"\n[model]\nfrom = "{base.as_posix()}"\ndropout = 0.25\n'
    text += "[training]\nsteps = 2\nbatch_size = 2\n"
    (tmp_path / "mine.toml").write_text(text)
    assert run(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "a"), "--device", "cpu"]) == 0
    assert load_model_folder(tmp_path / "a" / "model")[0].config.dropout == 0.25
    assert run(["train", str(tmp_path / "a" / "run.toml"), "--out", str(tmp_path / "b"), "--device", "cpu"]) == 0
    one, other = weights(tmp_path / "a" / "model"), weights(tmp_path / "b" / "model")
    assert all(torch.equal(one[name], other[name]) for name in one)
    flags = [
        "--from",
        str(tmp_path / "a"),
        "--out",
        str(tmp_path / "c"),
        "--device",
        "cpu",
        "--training.batch_size",
        "3",
    ]
    assert run(["train", str(tmp_path / "mine.toml"), *flags]) == 0
    assert read_toml(tmp_path / "c" / "run.toml")["model"]["from"] == "../a/model"
    capsys.readouterr()
    assert run(["plan", str(tmp_path / "mine.toml"), "--json"]) == 0
