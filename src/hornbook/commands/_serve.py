"""The parts of `hornbook serve`: open the model, check that it is safe, listen."""

import ipaddress
import os
import socket
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass

import uvicorn

import hornbook
from hornbook.commands.base import talk
from hornbook.errors import UserError
from hornbook.serving.app import create_app
from hornbook.serving.served import Subject
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


def run_server(asked: Serving) -> None:
    """Serve until Ctrl-C. Errors: `UserError` for an unsafe host, a port that is taken, a model that doesn't open."""
    key = asked.api_key or os.environ.get(KEY_VARIABLE)
    require_safe(asked.host, key, asked.without_key)
    with _listen(asked.host, asked.port) as listening:
        subject = open_subject(asked.model, asked.device, asked.template)
        app = create_app(subject, api_key=key, names=[asked.host])
        host, port = listening.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        talk(f"serving {subject.name} at {address}; Ctrl-C ends it")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=FINISHING_SECONDS, lifespan="on"
        )
        if asked.open:
            webbrowser.open(address)
        uvicorn.Server(config).run(sockets=[listening])


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


def open_subject(model: str, device: str, template: str | None) -> Subject:
    """The model or classifier that a user names."""
    folder = find_model_folder(fetched_where_absent(model))
    name = title_of(folder)
    if is_classifier(folder):
        classifier = hornbook.load_classifier(folder, device)

        def classify(texts: Sequence[str]) -> list[dict[str, float]]:
            rows = classifier.probabilities(texts).tolist()
            return [dict(zip(classifier.classes, row, strict=True)) for row in rows]

        return Subject(name, classify=classify)
    language_model = hornbook.load(folder, device)
    return Subject(name, language_model.with_template(template) if template else language_model)


def _listen(host: str, port: int) -> socket.socket:
    """The socket, before the model is loaded. Errors: `UserError` where the port is taken or the host isn't this machine's."""
    if not 0 <= port <= 65535:
        raise UserError(f"port {port} is not between 0 and 65535")
    listening = None
    try:
        listening = socket.socket(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0])
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        if listening:
            listening.close()
        hint = "choose another with --port, 0 for any that is free"
        raise UserError(
            f"can't listen on {host} port {port}: {(error.strerror or str(error)).lower()}", hint=hint
        ) from None
    return listening
