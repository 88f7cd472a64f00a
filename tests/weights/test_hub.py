"""A model by its name on the hub: when one is asked for at all, and what is said where none can be had."""

from hashlib import sha1, sha256
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.errors import UserError
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.hub import fetched_where_absent, require_whole
from hornbook.weights.model_folder import save_model_folder

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names that the hub was asked for; it answers with `tmp_path`/fetched. The current folder is `tmp_path`."""
    names: list[str] = []

    def fetch(name: str, allow_patterns: list[str]) -> str:
        names.append(name)
        return str(tmp_path / "fetched")

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    monkeypatch.chdir(tmp_path)
    return names


@pytest.mark.parametrize(
    "path", ["model", "./owner/model", "/owner/model", "runs/tiny", "a/b/c", "owner/mo del", "../a/b"]
)
def test_what_may_be_a_folder_is_one(path: str, asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="is neither a model folder nor a run folder"):
        hornbook.load(path)
    assert asked == []


def test_a_name_is_fetched_where_no_folder_is(asked: list[str], tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=8, num_layers=1, num_heads=1, embed_dim=8)
    save_model_folder(tmp_path / "fetched", Llama(config, torch.Generator().manual_seed(1)), tokenizer)
    assert hornbook.load("owner/model").tokenizer.special_tokens == tokenizer.special_tokens
    assert asked == ["owner/model"]
    (tmp_path / "owner" / "model").mkdir(parents=True)
    assert fetched_where_absent("owner/model") == Path("owner/model")
    assert asked == ["owner/model"]


@pytest.mark.parametrize("hashed", ["sha256", "sha1", "none"])
def test_every_file_has_the_hash_that_the_hub_stated(hashed: str, tmp_path: Path) -> None:
    """The cache's form: a link to a blob whose name is the hash. A wrong one is taken out, both link and blob."""
    data = b"weights"
    names = {"sha256": sha256(data).hexdigest(), "sha1": sha1(b"blob 7\0" + data).hexdigest(), "none": "a-tag"}
    blob, link = tmp_path / "blobs" / names[hashed], tmp_path / "snapshot" / "model.safetensors"
    for path in (blob, link):
        path.parent.mkdir()
    blob.write_bytes(data)
    link.symlink_to(blob)
    require_whole(link.parent, "owner/model")
    blob.write_bytes(data[:-1] + b"S")
    if hashed == "none":
        return require_whole(link.parent, "owner/model")
    with pytest.raises(UserError, match="'model.safetensors' of 'owner/model' is not what the hub has: its hash is "):
        require_whole(link.parent, "owner/model")
    assert not link.is_symlink()
    assert not blob.exists()


def test_offline_and_absent_is_one_line(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise hub.errors.LocalEntryNotFoundError("Cannot find an appropriate cached snapshot folder.\nMore about it.")

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(
        UserError, match="^no folder 'owner/model' here, and can't fetch .* from the hub: Cannot find"
    ) as caught:
        hornbook.load("owner/model")
    assert "\n" not in str(caught.value)
