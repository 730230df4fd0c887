"""ISO 8601 intervals as the two versions of DCAT-US write them; what is no date is left out rather than passed on."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta
from typing import Any, Final

_DURATION = re.compile(r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", re.ASCII)
_TIMED_DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?", re.ASCII)
_DAY_LENGTH: Final = len("2026-01-31")
_COLONS_OF_TIME: Final = 2
"""Between hours, minutes and seconds; an offset has one more."""


def interval_of(interval: str) -> str | None:
    """Return ``<start>/<end>`` as DCAT-US 1.1 has it, None where it cannot.

    The official pattern takes a time of day at the end only where the start has one too, so that an end is a day
    where the start is one.
    """
    start, _, end = interval.partition("/")
    first = _dated(start)
    if end.startswith("P"):
        last = end if _TIMED_DURATION.fullmatch(end) else None
    else:
        last = _dated(end)
        if first is not None and last is not None and "T" not in first:
            last = last[:_DAY_LENGTH]
    return f"{first}/{last}" if first is not None and last is not None else None


def period_of(interval: str) -> dict[str, Any] | None:
    """Return a PeriodOfTime of DCAT-US 3.0, None where neither end is a date.

    A duration is added to a start that is a whole day; where it cannot be, the period has no end rather than a wrong
    one.
    """
    start, _, end = interval.partition("/")
    last = _after(start, end) if end.startswith("P") else _dated(end)
    dates = {"startDate": _dated(start), "endDate": last}
    known = {name: value for name, value in dates.items() if value is not None}
    return {"@type": "PeriodOfTime"} | known if known else None


def _dated(text: str) -> str | None:
    """Return a year, a month or an RFC 3339 time as it is, of another time its day; None where it is no date."""
    day = text[:_DAY_LENGTH]
    try:
        date.fromisoformat(day + "2000-01-01"[len(day) :])
    except ValueError:
        return None
    if len(text) <= _DAY_LENGTH:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return day
    is_whole = moment.tzinfo is not None and text[:19].count(":") == _COLONS_OF_TIME
    return text if is_whole else day


def _after(start: str, duration: str) -> str | None:
    match = _DURATION.fullmatch(duration)
    if match is None or len(start) != _DAY_LENGTH:
        return None
    years, months, weeks, days = (int(number or 0) for number in match.groups())
    try:
        first = date.fromisoformat(start)
        month = first.month - 1 + 12 * years + months
        year, month = first.year + month // 12, month % 12 + 1
        day = min(first.day, calendar.monthrange(year, month)[1])
        return (date(year, month, day) + timedelta(days=7 * weeks + days)).isoformat()
    except (ValueError, OverflowError):
        return None
