"""The index of the training text while a server runs: not asked for, being made, there, or why not.

It is made in a thread of its own when a page first asks for it, and stays in the dataset's folder.
"""

import asyncio
import threading
from typing import Any

from hornbook.errors import UserError
from hornbook.evaluation._origins import Origins
from hornbook.serving.problem import Problem

LEAST = 20  # characters of a part that is told at all; the page decides which it shows
ABSENT = (
    "the text that this model was trained on is not here; give its dataset folder: hornbook serve MODEL --data FOLDER"
)


class Stopped(Exception):
    """The server ends."""


class Tracing:
    """What a server knows of the training text of its model; `memorised` is what was measured, if it was."""

    def __init__(self, origins: Origins | None) -> None:
        self._origins = origins
        self.memorised: dict[str, Any] | None = None
        self.measuring = asyncio.Lock()
        self._share, self._trouble, self._ended = 0.0, "", False
        self._thread: threading.Thread | None = None

    @property
    def origins(self) -> Origins:
        """The dataset. Errors: `Problem` where there is none."""
        if self._origins is None:
            raise Problem(404, ABSENT, code="no_dataset")
        return self._origins

    @property
    def ready(self) -> Origins:
        """The dataset with its index. Errors: `Problem` where there is none, or none yet."""
        if self.origins.index is None:
            raise Problem(409, "the training text is not indexed yet", code="no_index")
        return self.origins

    def card(self) -> dict[str, Any]:
        """What the page has to know: `state` is absent, unbuilt, building (`share` is done), failed or ready."""
        if self._origins is None:
            return {"state": "absent", "message": ABSENT}
        facts = self._origins.facts() | {"least": LEAST, "memorised": self.memorised}
        return {"state": self._state(self._origins), "message": self._trouble, "share": self._share} | facts

    def _state(self, origins: Origins) -> str:
        if origins.index is not None:
            return "ready"
        return "failed" if self._trouble else "building" if self._thread else "unbuilt"

    def start(self) -> None:
        """Make the index, unless it is there or being made. Errors: `Problem` where there is no dataset."""
        if self.origins.index is None and not (self._thread and self._thread.is_alive()):
            self._share, self._trouble = 0.0, ""
            self._thread = threading.Thread(target=self._build, name="hornbook-index", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Give up what is being made, and wait for that."""
        self._ended = True
        if self._thread:
            self._thread.join()

    def _build(self) -> None:
        try:
            self.origins.build(self._hear)
        except Stopped:
            pass
        except (UserError, OSError) as error:
            self._trouble = str(error)
        except MemoryError:
            self._trouble = "there is not enough memory to index the training text"

    def _hear(self, share: float) -> None:
        self._share = share
        if self._ended:
            raise Stopped
