"""A small model, served for real: a socket, a thread, the very application."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest
import torch
import uvicorn

from hornbook.batches.dataset import Dataset
from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.chat_template import named_template
from hornbook.conventions import Conventions
from hornbook.evaluation._origins import Origins
from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator
from hornbook.serving.app import create_app
from hornbook.serving.limits import Limits
from hornbook.serving.runs import Runs, Wanted
from hornbook.serving.served import Subject
from hornbook.tokenizers.bpe import BPE
from hornbook.village.stories import stories

TEXTS = ["Once upon a time there was a fox, 1862 naïve Größe 🦊. The capital of France is Paris\n"] * 20
Serve = Callable[..., Any]


@pytest.fixture(scope="session")
def language_model() -> LanguageModel:
    torch.set_num_threads(1)
    tokenizer = BPE.train(TEXTS, vocab_size=320)
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=128, num_layers=2, num_heads=2, embed_dim=32)
    model = Llama(config, torch_generator(0, "weights"))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3, generator=torch_generator(1, "clear"))
    template = named_template("alpaca")
    assert tokenizer.end_of_text is not None
    return LanguageModel(
        model.eval(), tokenizer, {}, Conventions(ends=frozenset({tokenizer.end_of_text}), template=template)
    )


@pytest.fixture(scope="session")
def dataset(language_model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """What that model might have learned from: stories of the village, in its own tokens."""
    folder = tmp_path_factory.mktemp("data")
    tokenizer = language_model.tokenizer.save(folder / "tokenizer.json")
    for number, story in enumerate(stories(0, 20)):
        (folder / f"{number:02}.txt").write_text(f"Story {number}.\n{story.text}\n")
    settings = PrepareSettings(tokenizer=str(tokenizer), val_fraction=0.3)
    return prepare(sorted(folder.glob("*.txt")), settings, folder / "out")


@contextmanager
def running(app: Any) -> Iterator[str]:
    """The application at an address of its own."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="session")
def serve() -> Serve:
    """`with serve(app) as address:`"""
    return running


def written_by(run: Path, wanted: Wanted) -> Iterator[str]:
    """Stands for the weights of a checkpoint."""
    yield f" ({run.name}, {wanted.place}, seed {wanted.seed})"


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs beside each other: tale, of 40 steps with checkpoints, and other, of 20."""
    home = tmp_path_factory.mktemp("home")
    for name, steps in (("tale", 40), ("other", 20)):
        (home / name).mkdir()
        settings = '[model]\nkind = "llama"\n[training]\nsteps = 40\n[generation]\nprompts = ["Once upon"]\n'
        (home / name / "run.toml").write_text(settings)
        lines: list[dict[str, Any]] = [
            {"kind": "step", "step": step, "loss": 5 - step / 10, "learning_rate": 0.1, "tokens": 8, "tokens_per_second": 900}
            for step in range(1, steps + 1)
        ]  # fmt: skip
        for step in range(10, steps + 1, 10):
            lines.append({"kind": "evaluation", "step": step, "validation_loss": 5.25 - step / 10})
            lines.append({"kind": "sample", "step": step, "texts": [f"Once upon a fox <b>number</b> {step}"]})
            (home / name / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
            (home / name / "checkpoints" / f"step-{step:08d}" / "state.json").write_text("{}")
        (home / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return home


@pytest.fixture(scope="session")
def address(language_model: LanguageModel, dataset: Dataset, run_folders: Path) -> Iterator[str]:
    runs = Runs(run_folders, "tale", written_by, lambda run: {"loss": 3.25, "from": "counted pairs of tokens"})
    with running(create_app(Subject("fox", language_model, origins=Origins(dataset)), runs=runs)) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def limited(language_model: LanguageModel) -> Iterator[httpx.Client]:
    """A server with narrow limits and a key."""
    limits = Limits(body_bytes=5000, choices=3, new_tokens=50, seconds=20, seats=1, queue=2)
    with (
        running(create_app(Subject("fox", language_model), limits, api_key="correct horse")) as address,
        httpx.Client(base_url=address, timeout=30, headers={"Authorization": "Bearer correct horse"}) as client,
    ):
        yield client
