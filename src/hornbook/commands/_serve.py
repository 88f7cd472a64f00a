"""The parts of `hornbook serve`: open the model, check that it is safe, listen."""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

import hornbook
from hornbook.batches.dataset import open_dataset
from hornbook.commands._bigram_line import bigram_line
from hornbook.commands._browser import open_in_browser
from hornbook.commands._checkpoint_text import write_text
from hornbook.commands._evaluate_data import own_dataset
from hornbook.commands._listening import address_of, listen
from hornbook.commands.base import talk
from hornbook.device import WeightPrecision
from hornbook.errors import UserError
from hornbook.evaluation._origins import Origins
from hornbook.generation.generate import LanguageModel
from hornbook.serving.app import create_app
from hornbook.serving.guard import Guard
from hornbook.serving.runs import Runs, run_of
from hornbook.serving.served import Subject
from hornbook.serving.training_app import create_training_app
from hornbook.weights.hub import fetched_where_absent
from hornbook.weights.model_folder import find_model_folder, is_classifier, title_of

KEY_VARIABLE = "HORNBOOK_API_KEY"
FINISHING_SECONDS = 30  # for what runs, after Ctrl-C


@dataclass(frozen=True)
class Serving:
    """What the user asked for."""

    model: str
    host: str
    port: int
    api_key: str | None
    template: str | None
    device: str
    open: bool
    without_key: bool
    data: Path | None = None
    precision: WeightPrecision = "fp32"


def run_server(asked: Serving) -> None:
    """Serve until Ctrl-C. Errors: `UserError` for an unsafe host, a port that is taken, a model that doesn't open."""
    key = asked.api_key or os.environ.get(KEY_VARIABLE)
    require_safe(asked.host, key, asked.without_key)
    with listen(asked.host, asked.port) as listening:
        name, app = open_app(asked, key)
        address = address_of(listening)
        talk(f"serving {name} at {address}; Ctrl-C ends it")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=FINISHING_SECONDS, lifespan="on"
        )
        if asked.open:
            listening.listen()  # a browser that is faster than the server waits for it
            open_in_browser(address)
        uvicorn.Server(config).run(sockets=[listening])


def open_app(asked: Serving, key: str | None) -> tuple[str, Guard]:
    """What is served, by its name: a model, and the runs beside it where it lies in one; a run without a model yet."""
    run = run_of(Path(asked.model))
    runs = Runs(run.parent, run.name, write_text, bigram_line) if run else None
    if runs and run and not (run / "model" / "config.json").is_file():
        talk(f"the run '{run.name}' has no finished model yet: its training is all there is to see")
        return run.name, create_training_app(runs, run.name, api_key=key, names=[asked.host])
    subject = open_subject(asked.model, asked.device, asked.template, asked.data, asked.precision)
    return subject.name, create_app(subject, api_key=key, names=[asked.host], runs=runs)


def require_safe(host: str, key: str | None, without_key: bool) -> None:
    """Errors: `UserError` where others than this machine could use the model without a key."""
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key and len(key) >= 8):
        raise UserError("the API key must have 8 or more plain letters, digits or signs, no spaces at its ends")
    if not is_loopback(host) and key is None and not without_key:
        hint = f"set {KEY_VARIABLE}, or say --without-key"
        raise UserError(f"'{host}' can be reached from other machines, and there is no API key", hint=hint)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_subject(
    model: str,
    device: str,
    template: str | None,
    data: Path | None = None,
    precision: WeightPrecision = "fp32",
) -> Subject:
    """The model or classifier that a user names; `data` is the dataset that it learned from, None: the one it names."""
    folder = find_model_folder(fetched_where_absent(model))
    name = title_of(folder)
    if is_classifier(folder):
        classifier = hornbook.load_classifier(folder, device)

        def classify(texts: Sequence[str]) -> list[dict[str, float]]:
            rows = classifier.probabilities(texts).tolist()
            return [dict(zip(classifier.classes, row, strict=True)) for row in rows]

        return Subject(name, classify=classify)
    language_model = hornbook.load(folder, device, precision)
    origins = _origins(language_model, str(folder), data)
    return Subject(name, language_model.with_template(template) if template else language_model, origins=origins)


def _origins(language_model: LanguageModel, folder: str, data: Path | None) -> Origins | None:
    """The dataset that a model learned from. Errors: `UserError` where the one that the user names is none."""
    if data is not None:
        return Origins(open_dataset(data))
    try:
        own = own_dataset(language_model, folder)
        return Origins(own) if own else None
    except UserError as error:
        talk(f"the training text can't be read: {error}")
        return None
