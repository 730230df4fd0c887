"""Registered message formats, read once and kept: says what is wrong with one, and judges documents by it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from govbus.document.finding import Breach
from govbus.routing.directory.model import NiemFormat
from govbus.routing.niem.places import RULES, messages_in

Judge = Callable[[bytes, str], Iterable[Breach]]
"""Returns what is wrong with a message, given its octets and where it stands."""

FORMATS_MAX: Final = 64
"""Formats kept ready; a compiled one takes up to some megabytes."""
_ready: OrderedDict[bytes, Judge | tuple[Breach, ...]] = OrderedDict()
"""By digest, the least recently used first."""
_reading = threading.Lock()
"""Held while `_ready` is looked into: a router judges documents of several partitions at once."""


def format_breaches(message_format: NiemFormat) -> list[Breach]:
    """Return what is wrong with a message format, for its registration; the field is relative to the format.

    The format's place is looked at by `govbus.routing.niem.places.place_breaches`, against the payload's schema.
    """
    ready = _read(message_format)
    return list(ready) if isinstance(ready, tuple) else []


def document_breaches(value: Mapping[str, Any], message_format: NiemFormat) -> Iterator[Breach]:
    """Yield what is wrong with the messages of a format in a document.

    Args:
        value: the decoded document, ``{"record": ..., "body": ...}``.
        message_format: as registered.
    """
    ready = _read(message_format)
    for found in messages_in(value, message_format):
        if isinstance(found, Breach):
            yield found
        elif isinstance(ready, tuple):
            yield Breach(
                RULES[message_format.syntax], found.place, "its registered message format cannot be used"
            )
        else:
            yield from ready(found.octets, found.place)


def _read(message_format: NiemFormat) -> Judge | tuple[Breach, ...]:
    """Return what judges messages of a format, or what is wrong with the format."""
    digest = _digest(message_format)
    with _reading:
        ready = _ready.get(digest)
        if ready is None:
            ready = _ready[digest] = _compiled(message_format)
            if len(_ready) > FORMATS_MAX:
                _ready.popitem(last=False)
        _ready.move_to_end(digest)
    return ready


def _digest(message_format: NiemFormat) -> bytes:
    """Return what names everything that a message is judged by."""
    hashed = hashlib.sha256()
    settings = [
        message_format.syntax,
        message_format.main,
        message_format.root,
        message_format.context_uri,
        sorted(message_format.context.items()),
    ]
    hashed.update(json.dumps(settings).encode("utf-8"))
    for name, content in sorted(message_format.schemas.items()):
        hashed.update(f"\n{name} {len(content)}\n".encode())
        hashed.update(content)
    return hashed.digest()


def _compiled(message_format: NiemFormat) -> Judge | tuple[Breach, ...]:
    """Read a format; the libraries are loaded here, so that a bus without NIEM payloads starts fast."""
    if message_format.syntax == "xml":
        from govbus.routing.niem.xml_message import xml_breaches  # noqa: PLC0415  # see above
        from govbus.routing.niem.xml_schema import compile_xml  # noqa: PLC0415  # see above

        xml = compile_xml(message_format)
        return tuple(xml) if isinstance(xml, list) else lambda octets, place: xml_breaches(octets, xml, place)
    from govbus.routing.niem.json_message import json_breaches  # noqa: PLC0415  # see above
    from govbus.routing.niem.json_schema import compile_json  # noqa: PLC0415  # see above

    model = compile_json(message_format)
    return (
        tuple(model) if isinstance(model, list) else lambda octets, place: json_breaches(octets, model, place)
    )
