"""Many processes, one run: who this process is, which microbatches are its own, and sums that all of them know.

    torchrun --nproc-per-node 2 -m hornbook train shakespeare-char

`torchrun` starts the processes (ranks 0, 1, ...), tells each in its environment who it is, and starts them again where
one dies; the rest is ordinary code that asks its `World`. Alone, every method below costs nothing.
"""

import itertools
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from hornbook.errors import LostRank

HANG_SECONDS = 300.0  # so long may a rank keep the others waiting
GRACE = 2.0  # a process that was killed takes a moment to be gone; one that waits hears of it a moment later
LONGEST_TURN = timedelta(days=7)  # so long rank 0 may prepare a text


@dataclass(frozen=True)
class World:
    """The processes of one run; `rank` is this one. `World()` is a process alone."""

    rank: int = 0
    size: int = 1
    hang_seconds: float = HANG_SECONDS
    store: Store | None = field(default=None, repr=False)
    turns: Iterator[int] = field(default_factory=itertools.count, repr=False)  # of talk: the same in every process

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` microbatches this process computes, one stretch: 5 of 2 processes -> 0, 1 and 2, 3, 4."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum_of(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes, in float64; exact where all but one of them give 0 or all give integers."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        sums: list[float] = total.tolist()
        return sums

    def exchange(self, text: str = "") -> list[str]:
        """What each process says, by rank; nobody goes on before all have said it."""
        if self.store is None:
            return [text]
        turn = next(self.turns)
        self.store.set(f"say/{turn}/{self.rank}", text)
        return [self.store.get(f"say/{turn}/{rank}").decode() for rank in range(self.size)]

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Rank 0 goes through the block first, the others after it: what it made, they find.

        Where rank 0 fails, the others leave without a word: it has said why.
        """
        if self.store is None:
            yield
            return
        turn = f"first/{next(self.turns)}"
        if not self.is_first:
            self.store.wait([turn], LONGEST_TURN)
            if self.store.get(turn) != b"done":
                raise SystemExit(2)
            yield
            return
        said = "failed"
        try:
            yield
            said = "done"
        finally:
            self.store.set(turn, said)

    @contextmanager
    def watched(self, step: int) -> Iterator[None]:
        """Around the update of `step`: where the others can't be reached, the error names who is missing.

        Errors: `LostRank` after `hang_seconds` at the latest, or at once where a process is gone.
        """
        if self.store is None:
            yield
            return
        self.store.set(f"step/{self.rank}", str(step))
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or not _is_of_communication(error):
                raise
            who = self._who_is_missing(step)
            if who is None:
                raise
            raise LostRank(who, hint=GO_ON) from error

    def _who_is_missing(self, step: int) -> str | None:
        """A lost process is found by its number where it ran on this machine, a hung one by the step it has come to."""
        store = self.store
        assert store is not None
        store.set(f"here/{self.rank}", "")
        time.sleep(GRACE)
        others = [rank for rank in range(self.size) if not store.check([f"here/{rank}"])]
        for rank in others:
            host, process = store.get(f"who/{rank}").decode().split()
            if host == socket.gethostname() and not _runs(int(process)):
                return f"rank {rank} (process {process} on {host}) is gone, at step {step + 1}"
        if not others:
            return None
        last = min(others, key=lambda rank: int(store.get(f"step/{rank}")))
        host, process = store.get(f"who/{last}").decode().split()
        waited = f"{self.hang_seconds:g} seconds at step {step + 1}"
        return f"rank {last} (process {process} on {host}) kept the others waiting for {waited}: it hangs or is gone"


ALONE = World()
GO_ON = "the last checkpoint is intact: hornbook resume RUN, with any number of processes"


def under_torchrun() -> bool:
    """Whether torchrun (or whoever sets the same variables) started this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def restarts() -> int:
    """How often torchrun has started all processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's variables describe, left at the end; alone where there are none.

    Small numbers travel by gloo, tensors on GPUs by nccl. HORNBOOK_HANG_SECONDS is how long to wait for a rank.
    """
    if not under_torchrun():
        yield ALONE
        return
    seconds = float(os.environ.get("HORNBOOK_HANG_SECONDS", HANG_SECONDS))
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store = _store(rank, size, seconds)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=PrefixStore("torch", store),
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=seconds),
    )
    world = World(rank, size, seconds, store)
    store.set(f"who/{world.rank}", f"{socket.gethostname()} {os.getpid()}")
    store.set(f"step/{world.rank}", "-1")
    try:
        world.exchange()
        yield world
    finally:
        dist.destroy_process_group()


def _store(rank: int, size: int, seconds: float) -> Store:
    """Where the processes write to each other. Every restart has its own: an address of a dead process is no use.

    torchrun keeps it in a process of its own, so it outlives rank 0; without torchrun (srun) rank 0 keeps it.
    """
    keeper = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and rank == 0
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return PrefixStore(f"hornbook/{restarts()}", TCPStore(address, port, size, keeper, timedelta(seconds=seconds)))


def _is_of_communication(error: RuntimeError) -> bool:
    """Gloo's errors have no type of their own; they carry its name or say what broke."""
    words = str(error).lower()
    return isinstance(error, dist.DistError) or any(
        word in words for word in ("gloo", "nccl", "connection", "timed out")
    )


def _runs(process: int) -> bool:
    """Whether a process of this machine still runs; one that is dead but not yet buried doesn't."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return not os.path.isdir("/proc")  # where there is no /proc, nothing is known
