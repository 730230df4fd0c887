"""Normal forms of exclusive identifiers, so that equal ones compare equal however an agency writes them."""

from __future__ import annotations

import unicodedata

from govbus.registry.record import Identifier

NATIONAL_ID = "national-id"
NATIONAL_ID_LENGTH_MIN = 4
NATIONAL_ID_LENGTH_MAX = 64

_SEPARATORS = str.maketrans("", "", " \t\u00a0-\u2010\u2011./")


def national_id(text: str | None) -> Identifier | None:
    """Return the normal form of a national id, or None where the text identifies nobody.

    Compatibility forms are folded (NFKC), separators dropped, letters made capital; leading zeros count. What is
    too short, too long, has other signs than letters and digits, or repeats a single sign (``0000000``, ``9999999``:
    what people type for "unknown") identifies nobody.
    """
    if not text or len(text) > NATIONAL_ID_LENGTH_MAX:
        return None
    value = unicodedata.normalize("NFKC", text).translate(_SEPARATORS).upper()
    if not NATIONAL_ID_LENGTH_MIN <= len(value) <= NATIONAL_ID_LENGTH_MAX or not value.isalnum():
        return None
    return None if len(set(value)) == 1 else Identifier(NATIONAL_ID, value)
