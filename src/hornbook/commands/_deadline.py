"""`--minutes 30`, `--until 07:00`: when a run is to be over."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError

if TYPE_CHECKING:
    from hornbook.training.deadline import Deadline

FORMS = ("07:00", "2026-12-24 07:00")


def deadline_of(minutes: float | None, until: str | None) -> "Deadline | None":
    """The deadline of a run that begins now. Errors: `UserError` for a time that can't be read or is over, or for both."""
    from hornbook.training.deadline import Deadline

    now = datetime.now()
    if minutes is not None and until is not None:
        raise UserError("--minutes and --until are two ways to say one thing", hint="leave one of them out")
    if minutes is not None:
        if not 0 < minutes < float("inf"):  # so that nan is refused too
            raise UserError(f"minutes must be a number above 0, not '{minutes}'")
        return Deadline((now + timedelta(minutes=minutes)).timestamp())
    return Deadline(time_of(until, now).timestamp()) if until is not None else None


def time_of(text: str, now: datetime) -> datetime:
    """'07:00' -> the next seven o'clock; '2026-12-24 07:00' -> itself. Errors: `UserError` for other forms, or the past."""
    try:
        if len(text) <= len("07:00"):
            clock = datetime.strptime(text, "%H:%M").time()
            today = datetime.combine(now.date(), clock)
            return today if today > now else today + timedelta(days=1)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"'{text}' is no time of day", hint=f"write {' or '.join(map(repr, FORMS))}") from None
    moment = moment.astimezone().replace(tzinfo=None) if moment.tzinfo else moment
    if moment <= now:
        raise UserError(f"'{text}' is over", hint=f"it is {now:%Y-%m-%d %H:%M} now")
    return moment


def deadline_left(plans: list[dict[str, Any]]) -> "Deadline | None":
    """The deadline that a stopped run had, if there is time left until it."""
    import time

    from hornbook.commands.base import talk
    from hornbook.training.deadline import Deadline

    until = next((plan["until"] for plan in reversed(plans) if "until" in plan), None)
    if until is None:
        return None
    if until <= time.time():
        talk(
            f"its deadline, {datetime.fromtimestamp(until):%Y-%m-%d %H:%M}, is over: going on with the steps as planned"
        )
        return None
    return Deadline(until)
