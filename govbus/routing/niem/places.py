"""Finds the NIEM messages in a document's value: bytes, strings and attachments at a registered place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from govbus.document.finding import Breach
from govbus.routing.directory.model import NiemFormat
from govbus.schemas.walk import NAMED_KINDS, parts

RULES = {"xml": "NDR-12", "json": "NDR-13"}
"""The rule that messages of a syntax are judged by."""


class Found(NamedTuple):
    """A message in a document."""

    place: str
    """Such as ``body.message`` or ``body.attachments.0.content``."""
    octets: bytes


def messages_in(value: Mapping[str, Any], message_format: NiemFormat) -> Iterator[Found | Breach]:
    """Yield the messages of a format in a document, and a breach where something else stands in their place.

    Args:
        value: the decoded document, ``{"record": ..., "body": ...}``.
        message_format: says where they stand, and of which media type attachments are.
    """
    pending: list[tuple[str, Any, tuple[str, ...]]] = [("", value, tuple(message_format.place.split(".")))]
    while pending:
        place, part, steps = pending.pop()
        match part:
            case None:
                pass
            case list():
                pending += [(f"{place}.{number}", one, steps) for number, one in reversed([*enumerate(part)])]
            case {"name": str(), "media_type": str(media_type), "content": bytes(content)} if not steps:
                if _is_wanted(media_type, message_format.media_type):
                    yield Found(f"{place}.content", content)
            case dict() if steps and steps[0] in part:
                step = steps[0]
                pending.append((f"{place}.{step}" if place else step, part[step], steps[1:]))
            case dict() if not steps:
                pending += [(f"{place}.*", one, ()) for one in part.values()]
            case bytes() if not steps:
                yield Found(place, part)
            case str() if not steps:
                yield Found(place, part.encode("utf-8", "surrogatepass"))
            case _:
                yield Breach(
                    RULES[message_format.syntax], message_format.place, f"expected a {_words(message_format)}"
                )


def _words(message_format: NiemFormat) -> str:
    return f"NIEM message in {message_format.syntax.upper()} as bytes, string or attachment"


def _is_wanted(media_type: str, wanted: str | None) -> bool:
    """Return whether an attachment is a message of the format; parameters and case do not tell."""
    return (
        wanted is None
        or media_type.partition(";")[0].strip().lower() == wanted.partition(";")[0].strip().lower()
    )


def place_breaches(message_format: NiemFormat, definition: Any) -> Iterator[Breach]:
    """Yield a breach if no value of a payload schema can hold a message at the format's place.

    Args:
        message_format: as registered.
        definition: the payload's schema as JSON values.
    """
    named = {
        str(part.node.get("name")).rpartition(".")[2]: part.node
        for part in parts(definition)
        if part.kind in NAMED_KINDS
    }
    steps = message_format.place.split(".")
    if steps[0] != "body" or not _holds(definition, steps[1:], named):
        expected = (
            "expected the path of a field of bytes, string or govbus.core.Attachment, or several of them"
        )
        yield Breach(RULES[message_format.syntax], "place", expected)


def _holds(node: Any, steps: list[str], named: Mapping[str, Any]) -> bool:
    """Return whether a value of a schema can hold a message after some steps; every record takes a step."""
    match node:
        case list():
            return any(_holds(one, steps, named) for one in node)
        case "bytes" | "string":
            return not steps
        case str():
            following = named.get(node.rpartition(".")[2])
            return following is not None and _holds(following, steps, named)
        case {"type": "record", "fields": list(fields)}:
            if not steps:
                return {field.get("name") for field in fields} == {"name", "media_type", "content"}
            return any(
                field.get("name") == steps[0] and _holds(field.get("type"), steps[1:], named)
                for field in fields
            )
        case {"type": "array", "items": items}:
            return _holds(items, steps, named)
        case {"type": "map", "values": values}:
            return not steps and _holds(values, steps, named)
        case {"type": inner}:
            return _holds(inner, steps, named)
        case _:
            return False
