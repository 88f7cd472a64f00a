"""A client that leaves: what it waited for is given up."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

from hornbook.serving.problem import Problem

Answer = TypeVar("Answer")
LOOK_SECONDS = 0.25  # how often to see whether a client that waits for a whole answer is still there


async def unless_gone(work: Awaitable[Answer], request: Request) -> Answer:
    """The result of `work`, which is given up when the client leaves: nobody would read it."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                raise Problem(408, "the client left", code="client_left")
        return task.result()
    finally:
        task.cancel()
