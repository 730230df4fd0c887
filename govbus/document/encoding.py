"""Text encodings of the wire formats: base64url without padding, UTC times in milliseconds.

Conventions of ``docs/specs``: base64 is base64url without padding (RFC 4648 section 5) with zero spare bits;
times are RFC 3339 in UTC with ``Z``.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

from govbus.errors import MetadataError

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001  # in UTC, as every time here
_MILLISECOND = timedelta(milliseconds=1)
TIME_MS_MIN = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
TIME_MS_MAX = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""RFC 3339 has years of four digits; an offset must not lead outside them."""


def base64url(octets: bytes) -> str:
    """Return the base64url text of the octets, without padding."""
    return binascii.b2a_base64(octets, newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Return the octets of a base64url text without padding.

    Raises:
        MetadataError: if the text has padding, foreign characters or spare bits that are not zero.
    """
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as err:
        raise MetadataError("expected base64url without padding") from err
    if base64url(octets) != text:
        raise MetadataError("expected base64url without padding and with zero spare bits")
    return octets


def time_text(time_ms: int) -> str:
    """Return RFC 3339 text in UTC with milliseconds, such as ``2026-11-23T20:45:00.123Z``."""
    return (_EPOCH_NAIVE + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds") + "Z"


def time_ms_from_text(text: str) -> int:
    """Return the milliseconds since 1970 of an RFC 3339 time with an offset.

    Raises:
        MetadataError: if the text is not such a time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        raise MetadataError(f"expected an RFC 3339 time, found {text[:40]!r}") from err
    if moment.tzinfo is None:
        raise MetadataError(f"expected an RFC 3339 time with an offset, found {text!r}")
    time_ms = (moment - _EPOCH) // _MILLISECOND
    if not TIME_MS_MIN <= time_ms <= TIME_MS_MAX:
        raise MetadataError(f"expected a time in the years 1 to 9999 of UTC, found {text!r}")
    return time_ms
