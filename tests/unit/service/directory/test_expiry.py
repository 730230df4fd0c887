"""A directory that expires is spoken of in time, every day, and never silently over."""

from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from govbus import telemetry
from govbus.service.directory.expiry import DAY_MS, HOUR_MS, ExpiryAlarm

AT_MS = 1_795_466_700_000


@dataclass
class Version:
    """As much of a directory as the alarm looks at."""

    expires_ms: int
    version: int = 1


def said(alarm, left_ms, version=1, at_ms=AT_MS):
    """Returns the levels of what is logged when so much is left."""
    with capture_logs() as logs:
        alarm.look(Version(at_ms + left_ms, version), at_ms)
    return [one["log_level"] for one in logs]


@pytest.mark.parametrize(
    ("left_ms", "levels"),
    [
        (31 * DAY_MS, []),
        (30 * DAY_MS, []),
        (30 * DAY_MS - 1, ["warning"]),
        (14 * DAY_MS, ["warning"]),
        (7 * DAY_MS, ["warning"]),
        (7 * DAY_MS - 1, ["error"]),
        (DAY_MS, ["error"]),
        (0, ["error"]),
        (-DAY_MS, ["error"]),
    ],
)
def test_how_loud(left_ms, levels):
    """From 30 days before it warns, from 7 days before it is an error, and stays one."""
    assert levels == said(ExpiryAlarm(), left_ms)


def days_said(alarm, first_days, count, step_ms):
    """Returns how often something is logged, looking every ten minutes through so many steps."""
    expires_ms = AT_MS + first_days * DAY_MS
    with capture_logs() as logs:
        for minute in range(0, count * step_ms // 60_000, 10):
            alarm.look(Version(expires_ms), AT_MS + minute * 60_000)
    return len(logs)


def test_how_often():
    """A process that runs on says it once a day, and once an hour on the last day."""
    assert 10 == days_said(ExpiryAlarm(), 20, 10, DAY_MS)
    assert 24 == days_said(ExpiryAlarm(), 1, 24, HOUR_MS)


def test_new_version():
    """A new version is spoken of at once if it expires soon as well, and not at all otherwise."""
    alarm = ExpiryAlarm()
    assert ["warning"] == said(alarm, 10 * DAY_MS)
    assert [] == said(alarm, 10 * DAY_MS)
    assert ["warning"] == said(alarm, 20 * DAY_MS, version=2)
    assert [] == said(alarm, 365 * DAY_MS, version=3)


def test_metric():
    """The metric counts down, and below zero."""
    alarm = ExpiryAlarm()
    said(alarm, 90_000)
    assert 90 == telemetry.METRICS.get_sample_value("govbus_directory_expires_seconds")
    said(alarm, -90_000)
    assert -90 == telemetry.METRICS.get_sample_value("govbus_directory_expires_seconds")
