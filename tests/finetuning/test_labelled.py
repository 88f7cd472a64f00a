"""Labelled texts: every format gives the same, mistakes are named, splits keep the proportions; the book's numbers."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpora.sms_spam import SmsSpam
from hornbook.errors import UserError
from hornbook.finetuning.labelled import (
    Labelled,
    balanced,
    class_names,
    class_numbers,
    copies,
    read_labelled,
    read_more_labelled,
    split,
    split_together,
    stratified_order,
)
from hornbook.finetuning.rows import Batches, Row, in_order, pad_rows
from hornbook.tokenizers.base import Tokenizer

Number = Callable[[str], Any]
Shared = Callable[[str], Path]
LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=200)


def as_pandas_reads(path: Path) -> list[list[str]]:
    """The rows as `read_csv(sep="\\t")` has them: a field that begins with a quote goes on until the next one."""
    with open(path, encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file, delimiter="\t") if row]


def book_balance(rows: list[list[str]]) -> list[int]:
    """`ham.sample(747, random_state=123)` and all spam: pandas draws by numpy's old generator."""
    ham, spam = ([place for place, row in enumerate(rows) if row[0] == label] for label in ("ham", "spam"))
    drawn = np.random.RandomState(123).choice(len(ham), len(spam), replace=False)
    return [ham[place] for place in drawn] + spam


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    wanted = [Labelled("Ok, lar\nhéy", "ham"), Labelled('win "now"', "spam"), Labelled("1", "ham")]
    for name, delimiter in [("a.csv", ","), ("b.csv", ";"), ("a.tsv", "\t")]:
        with open(tmp_path / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows([["id", "kind", "body"], *([7, item.label, item.text] for item in wanted)])
        assert read_labelled(tmp_path / name, "body", "kind") == wanted
    entries = [{"body": item.text, "kind": item.label} for item in wanted]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, entries)))
    assert read_labelled(tmp_path / "a.json", "body", "kind") == wanted
    assert read_labelled(tmp_path / "a.jsonl", "body", "kind") == wanted


def test_numbers_are_labels_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n')
    assert [item.label for item in read_labelled(tmp_path / "a.jsonl")] == ["0", "1"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", "text,kind\na,x\n", r"no column 'label' \(choices: text, kind\)"),
        ("a.csv", 'text,label\n"a\nb",x\n\n" ",y\n', "line 5: the field 'text' is empty"),
        ("a.csv", "text,label\na,x\nb,\n", "line 3: the field 'label' is empty"),
        ("a.csv", "text,label\na,x\nb\n", "line 3 has no column 'label'"),
        ("a.csv", "text,label\na,x\nb,x\n", "needs two classes or more; the column 'label' of '.*' has only 'x'"),
        ("a.csv", "text,label\n", "has none"),
        ("a.tsv", 'text\tlabel\n"HEY" you\tx\n', "has only 'x'"),
        ("a.csv", 'text,label\n"HEY" you,x\n', "line 2 is not csv"),
        ("a.csv", "text,label\na,x\nb,c,y\n", "line 3 has 3 columns, the first row 2; hint: a text that holds ','"),
        ("a.csv", '{"text": "a", "label": "x"}\n', "no column 'text' .*; hint: it looks like one JSON object a line"),
        ("a.tsv", "ham\tOk lar\nspam\tWin\n", "no column 'text' .*; hint: is there no header"),
        ("a.jsonl", '{"text": "a", "label": "x"}\nb,y\n', "line 2 is not JSON"),
        (
            "a.jsonl",
            '{"text": "a", "label": "x"}\n{"text": "b", "label": null}\n',
            "line 2: the field 'label' is not text",
        ),
        ("a.xlsx", "", r"can't read labelled texts from '.*a.xlsx' \(choices: .csv, .tsv"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, name: str, data: str, message: str) -> None:
    (tmp_path / name).write_text(data)
    with pytest.raises(UserError, match=message):
        read_labelled(tmp_path / name)


def test_a_label_that_training_has_not_seen_is_refused() -> None:
    classes = class_names(["spam", "ham", "ham"])
    assert classes == ["ham", "spam"]
    assert class_numbers(["spam", "ham"], classes) == [1, 0]
    with pytest.raises(UserError, match=r"unknown label 'spma' \(choices: ham, spam\); hint: did you mean 'spam'"):
        class_numbers(["ham", "spma"], classes)


@settings(deadline=None)
@given(LABELS, st.integers(0, 9))
def test_balancing_keeps_as_many_of_each_class(labels: list[str], seed: int) -> None:
    places = balanced(labels, seed)
    counts = Counter(labels[place] for place in places)
    assert set(counts.values()) == {min(Counter(labels).values())}
    assert counts.keys() == set(labels)
    assert places == sorted(set(places)) == balanced(labels, seed)


def test_balancing_draws_by_the_seed() -> None:
    labels = ["a"] * 50 + ["b"] * 10
    assert balanced(labels, 1) != balanced(labels, 2)
    assert sum(place < 10 for seed in range(100) for place in balanced(labels, seed)) == pytest.approx(200, abs=60)


@settings(deadline=None)
@given(LABELS, st.integers(0, 9), st.data())
def test_every_stretch_of_the_order_has_the_proportions(labels: list[str], seed: int, data: st.DataObject) -> None:
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(labels))] * 2)))
    found = Counter(labels[place] for place in order[first:last])
    for label, count in Counter(labels).items():  # each of the two borders is off by at most half an item of each class
        assert abs(found[label] - count * (last - first) / len(labels)) <= 1 + len(set(labels)) * count / len(labels)


