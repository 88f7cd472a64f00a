"""`hornbook replay`: a step that went wrong, computed once more and looked at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.commands._replay import Replay
    from hornbook.training.diagnosis import Reading
    from hornbook.training.probe import Extent

LAYERS = 40  # rows of the table; of more layers those around the first wrong one
ROWS = 4
ROUNDING = 1e-3  # what another order of the same sums may change


def replay(incident: Path, /, *, device: str = "auto", json: bool = False) -> None:
    """Compute a step that went wrong once more, from the weights and the batch that were kept, and show every layer.

    A run stops before an update whose loss or gradient is not finite, or far above all before. What it had then lies in
    RUN/incidents.

    Parameters
    ----------
    incident
        A folder in RUN/incidents, or a run folder for its newest incident.
    device
        auto (the one it happened on), cpu, cuda or mps.
    json
        Print one JSON object with all layers and rows.
    """
    from hornbook.training.incident import find_incident, load_incident

    folder = find_incident(incident)
    kept = load_incident(folder)

    from hornbook.commands._replay import replay_of
    from hornbook.commands.base import print_json

    found = replay_of(folder, kept, device)
    if json:
        print_json(found.as_json())
    else:
        _print(found)


def _print(found: "Replay") -> None:
    trouble, recorded, finding = found.incident.trouble, found.incident.finding, found.seen.finding
    _say(found.seen.sentence)
    if recorded and finding and recorded.layer != finding.layer:
        _say(f"when it happened: in {recorded.layer}, {recorded.how}")
    print()
    if trouble.usual:
        print(f"usual     {_pair(trouble.usual['loss'], trouble.usual['gradient_norm'])}")
    print(f"recorded  {_pair(trouble.loss, trouble.norm)}")
    print(f"replayed  {_pair(found.loss, found.norm)}")
    _say(_comparison(found), indent=10)
    print()
    _print_layers(found)
    _print_rows(found)
    print("\ngo on with")
    for command, meaning in found.ways.values():
        print(f"  {command}\n      {meaning}")


def _say(line: str, indent: int = 0) -> None:
    """A sentence, wrapped to the terminal."""
    import textwrap

    from hornbook.commands._show_terminal import console

    print(textwrap.fill(line, console().width, initial_indent=" " * indent, subsequent_indent=" " * indent))


def _pair(loss: float, norm: float) -> str:
    return f"loss {loss:.6g}, gradient norm {norm:.6g}"


def _comparison(found: "Replay") -> str:
    """Whether the replay is what was recorded."""
    if found.same:
        return "the same, to the last bit"
    trouble = found.incident.trouble
    pairs = [(found.loss, trouble.loss), (found.norm, trouble.norm)]
    if all(abs(now - before) <= ROUNDING * abs(before) for now, before in pairs):
        return (
            f"the same but for rounding: it happened on {_machine(found.incident.made)}, this is {_machine(found.made)}"
        )
    return "not the same" + (": all numbers are finite now" if found.vanished else "")


def _machine(made: dict[str, Any]) -> str:
    return f"{made['device']} with {made['threads']} threads and torch {made['torch']}"


def _print_layers(found: "Replay") -> None:
    readings, layer = found.examination.readings, found.seen.finding.layer if found.seen.finding else ""
    wrong = next((place for place, reading in enumerate(readings) if reading.layer.startswith(layer)), 0)
    first = max(0, min(wrong - LAYERS // 2, len(readings) - LAYERS))
    shown = readings[first : first + LAYERS]
    print(_columns(" ", "", "weights", "output", "not", "gradient", "not"))
    print(_columns(" ", "layer", "up to", "up to", "finite", "up to", "finite"))
    for reading in shown:
        print(_line(reading, reading.layer == layer))
    if len(shown) < len(readings):
        print(f"  … {first} layers before these, {len(readings) - first - len(shown)} after; --json has all")


def _line(reading: "Reading", marked: bool) -> str:
    weights, output, gradient = reading.weights, reading.output, reading.gradient
    size = "not finite" if weights.wrong else _largest(weights)
    shares = _share(output), _share(gradient)
    return _columns(
        ">" if marked else " ", reading.layer, size, _largest(output), shares[0], _largest(gradient), shares[1]
    )


def _columns(mark: str, layer: str, *numbers: str) -> str:
    """A line of the table, 79 columns; of a long name the end is kept."""
    name = layer if len(layer) <= 30 else "…" + layer[-29:]
    cells = "".join(f" {number:>{width}}" for number, width in zip(numbers, (10, 9, 7, 9, 7), strict=True))
    return f"{mark} {name:30}{cells}".rstrip()


def _largest(extent: "Extent") -> str:
    return f"{extent.largest:.3g}" if extent.count else "-"


def _share(extent: "Extent") -> str:
    if not extent.wrong:
        return ""
    share = 100 * extent.wrong / extent.count
    return "< 0.1 %" if share < 0.1 else f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def _print_rows(found: "Replay") -> None:
    from hornbook.commands._show_terminal import console, short

    microbatches = found.incident.microbatches
    cut = f" in {len(microbatches)} microbatches" if len(microbatches) > 1 else ""
    print(f"\nbatch: {len(found.rows)} rows{cut}, the worst first")
    for row in found.rows[:ROWS]:
        start = f"  row {row.place:<4} loss {row.loss:<8.3g} "
        said = row.text if row.text is not None else "tokens " + " ".join(map(str, row.tokens[:40]))
        print(start + short(said, max(20, console().width - len(start))))
