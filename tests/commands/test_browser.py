"""`--open`: a browser where there is one, else a line that says where to go; never a server that waits for it."""

import sys
import threading
import time
import webbrowser

import pytest

from hornbook.commands._browser import SCREENS, open_in_browser

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser is given; it opens none."""
    found: list[str] = []

    def refuse(address: str) -> bool:
        found.append(address)
        return False

    monkeypatch.setattr(webbrowser, "open", refuse)
    return found


def test_without_a_screen_it_says_where_to_go(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)
    open_in_browser(ADDRESS)
    assert capsys.readouterr().err == f"no browser can be opened from here: go to {ADDRESS}\n"
    assert asked == []


def test_a_browser_that_does_not_open_is_said(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    open_in_browser(ADDRESS)
    said, until = "", time.monotonic() + 10
    while not said and time.monotonic() < until:
        said = capsys.readouterr().err
    assert said == f"no browser can be opened from here: go to {ADDRESS}\n"
    assert asked == [ADDRESS]


def test_nobody_waits_for_a_browser(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BROWSER", "some browser")
    opened, closed = threading.Event(), threading.Event()

    def browse(address: str) -> bool:
        opened.set()
        return closed.wait(10)

    monkeypatch.setattr(webbrowser, "open", browse)
    open_in_browser(ADDRESS)
    assert opened.wait(10)
    assert not closed.is_set()
    closed.set()
    assert capsys.readouterr().err == ""
