"""What a server takes on, so that no request can take all of it."""

from pydantic import Field

from hornbook.config import Settings


class Limits(Settings):
    """Bytes of a request, texts of one request, tokens and seconds of a text; texts written at once, and waiting."""

    body_bytes: int = Field(default=2_000_000, ge=1)
    choices: int = Field(default=16, ge=1)
    new_tokens: int = Field(default=4096, ge=1)
    seconds: float = Field(default=300.0, gt=0)
    seats: int = Field(default=64, ge=1)
    queue: int = Field(default=256, ge=1)
    retry_after: int = Field(default=2, ge=1)  # seconds, that a client is told where the queue is full
