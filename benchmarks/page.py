"""What the benchmarks found, as markdown: the table of a program, and the whole of docs/speed.md."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import groupby
from typing import Any

Result = dict[str, Any]

HEAD = """# Speed

Written by `python benchmarks/all.py`, which measures every row anew; `python benchmarks/all.py --only NAME` measures one
(a row's name stands in brackets), `python benchmarks/NAME.py` a section. In a row all contestants do the same work in
turns, every second round backwards, so that a machine whose speed drifts slows all alike. Figures are medians over the
rounds. "Times better" is the median of the ratios of each round (of seconds, theirs over ours), with the least and the
most; where these lie further apart than 30 % of the median the row says so and should be measured again.
"""


def write_page(machines: Mapping[str, Any], results: Sequence[Result]) -> str:
    """docs/speed.md: the machines, then a section for each program; rows of another day than most have it said."""
    counts = Counter(found["measured"] for found in results)
    usual = max(machines, key=lambda stamp: (counts[stamp], stamp), default="")
    parts = [HEAD]
    for stamp in sorted(machines, reverse=True):
        parts.append(machine_lines(stamp, machines[stamp], sum(found["measured"] == stamp for found in results)))
    for program, group in groupby(results, lambda found: found["program"]):
        rows = list(group)
        title = (import_module(program).__doc__ or program).splitlines()[0].split(": `")[0].rstrip(".")
        others = [f"- {row['name']}: measured {row['measured']}" for row in rows if row["measured"] != usual]
        lines = [
            f"## {title}",
            "",
            f"`python benchmarks/{program}.py`",
            "",
            table(rows),
            *bullets(remarks(rows) + others),
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def bullets(lines: Sequence[str]) -> list[str]:
    """The lines behind an empty one, or nothing."""
    return ["", *lines] if lines else []


def machine_lines(stamp: str, machine: Mapping[str, Any], count: int) -> str:
    """A table of one machine and the day."""
    rates = f"fp32 {number(machine['fp32_gflops'])}, bf16 {number(machine['bf16_gflops'])} GFLOP/s"
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
    cells = {
        f"measured {stamp}": f"{count} rows" if count != 1 else "1 row",
        "processor": f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads used by torch",
        "matrix and vector units": ", ".join(machine["units"]) or "unknown",
        "matrix product, measured": rates,
        "memory": f"{machine['memory_gb']} GB, read at {machine['read_gb_per_second']} GB/s, measured",
        "GPU": machine["gpu"] or "none",
        "system": machine["system"],
        "packages": versions,
    }
    (first, count_cell), *more = cells.items()
    return "\n".join([f"| {first} | {count_cell} |", "|---|---|", *(f"| {name} | {cell} |" for name, cell in more), ""])


def table(results: Sequence[Result]) -> str:
    """A markdown table: each row, each of its peers on a line, ours beside it."""
    lines = [
        "| work | unit | ours | aim | peer | peer's | times better (least to most) |",
        "|---|---|---|---|---|---|---|",
    ]
    for found in results:
        (ours, own), *peers = found["figures"].items()
        sign = "<=" if found["smaller_is_better"] else ">="
        aim = "" if found["aim"] is None else f"{sign} {number(found['aim'])}"
        first = f"| {found['work']} [{found['name']}] | {found['unit']} | {ours} {number(own['median'])} | {aim} "
        for name, figure in peers:
            ratio = found["ratios"][name]
            wide = " (wide: measure again)" if name in found["wide"] else ""
            least, most = number(ratio["least"]), number(ratio["most"])
            cell = f"{number(ratio['median'])} ({least} to {most}){wide}"
            lines.append(f"{first}| {name} | {number(figure['median'])} | {cell} |")
            first = "| | | | "
        if not peers:
            lines.append(f"{first}| | | |")
    return "\n".join(lines)


def remarks(results: Sequence[Result]) -> list[str]:
    """What else a page should say of each row: what was found beside the figures, and who was left out and why."""
    lines = []
    for found in results:
        lines += [f"- {found['name']}: {name}: {value}" for name, value in found["facts"].items()]
        lines += [f"- {found['name']}: left out: {name}: {why}" for name, why in found["missing"].items()]
    return lines


def number(value: float) -> str:
    """Three digits at least, none after the point that nobody needs: 0.1234 -> 0.123, 5.678 -> 5.68, 1234.5 -> 1,234."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