def test_a_rare_class_is_in_every_part() -> None:
    labels = ["a"] * 90 + ["b"] * 10
    parts = split([labels[place] for place in stratified_order(labels, seed=5)], (0.7, 0.1))
    assert [Counter(part)["b"] for part in parts] == [7, 1, 2]


def test_the_order_is_drawn_by_the_seed() -> None:
    labels = ["a"] * 20 + ["b"] * 20
    assert stratified_order(labels, 1) != stratified_order(labels, 2)


@settings(max_examples=50, deadline=None)
@given(st.integers(30, 3000), st.floats(0.1, 0.7), st.floats(0.1, 0.2))
def test_a_split_loses_and_repeats_nothing(length: int, first: float, second: float) -> None:
    parts = split(range(length), (first, second))
    assert [place for part in parts for place in part] == list(range(length))
    assert [len(part) for part in parts[:2]] == [int(first * length), int(second * length)]


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.0, 0.1), (-0.1,), (1.2,)])
def test_fractions_must_leave_a_rest(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="must be above 0 and leave a rest"):
        split(range(10), fractions)


def test_a_part_that_would_be_empty_is_refused() -> None:
    with pytest.raises(UserError, match=r"5 examples are too few to split: parts of \[3, 0, 2\]"):
        split(range(5), (0.7, 0.1))


def test_the_messages_and_why_the_book_counts_two_fewer(shared_data: Shared, number: Number) -> None:
    path = shared_data("sms-spam.tsv")
    ours = list(SmsSpam(path.parent).labelled())
    assert Counter(label for label, _ in ours) == {"ham": 4827, "spam": 747}

    theirs = as_pandas_reads(path)
    counts = Counter(row[0] for row in theirs)
    assert {"rows": len(theirs), "ham": counts["ham"], "spam": counts["spam"]} == number("cls-01")
    swallowing = [place for place, row in enumerate(theirs) if "\n" in row[1]]
    assert swallowing == [5081]  # its quote opens in line 5,082 and closes in line 5,084: three messages become one
    assert [theirs[5081][1].count(f"\n{label}\t") for label in ("ham", "spam")] == [2, 0]
    assert all(ours[place][1].text.strip('"')[:30] in theirs[5081][1] for place in (5081, 5082, 5083))


def test_the_balanced_messages_of_the_book(shared_data: Shared, number: Number) -> None:
    rows, expected = as_pandas_reads(shared_data("sms-spam.tsv")), number("cls-02")
    chosen = book_balance(rows)
    assert (chosen[:5], chosen[-5:]) == (expected["first_indices"], expected["last_indices"])
    ours = balanced([row[0] for row in rows], seed=123)
    for places in (chosen, ours):
        counts = Counter(rows[place][0] for place in places)
        assert {**counts, "total": len(places)} == {key: expected[key] for key in ("ham", "spam", "total")}
    assert class_numbers(["ham", "spam"], class_names([row[0] for row in rows])) == [0, 1]


