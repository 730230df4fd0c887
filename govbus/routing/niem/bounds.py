"""What one NIEM message may hold at most, so that no message takes unbounded time or memory."""

from __future__ import annotations

from typing import Final

from govbus.document.record import VALUE_BYTES_MAX

MESSAGE_BYTES_MAX: Final = VALUE_BYTES_MAX
"""A message is a part of a document's value, so it cannot well be greater."""
DEPTH_MAX: Final = 100
"""Elements inside elements, or objects and arrays inside each other; NIEM messages are some twenty deep."""
ELEMENTS_MAX: Final = 20_000
"""Elements of an XML message. The library works out the place of every mistake by counting the elements before it, so
that a message with nothing but mistakes takes time in proportion to the square of this: some three seconds."""
VALUES_MAX: Final = 50_000
"""Values of a JSON message; the JSON-LD processor takes some seconds for as many."""
NAME_CHARACTERS_MAX: Final = 256
"""Of a name in a JSON object. The validator matches names against patterns in places of its own, so that the names
themselves are short enough for a pattern that takes quadratic time."""
ATTRIBUTES_MAX: Final = 200
"""Attributes of one element, or namespaces declared in one message."""
BREACHES_MAX: Final = 10
"""Breaches reported of one message; the sender mends these and sees the rest next time."""
PATH_CHARACTERS_MAX: Final = 200
"""Of the place inside a message that a finding names; the end of a longer one is kept."""


def shortened(path: str) -> str:
    """Return a path inside a message, cut at the front where it is long."""
    return path if len(path) <= PATH_CHARACTERS_MAX else "…" + path[1 - PATH_CHARACTERS_MAX :]
