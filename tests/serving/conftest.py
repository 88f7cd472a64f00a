"""A small model, served for real: a socket, a thread, the very application."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

import httpx
import pytest
import torch
import uvicorn

from hornbook.chat_template import named_template
from hornbook.conventions import Conventions
from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator
from hornbook.serving.app import create_app
from hornbook.serving.limits import Limits
from hornbook.serving.served import Subject
from hornbook.tokenizers.bpe import BPE

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


@pytest.fixture(scope="session")
def address(language_model: LanguageModel) -> Iterator[str]:
    with running(create_app(Subject("fox", language_model))) as address:
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
