"""Opening a page in the user's browser, where there is one."""

import os
import sys
import threading
import webbrowser

from hornbook.commands.base import talk

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")  # one of them is set where a Linux desktop can open a window


def open_in_browser(address: str) -> None:
    """Open it and go on at once; where that can't be, say so. The server's socket must be listening already."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in SCREENS):
        _say_where(address)  # a browser for terminals would take this one over
        return
    threading.Thread(target=_open, args=(address,), daemon=True).start()


def _open(address: str) -> None:
    try:
        opened = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        _say_where(address)


def _say_where(address: str) -> None:
    talk(f"no browser can be opened from here: go to {address}")