def test_the_split_and_batches_of_the_book(shared_data: Shared, number: Number, gpt2: Tokenizer) -> None:
    rows, expected = as_pandas_reads(shared_data("sms-spam.tsv")), number("cls-03")
    chosen = book_balance(rows)
    shuffled = [rows[chosen[place]] for place in np.random.RandomState(123).permutation(len(chosen))]
    train, val, test = split(shuffled, (0.7, 0.1))
    assert [len(train), len(val), len(test)] == [expected[name] for name in ("train", "val", "test")]
    ours = split(stratified_order([row[0] for row in shuffled], seed=1), (0.7, 0.1))
    assert [len(part) for part in ours] == [len(train), len(val), len(test)]

    texts = [gpt2.encode(row[1]) for row in train]
    longest = max(map(len, texts))
    batches = Batches(
        [Row(tokens, [0] * len(tokens)) for tokens in texts], lambda some: pad_rows(some, 0, longest), batch_size=8
    )
    assert list(batches(step=0)[0][0].shape) == expected["batch_shape"]
    assert len(train) // 8 == expected["train_batches"]  # the book drops the rest; ours goes on into the next epoch
    for part, name in ((val, "val_batches"), (test, "test_batches")):
        assert sum(1 for _ in in_order(part, lambda some: some, 8)) == expected[name]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy")), min_size=30, max_size=90), st.integers(0, 5)
)
def test_copies_share_a_part(pairs: list[tuple[str, str]], seed: int) -> None:
    items = [Labelled(text if number % 3 else f"{text} {number}", label) for number, (text, label) in enumerate(pairs)]
    parts = split_together(items, (0.6, 0.2), seed)
    assert sorted(place for part in parts for place in part) == list(range(len(items)))
    held = [{items[place].text for place in part} for part in parts]
    assert not held[0] & held[1]
    assert not (held[0] | held[1]) & held[2]
    assert len(parts[0]) <= int(0.6 * len(items))
    assert parts == split_together(items, (0.6, 0.2), seed)


def test_without_copies_the_parts_have_the_sizes_and_proportions_asked_for() -> None:
    items = [Labelled(f"text {number}", "ham" if number % 2 else "spam") for number in range(1494)]
    parts = split_together(items, (0.7, 0.1), seed=3)
    assert [len(part) for part in parts] == [1045, 149, 300]
    assert [sum(items[place].label == "ham" for place in part) for part in parts] == pytest.approx(
        [522, 74, 150], abs=1
    )


def test_the_book_sizes_with_copies_kept_together(shared_data: Shared) -> None:
    ours = [
        Labelled(document.text, label) for label, document in SmsSpam(shared_data("sms-spam.tsv").parent).labelled()
    ]
    chosen = [ours[place] for place in balanced([item.label for item in ours], seed=123)]
    parts = split_together(chosen, (0.7, 0.1), seed=123)
    assert [len(part) for part in parts] == [1045, 149, 300]
    assert all(abs(sum(chosen[place].label == "spam" for place in part) / len(part) - 0.5) < 0.04 for part in parts)


def test_copies_differ_in_case_and_blanks_only() -> None:
    assert copies(["Hi  you", "no", "hi you\n", "hi you!"]) == [[0, 2], [1], [3]]


def test_the_messages_are_read_without_a_header(shared_data: Shared) -> None:
    path = shared_data("sms-spam.tsv")
    found = read_labelled(path, "2", "1")
    ours = [Labelled(document.text, label) for label, document in SmsSpam(path.parent).labelled()]
    assert found == ours
    assert found[5081].place.endswith("sms-spam.tsv' line 5082")


def test_a_label_of_another_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\na,ham\nb,spma\n")
    with pytest.raises(UserError, match=r"unknown label at .*test.csv' line 3: 'spma' .*did you mean 'spam'"):
        read_more_labelled(tmp_path / "test.csv", "text", "label", ["ham", "spam"])
