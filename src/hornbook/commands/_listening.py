"""The socket of a server: opened before anything is loaded, so that a taken port is said at once."""

import socket

from hornbook.errors import UserError

NEXT_PORTS = 100  # that are tried where one is taken


def listen(host: str, port: int) -> socket.socket:
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


def listen_from(port: int) -> socket.socket:
    """On this machine alone, at the first free port from `port` on. Errors: `UserError` where a hundred are taken."""
    for candidate in range(port, port + NEXT_PORTS):
        try:
            listening = listen("127.0.0.1", candidate)
        except UserError:
            continue
        try:
            listening.listen()
            return listening
        except OSError:  # another process was bound to it and has begun to listen first
            listening.close()
    raise UserError(f"the ports {port} to {port + NEXT_PORTS - 1} are all taken")


def address_of(listening: socket.socket) -> str:
    """What a browser is told."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
