"""Files are whole or absent, and what a disk refuses is one line."""

import errno
import json
import os
from pathlib import Path

import pytest

from hornbook import files
from hornbook.errors import UserError


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_atomic_keeps_the_old_content_when_the_write_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    files.write_atomic(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="no space left on the disk that holds '.*a.txt'"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert left_over(tmp_path) == ["a.txt"]


def test_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.new_folder(tmp_path / "run") as folder:
        (folder / "half.txt").write_text("half")
        raise RuntimeError
    assert left_over(tmp_path) == []
    with files.new_folder(tmp_path / "run") as folder:
        (folder / "whole.txt").write_text("whole")
        assert not (tmp_path / "run").exists()
    assert left_over(tmp_path / "run") == ["whole.txt"]
    assert left_over(tmp_path) == ["run"]


def test_folders_made_on_the_way_go_with_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.new_folder(tmp_path / "a" / "b" / "run"):
        raise RuntimeError
    assert left_over(tmp_path) == []


def test_new_folder_never_replaces_unasked(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="already exists"), files.new_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "precious.txt").read_text() == "mine"
    with files.new_folder(tmp_path / "mine", replace=True) as folder:
        (folder / "new.txt").write_text("new")
    assert left_over(tmp_path / "mine") == ["new.txt"]
    assert left_over(tmp_path) == ["mine"]


def test_a_full_disk_inside_new_folder_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no space left on the disk"), files.new_folder(tmp_path / "run"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert left_over(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="file"), files.new_folder(tmp_path / "file" / "run"):
        pass
    with pytest.raises(UserError, match="already exists"), files.new_folder(tmp_path / "file"):
        pass


def test_require_space(tmp_path: Path) -> None:
    files.require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(UserError, match=r"no space left .* MB needed, .* MB free"):
        files.require_space(tmp_path / "not" / "yet", 1 << 60)
    assert left_over(tmp_path) == []


def test_read_json_names_the_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        files.read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        files.read_json(tmp_path / "bad.json")
    files.write_json(tmp_path / "good.json", {"ä": 1})
    assert (
        json.loads((tmp_path / "good.json").read_text(encoding="utf-8"))
        == {"ä": 1}
        == files.read_json(tmp_path / "good.json")
    )


def test_sha256_of(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the example of FIPS 180-2
    assert files.sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
