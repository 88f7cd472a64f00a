"""The page in a real browser: every view is used, nothing is said in the console, nothing is asked of another host."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hornbook.batches.dataset import Dataset
from hornbook.generation.generate import LanguageModel
from hornbook.serving.app import create_app
from hornbook.serving.runs import Runs
from hornbook.serving.served import Subject
from hornbook.serving.training_app import create_training_app

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
WIDTHS = {"wide": 1280, "phone": 390}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def page(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page that fails the test for whatever it says in the console and for each foreign request."""
    context = browser.new_context(viewport={"width": WIDTHS[request.param], "height": 900}, accept_downloads=True)
    page, trouble = context.new_page(), list[str]()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda asked: None if _own(asked.url, address) else trouble.append(asked.url))
    yield page
    if folder := os.environ.get("HORNBOOK_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    context.close()
    assert trouble == []
    assert wide <= 0, f"the page is {wide} pixels wider than the window"


def _own(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "data:", f"blob:{address}"))


def test_tokens(page: Any, address: str, language_model: LanguageModel) -> None:
    page.goto(f"{address}/#tokens")
    page.fill("#text", "The fox 🦊")
    count = len(language_model.tokenizer.encode("The fox 🦊"))
    page.get_by_text(f"9 letters, 3 words, 12 bytes, {count} tokens").wait_for()
    expect(page.locator(".token").first).to_be_visible()
    assert page.locator(".tokens").first.locator(".token").count() == count
    page.reload()  # the address holds the text
    page.get_by_text(f"{count} tokens").wait_for()
    assert page.input_value("#text") == "The fox 🦊"


def test_a_text_in_other_vocabularies(page: Any, address: str, language_model: LanguageModel) -> None:
    page.goto(f"{address}/#tokens?text=The%20fox%20%F0%9F%A6%8A")
    page.get_by_role("heading", name="letters: 9 pieces, 1.0 letters each").wait_for()
    page.get_by_role("heading", name="words: 3 pieces, 3.0 letters each").wait_for()
    slider = page.get_by_label("pieces in the vocabulary")
    expect(slider).to_have_attribute("aria-valuetext", "317 pieces")
    count = len(language_model.tokenizer.encode("The fox 🦊"))
    page.get_by_text(f"With 317 pieces: {count} pieces").wait_for()
    assert page.locator(".token.fresh").count() > 0
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("With 256 pieces: 12 pieces, 0.8 letters each").wait_for()
    assert page.locator(".token.fresh").count() == 0
    assert "size=256" in page.url
    page.reload()  # the address holds the size
    page.get_by_text("With 256 pieces: 12 pieces").wait_for()
    page.fill("#text", "")
    page.get_by_role("heading", name="letters: 0 pieces").wait_for()
    page.fill("#text", "fox " * 400)
    page.get_by_text("Compared are the first 1,000 letters.").wait_for()


def test_write(page: Any, address: str) -> None:
    page.goto(f"{address}/#write?text=The%20fox&t=0")
    page.get_by_text("What may come next").wait_for()
    before = page.locator(".token").count()
    page.locator(".bars button").first.click()
    tokens = page.locator(".tokens .token")
    expect(tokens).to_have_count(before + 1)
    page.get_by_role("button", name="One token").click()
    expect(tokens).to_have_count(before + 2)
    page.locator(".tokens .token").nth(1).click()
    page.get_by_text("Instead of").wait_for()
    page.locator(".bars button").nth(1).click()
    expect(tokens).to_have_count(2)
    page.get_by_role("button", name="Write on").click()
    expect(tokens.nth(5)).to_be_visible()


def test_the_bars_follow_the_sliders(page: Any, address: str) -> None:
    page.goto(f"{address}/#write?text=The%20fox")
    bars = page.locator(".bars .number")
    bars.first.wait_for()
    page.get_by_label("temperature").fill("0")
    assert bars.all_inner_texts()[:2] == ["100 %", "cut"]
    page.get_by_label("temperature").fill("1")
    page.get_by_label("top-k").fill("2")
    assert bars.nth(1).inner_text() != "cut"
    assert bars.nth(2).inner_text() == "cut"


def test_attention(page: Any, address: str) -> None:
    page.goto(f"{address}/#attention?text=The%20fox%20was%20here")
    page.locator(".maps button").nth(2).click()
    page.locator(".tokens .token").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("” looks at “")).to_contain_text("100 %")  # the first token has only itself
    assert "layer=1&head=0" in page.url


