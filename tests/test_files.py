"""Files are whole or absent, and what a disk refuses is one line."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hornbook
from hornbook import files
from hornbook.errors import UserError
from hornbook.leftovers import held, is_leftover


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


KILLED_EVERYWHERE = """
import os, signal, sys
from pathlib import Path
from hornbook.files import new_folder, remove_folder, sweep, write_atomic

place, deed = Path(sys.argv[1]), sys.argv[2]
whole = {"one.txt": "same", "two.txt": "same"}

def content(path):
    return {file.name: file.read_text() for file in sorted(path.iterdir())} if path.is_dir() else None

def write(word):
    with new_folder(place / "kept", replace=True) as beside:
        for name in whole:
            write_atomic(beside / name, word)

def do():
    if deed == "file":
        write_atomic(place / "kept" / "one.txt", "new")
    elif deed == "folder":
        write("new")
    else:
        remove_folder(place / "kept")

def allowed(word):
    return {
        "file": {"one.txt": word, "two.txt": "old"},
        "folder": dict.fromkeys(whole, word),
        "removal": dict.fromkeys(whole, "old") if word == "old" else None,
    }[deed]

moment = 0
while True:
    write("old")
    child = os.fork()
    if not child:
        left = moment

        def watch(event, arguments):
            global left
            if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.rmtree"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        do()
        os.kill(os.getpid(), signal.SIGTERM)
    killed = os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    sweep(place)
    assert sorted(path.name for path in place.iterdir()) in (["kept"], []), (deed, moment, sorted(place.iterdir()))
    found = content(place / "kept")
    assert found in (allowed("old"), allowed("new")), (deed, moment, found)
    if not killed:
        assert found == allowed("new")
        break
    moment += 1
print(moment)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize(("deed", "moments"), [("file", 4), ("folder", 20), ("removal", 4)])
def test_a_kill_before_any_step_of_a_write_leaves_the_old_or_the_new(tmp_path: Path, deed: str, moments: int) -> None:
    """One process after the other is killed before its first, second, third ... call that touches the disk."""
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1])}
    command = [sys.executable, "-c", KILLED_EVERYWHERE, str(tmp_path), deed]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= moments


def test_sweep_leaves_everything_else(tmp_path: Path) -> None:
    names = [".gitignore", ".notes.markdown", ".a.unfinished", "b.12345678.unfinished", ".step-1.12345678.old"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / "deep").mkdir()
    dead = tmp_path / "deep" / ".metrics.jsonl.k3x9w0ab.unfinished"
    dead.write_text("half")
    assert is_leftover(dead)
    assert files.sweep(tmp_path) == [dead]
    assert left_over(tmp_path) == sorted([*names, "deep"])
    assert left_over(tmp_path / "deep") == []


def test_sweep_puts_back_what_was_being_replaced_unless_the_new_one_is_there(tmp_path: Path) -> None:
    for name in ("lost", "replaced"):
        (tmp_path / f".{name}.k3x9w0ab.replaced").mkdir()
        (tmp_path / f".{name}.k3x9w0ab.replaced" / "old.txt").write_text("old")
    (tmp_path / ".lost.k3x9w0ab.unfinished").mkdir()  # the new one, whole or not, had no name yet
    (tmp_path / "replaced").mkdir()
    (tmp_path / "replaced" / "new.txt").write_text("new")
    files.sweep(tmp_path)
    assert left_over(tmp_path) == ["lost", "replaced"]
    assert left_over(tmp_path / "lost") == ["old.txt"]
    assert left_over(tmp_path / "replaced") == ["new.txt"]


@pytest.mark.skipif(os.name == "nt", reason="folders can't be locked there")
def test_sweep_leaves_what_a_living_process_writes(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "run") as beside:
        (beside / "half.txt").write_text("half")
        assert files.sweep(tmp_path) == []
        assert beside.exists()
        with files.new_folder(tmp_path / "run"):
            assert beside.exists()
        (tmp_path / "run").rmdir()
    file = tmp_path / ".a.txt.k3x9w0ab.unfinished"
    file.write_text("half")
    with held(file):
        assert files.sweep(tmp_path) == []
    assert files.sweep(tmp_path) == [file]
    assert left_over(tmp_path) == ["run"]


def test_writing_a_folder_clears_away_what_its_killed_writers_left(tmp_path: Path) -> None:
    (tmp_path / ".data.k3x9w0ab.unfinished").mkdir()
    (tmp_path / ".other.k3x9w0ab.unfinished").mkdir()
    with files.new_folder(tmp_path / "data"):
        pass
    assert left_over(tmp_path) == [".other.k3x9w0ab.unfinished", "data"]


def test_an_old_folder_that_was_aside_is_back_before_it_could_be_overwritten(tmp_path: Path) -> None:
    aside = tmp_path / ".mine.k3x9w0ab.replaced"
    aside.mkdir()
    (aside / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="already exists"), files.new_folder(tmp_path / "mine"):
        pass
    assert left_over(tmp_path / "mine") == ["precious.txt"]


def test_what_was_being_deleted_is_deleted(tmp_path: Path) -> None:
    (tmp_path / ".run.k3x9w0ab.removed").mkdir()
    files.sweep(tmp_path)
    assert left_over(tmp_path) == []


def test_remove_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.txt").write_text("a")
    files.remove_folder(tmp_path / "run")
    assert left_over(tmp_path) == []
