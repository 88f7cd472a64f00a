"""What a crash leaves of metrics.jsonl is read as far as it is whole, and never stands in the way."""

import json
import os
from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.training.run_folder import RunFolder

RECORDS = [
    {"kind": "step", "step": 1},
    {"kind": "sample", "step": 1, "texts": ["Größe 猫"]},
    {"kind": "step", "step": 2},
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with RECORDS, as they lie on the disk."""
    run = RunFolder.create(tmp_path / "run", {})
    for record in RECORDS:
        run.append(record)
    run.close()
    return run


@pytest.mark.parametrize(
    "tail",
    [
        b'{"kind": "step", "st',
        '{"kind": "sample", "step": 2, "texts": ["Grö'.encode()[:-1],  # torn inside a letter
        b"\0" * 100,
        b"\0" * 100
        + b'\n{"kind": "step", "step": 3}\n',  # a power cut: the file's new size reached the disk, its content not
        b'{"kind": "step", "step"\n',
        b"3\n",
    ],
)
def test_a_torn_end_is_left_out_and_written_again(run: RunFolder, tail: bytes) -> None:
    with open(run.path / "metrics.jsonl", "ab") as file:
        file.write(tail)
    assert list(run.records()) == RECORDS
    run.rewind(1)
    run.append({"kind": "step", "step": 2})
    run.close()
    assert [json.loads(line) for line in (run.path / "metrics.jsonl").read_bytes().splitlines()] == RECORDS


def test_a_reader_beside_the_run_sees_each_record_at_once(run: RunFolder) -> None:
    run.append({"kind": "step", "step": 3})
    assert [record["step"] for record in RunFolder(run.path).records("step")] == [1, 2, 3]
    run.close()


def test_what_comes_before_a_checkpoint_is_on_the_disk(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name if Path("/proc").exists() else "metrics.jsonl")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    run.flush(sync=True)
    assert synced == []  # nothing was appended
    run.append({"kind": "step", "step": 3})
    run.flush()
    assert synced == []
    run.flush(sync=True)
    assert synced[0] == "metrics.jsonl"
    run.close()


def test_a_run_begins_where_only_a_dataset_and_leftovers_lie(tmp_path: Path) -> None:
    for name in ("data", ".data.k3x9w0ab.unfinished", ".run.toml.k3x9w0ab.unfinished"):
        (tmp_path / "run" / name).mkdir(parents=True)
    RunFolder.check_new(tmp_path / "run")
    (tmp_path / "run" / ".notes.markdown").touch()
    with pytest.raises(UserError, match="already exists"):
        RunFolder.check_new(tmp_path / "run")
