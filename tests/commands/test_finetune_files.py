"""The files of a fine-tuning: found from where the settings were given, named in run.toml with their hashes, never others."""

from pathlib import Path

import pytest

from hornbook.commands._chat_settings import ChatSettings
from hornbook.commands._classifier_settings import ClassifierSettings
from hornbook.commands._finetune_files import placed, same_file, with_files
from hornbook.errors import UserError
from hornbook.files import sha256_of

PARTS = ("validation", "test")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a file of each part and a template."""
    for name in (*PARTS, "own.jinja"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_each_file_has_its_hash_and_is_found_again_from_the_run(files: Path) -> None:
    run = files / "runs" / "run"
    begun = with_files(ClassifierSettings(validation="validation", test="test"), PARTS, files)
    written = placed(begun, PARTS, run)
    assert written["test_hash"] == sha256_of(files / "test")
    assert written["validation_hash"] == sha256_of(files / "validation")
    (files / "runs").mkdir()
    resumed = with_files(ClassifierSettings(**written), PARTS, run)
    assert [Path(str(getattr(resumed, name))).resolve() for name in PARTS] == [files / name for name in PARTS]


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_file_is_an_error_with_both_values(files: Path, part: str) -> None:
    begun = with_files(ClassifierSettings(validation="validation", test="test"), PARTS, files)
    before = sha256_of(files / part)
    (files / part).write_text("changed")
    message = (
        rf"{part}' is not the {part} file that this run began with: its sha256 is {sha256_of(files / part)[:16]}\.\.\., "
        rf"that one's was {before[:16]}\.\.\.; hint: put the old one back, or begin anew"
    )
    with pytest.raises(UserError, match=message):
        with_files(begun, PARTS, files)


def test_a_template_by_its_name_is_no_file_and_one_in_a_file_is(files: Path) -> None:
    named = with_files(ChatSettings(template="chatml"), ("template",), files)
    assert (named.template, named.template_hash) == ("chatml", None)
    assert placed(named, ("template",), files / "run")["template"] == "chatml"
    own = with_files(ChatSettings(template=str(files / "own.jinja")), ("template",), Path())
    (files / "own.jinja").write_text("another")
    with pytest.raises(UserError, match="own.jinja' is not the template file that this run began with"):
        with_files(own, ("template",), Path())


def test_the_first_time_any_file_is_taken(files: Path) -> None:
    assert same_file(files / "test", None, "data") == sha256_of(files / "test")
