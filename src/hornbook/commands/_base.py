"""The finished model that a training begins with; a pretraining names it in [model]: from = "runs/tales"."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.config import Layer
from hornbook.errors import UserError

if TYPE_CHECKING:
    from hornbook.models.base import Model, ModelConfig
    from hornbook.tokenizers.base import Tokenizer

FROM, HASH = "from", "from_hash"
MAY_DIFFER = ("dropout",)  # of a model's settings: what its weights have no part in
OF_THE_TOKENIZER = ("tokenizer", "vocab_size", "vocabulary_from", "word_split")  # in [data]: the model brings its own


@dataclass(frozen=True)
class Base:
    """A model folder, a run, or a hub's model by its name; `fingerprint` where a run has begun with it."""

    path: Path
    fingerprint: str | None = None

    @cached_property
    def folder(self) -> Path:
        """The model folder. Errors: `UserError` where there is none, or fetching fails."""
        from hornbook.weights.hub import fetched_where_absent
        from hornbook.weights.model_folder import find_model_folder

        return find_model_folder(fetched_where_absent(self.path))

    @cached_property
    def config(self) -> "ModelConfig":
        """Its settings."""
        from hornbook.weights.model_folder import read_config

        return read_config(self.folder)[1]

    @cached_property
    def found(self) -> str:
        """Its fingerprint now. Errors: `UserError` where it is another than the one that the run began with."""
        from hornbook.weights.model_folder import fingerprint_of

        found = fingerprint_of(self.folder)
        if self.fingerprint not in (None, found):
            hint = "put the old one back, or begin anew"
            raise UserError(f"'{self.folder}' is not the model that this run began with", hint=hint)
        return found

    def look_again(self) -> None:
        """Errors: `UserError` where another model lies there by now than the one that was found."""
        _ = Base(self.folder, self.found).found

    def settings(self, given: Mapping[str, Any]) -> "tuple[type[Model], dict[str, Any]]":
        """Class and settings: the folder's, with those of `given` that may differ. Errors: `UserError` for another."""
        from hornbook.weights.model_folder import read_config

        form, config = read_config(self.folder)
        own = {"kind": form.model_class.__module__.rpartition(".")[2], **config.model_dump()}
        for key, value in given.items():
            if key in own and key not in MAY_DIFFER and own[key] != value:
                hint = f"only {', '.join(MAY_DIFFER)} may differ; hornbook import changes a model's context"
                raise UserError(
                    f"model.{key} = {value!r} is not that of '{self.path}', which has {own[key]!r}", hint=hint
                )
        changed = {key: value for key, value in given.items() if key != "kind"}
        return form.model_class, {key: own[key] for key in own if key not in ("kind", "vocab_size")} | changed

    def model(self, config: "ModelConfig", tokenizer: "Tokenizer") -> "Model":
        """The model with its weights and these settings. Errors: `UserError` where the dataset has another tokenizer."""
        from hornbook.tokenizers.base import tokenizer_hash
        from hornbook.weights.growing import rebuilt
        from hornbook.weights.model_folder import load_model_folder

        _ = self.found
        model, own, _ = load_model_folder(self.folder)
        if tokenizer_hash(own) != tokenizer_hash(tokenizer):
            hint = f"prepare the text with --tokenizer {self.folder / 'tokenizer.json'}"
            raise UserError(f"the dataset was made with another tokenizer than that of '{self.path}'", hint=hint)
        return rebuilt(model, config.model_dump(), dict(model.state_dict())).train()


def base_of(section: dict[str, Any], home: Path) -> Base | None:
    """Take the base out of the keys of [model]; None where there is none. Its path counts from `home`."""
    fingerprint = section.pop(HASH, None)
    path = section.pop(FROM, None)
    return Base(home / str(path), fingerprint) if path is not None else None


def without_model(layer: Layer) -> Layer:
    """A recipe whose model and vocabulary another model replaces."""
    kept = {name: keys for name, keys in layer.items() if name != "model"}
    data = {key: value for key, value in layer.get("data", {}).items() if key not in OF_THE_TOKENIZER}
    return {**kept, "data": data}


def with_tokenizer(layer: Layer) -> Layer:
    """Settings that name a base name its tokenizer too, unless they name one or a dataset themselves."""
    data, model = layer.get("data", {}), layer.get("model", {})
    if FROM not in model or "tokenizer" in data or data.get("folder"):
        return layer
    base = Base(Path(str(model[FROM])))
    place = base.folder / "tokenizer.json"
    if not place.is_file():
        raise UserError(
            f"'{base.folder}' has no tokenizer.json", hint=f"hornbook import {base.path} --out FOLDER writes one"
        )
    return {**layer, "data": {**data, "tokenizer": str(place)}}
