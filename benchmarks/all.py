"""Every row of docs/speed.md: `python benchmarks/all.py` measures all of them, `--only NAME` some (a row or a program).

Each program runs as a process of its own. Results are kept in docs/speed.json, so a row that is measured again leaves the
others as they were; the page says of each when and on what it was measured.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from page import write_page

HERE = Path(__file__).parent
KEPT, PAGE = HERE.parent / "docs" / "speed.json", HERE.parent / "docs" / "speed.md"
PROGRAMS = ("training", "decoding", "text", "prepare")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="rows or programs")
    parser.add_argument("--turns", type=int, help="how many rounds count, instead of each row's own number")
    parser.add_argument("--list", action="store_true", help="print the names")
    asked = parser.parse_args(argv)
    available = {name: row_names(name) for name in PROGRAMS if (HERE / f"{name}.py").exists()}
    if asked.list:
        print("\n".join(f"{program}: {', '.join(names)}" for program, names in available.items()))
        return
    names = {*available, *(row for rows in available.values() for row in rows)}
    if unknown := [name for name in asked.only if name not in names]:
        parser.error(f"no row or program '{unknown[0]}'; choose from {', '.join(sorted(names))}")
    sys.exit(run(available, asked.only, [] if asked.turns is None else ["--turns", str(asked.turns)]))


def row_names(program: str) -> list[str]:
    """The names of a program's rows."""
    return [row.name for row in import_module(program).rows()]


def run(available: dict[str, list[str]], only: Sequence[str], flags: Sequence[str]) -> int:
    """Measure, keep each result as it comes, write the page; out: how many programs failed."""
    begun, failed = time.perf_counter(), 0
    machine = output([sys.executable, str(HERE / "machine.py")])
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"machines": {}, "rows": {}}
    stamp = time.strftime("%Y-%m-%d %H:%M")
    kept["machines"][stamp] = json.loads(machine)
    for program, rows in available.items():
        chosen = [row for row in rows if row in only]
        if only and program not in only and not chosen:
            continue
        command = [
            sys.executable,
            str(HERE / f"{program}.py"),
            "--json",
            *flags,
            *(["--only", *chosen] if chosen else []),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
            assert process.stdout is not None
            for line in process.stdout:
                result = json.loads(line)
                kept["rows"][result["name"]] = {"program": program, "measured": stamp, **result}
                save(kept, available)
        failed += process.returncode != 0
    save(kept, available)
    print(f"{time.perf_counter() - begun:.0f} s; {PAGE}", file=sys.stderr)
    return failed


def output(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def save(kept: dict[str, Any], available: dict[str, list[str]]) -> None:
    """Keep the rows that still exist, in the programs' order, with the machines they were measured on, and write the page."""
    rows = {name: kept["rows"][name] for names in available.values() for name in names if name in kept["rows"]}
    stamps = {row["measured"] for row in rows.values()}
    content = {"machines": {stamp: kept["machines"][stamp] for stamp in sorted(stamps)}, "rows": rows}
    KEPT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(write_page(content["machines"], list(rows.values())), encoding="utf-8")


if __name__ == "__main__":
    main()