def test_layers(page: Any, address: str) -> None:
    page.goto(f"{address}/#layers?text=The%20fox")
    page.locator("table").wait_for()
    assert page.locator("tbody tr").count() == 3  # the embedding, two layers
    assert page.locator("svg.plot").get_attribute("aria-label").startswith("Mean loss in nats: embedding: ")


def test_a_conversation(page: Any, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}/#chat")
    page.fill("#message", "Where is the fox?")
    page.keyboard.press("Enter")
    answers = page.locator("li.assistant .what")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    assert answers.count() <= 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    saved = tmp_path / "saved.json"
    download.value.save_as(saved)
    assert json.loads(saved.read_text())[0] == {"role": "user", "content": "Where is the fox?"}
    page.get_by_role("button", name="Edit").click()
    assert page.input_value("#message") == "Where is the fox?"
    assert page.locator(".talk li").count() == 0
    page.set_input_files("#load", saved)
    page.locator(".talk li.user").wait_for()
    saved.write_text("[1]")
    page.set_input_files("#load", saved)
    page.get_by_text("this file holds no conversation").wait_for()


def test_a_model_that_does_not_converse_writes_on_for_ever(
    browser: Any, language_model: LanguageModel, serve: Any
) -> None:
    plain = LanguageModel(language_model.model, language_model.tokenizer, {})
    with serve(create_app(Subject("fox", plain))) as address:
        page = browser.new_page()
        page.goto(f"{address}/#chat?t=0")
        for text, said in (("The fox", 0), ("fox " * 200, 1)):  # the context holds 128 tokens
            page.fill("#message", text)
            page.keyboard.press("Enter")
            expect(page.get_by_role("button", name="Send")).to_be_enabled()
            expect(page.get_by_text("no longer reads the beginning")).to_have_count(said)
        expect(page.locator("li.assistant .what")).to_have_count(2)
        expect(page.locator(".error")).to_have_count(0)
        page.close()


def test_a_classifier_has_a_view_of_its_own(browser: Any, serve: Any) -> None:
    def classify(texts: Any) -> list[dict[str, float]]:
        return [{"ham": 0.25, "spam": 0.75} if "win" in text else {"ham": 0.9, "spam": 0.1} for text in texts]

    with serve(create_app(Subject("mail", classify=classify))) as address:
        page = browser.new_page()
        page.goto(address)
        page.fill("#text", "win it")
        page.get_by_text("It is spam, by 75 %.").wait_for()
        assert page.locator(".bars .text").all_inner_texts() == ["spam", "ham"]
        assert page.locator("#tabs a").all_inner_texts() == ["Classify", "Training"]
        page.goto("about:blank")
        page.goto(f"{address}/#classify?text=see%20you")  # the address holds the text
        page.get_by_text("It is ham, by 90 %.").wait_for()
        page.close()


def test_runs_that_begin_while_the_page_is_open(browser: Any, tmp_path: Path, serve: Any) -> None:
    """As in a quickstart: a page before the first run, a bigram, then the model itself."""
    with serve(create_training_app(Runs(tmp_path), "quickstart")) as address:
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(address)
        page.get_by_text("Nothing trains here yet").wait_for()
        for name, loss in (("bigram", 4.5), ("gpt", 3.25)):
            (tmp_path / name).mkdir()
            line = {"kind": "evaluation", "step": 10, "validation_loss": loss}
            (tmp_path / name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
            (tmp_path / name / "run.toml").write_text("[training]\nsteps = 40\n")
            page.get_by_text(f"validation loss {loss:.3f} at step 10").wait_for()
        page.select_option("#beside", "bigram")
        page.get_by_text("validation loss 4.500 at step 10").wait_for()
        page.close()


def test_a_key_is_asked_for(browser: Any, language_model: LanguageModel, serve: Any) -> None:
    with serve(create_app(Subject("fox", language_model), api_key="correct horse")) as address:
        page = browser.new_page()
        page.goto(address)
        page.fill("#key", "correct horse")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Tokens").click()
        page.locator(".token").first.wait_for()
        page.close()


def test_where_a_text_comes_from(page: Any, address: str, dataset: Dataset) -> None:
    story = dataset.tokenizer.decode(dataset.train[60:160].tolist()).split("\n")[0]
    page.goto(f"{address}/#origins")
    page.fill("#text", f"Zzz 🦊! {story} Zzz.")
    marked = page.locator(".copied").first
    expect(marked).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_text("characters are copied")).to_be_visible()
    marked.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".talk mark").first).to_have_text(marked.inner_text())
    expect(page.get_by_text(".txt").first).to_be_visible()
    page.reload()  # the address holds the text and what was chosen
    expect(page.locator(".copied[aria-pressed=true]")).to_have_count(1)
    expect(page.locator(".talk mark").first).to_be_visible()
    page.get_by_label("characters at least").fill("200")
    expect(page.locator(".copied")).to_have_count(0)
    if not page.locator("table").count():  # the server measures once
        page.get_by_role("button", name="Measure it").click()
    expect(page.get_by_role("row", name="held-out text")).to_be_visible()


def test_a_written_text_is_taken_over(page: Any, address: str) -> None:
    page.goto(f"{address}/#write?text=The%20fox")
    page.get_by_text("What may come next").wait_for()
    page.get_by_role("link", name="Where from").last.click()
    expect(page.locator("#text")).to_have_value("The fox")
    expect(page.get_by_text("0 % of 7 characters are copied")).to_be_visible()


def test_a_model_without_its_training_text(browser: Any, language_model: LanguageModel, serve: Any) -> None:
    with serve(create_app(Subject("fox", language_model))) as address:
        page = browser.new_page()
        page.goto(f"{address}/#origins")
        expect(page.get_by_text("hornbook serve MODEL --data FOLDER")).to_be_visible()
        page.close()


def test_training(page: Any, address: str, run_folders: Path) -> None:
    page.goto(f"{address}/#training")
    page.get_by_text("step 40 of 40, training loss 1.").wait_for()
    expect(page.locator("svg.curves .level")).to_have_count(1)  # the bigram
    expect(page.get_by_role("img", name="Loss in nats per token: training")).to_be_visible()
    losses = page.get_by_role("group", name="Loss in nats per token")
    losses.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("output").first).to_contain_text("step 39: training 1.")
    expect(page.locator("output").first).to_contain_text("validation 2.250 (step 30)")
    losses.hover(position={"x": 60, "y": 100})
    expect(page.locator("output").first).to_contain_text("training 4.")
    expect(page.locator("ol.talk li").first).to_contain_text("Once upon a fox <b>number</b> 40")
    page.get_by_text("The numbers as a table").click()
    cells = page.locator("tbody tr").first.locator("td").all_inner_texts()
    assert (cells[0], cells[2:]) == ("40", ["1.250", "900", "0.100"])


def test_the_same_prompt_at_each_checkpoint(page: Any, address: str) -> None:
    page.goto(f"{address}/#training")
    page.get_by_text("step 0, before it learned anything").wait_for()
    assert page.input_value("#prompt") == "Once upon"
    page.get_by_role("button", name="Write").click()
    page.get_by_text("(tale, 0, seed 0)").wait_for()
    page.locator("#place").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.get_by_text("(tale, 20, seed 0)").wait_for()
    expect(page.locator("li[aria-current]")).to_contain_text("step 20")
    page.select_option("#beside", "other")
    page.fill("#seed", "3")
    page.get_by_role("button", name="From each").click()
    page.get_by_text("(other, 20, seed 3)").wait_for()
    page.get_by_text("(tale, 40, seed 3)").wait_for()
    assert "beside=other" in page.url
    page.reload()  # the address holds it all
    page.get_by_text("other training").first.wait_for()
    assert page.input_value("#seed") == "3"
    expect(page.locator("#place")).to_have_attribute("aria-valuetext", "step 20")


def test_curves_grow_while_it_trains(page: Any, address: str, run_folders: Path) -> None:
    metrics = run_folders / "other" / "metrics.jsonl"
    before = metrics.read_text()
    page.goto(f"{address}/#training?run=other&x=log")
    page.get_by_text("step 20 of 40").wait_for()
    record = '{"kind": "step", "step": 21, "loss": 2.5, "learning_rate": 0.1, "tokens": 8, "tokens_per_second": 901}\n'
    with open(metrics, "a") as file:
        file.write(record[:40])
        file.flush()
        page.wait_for_timeout(1500)
        assert page.get_by_text("step 20 of 40").is_visible()
        file.write(record[40:])
    page.get_by_text("step 21 of 40").wait_for()
    (run_folders / "other" / "new").write_text(before)
    (run_folders / "other" / "new").replace(metrics)  # as a resumed run does
    page.get_by_text("step 20 of 40").wait_for()


def test_a_run_without_a_model(browser: Any, run_folders: Path, serve: Any) -> None:
    with serve(create_training_app(Runs(run_folders, "tale"), "tale")) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_text("step 40 of 40").wait_for()
        page.get_by_text("There are no weights to write with").wait_for()
        page.get_by_role("link", name="Write").click()
        page.get_by_text("has no finished model yet").wait_for()
        page.get_by_role("link", name="See how it trains").click()
        page.get_by_text("step 40 of 40").wait_for()
        page.close()
