"""Identifiers of agencies in schemes of others: their forms, their lists, and one URN for all of them.

A govbus agency id stands for itself. What an agency is called elsewhere (``external_ids`` of its entry) is checked
here when it is registered, each scheme by its own rules; no list of one scheme is ever taken for another's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from govbus.document.finding import Breach, Severity
from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists

RULE: Final = "ID-1"
VALUE_CHARACTERS_MAX: Final = 255
URN_PREFIX: Final = "urn:govbus:org:"

_OMB = re.compile(r"[0-9]{3}:[0-9]{2}", re.ASCII)
_CGAC = re.compile(r"[0-9]{3}", re.ASCII)
_ISO6523 = re.compile(r"(?:iso6523-actorid-upis::)?([0-9]{4})::?([A-Za-z0-9._~:-]{1,135})", re.ASCII)
_XROAD_PART = re.compile(r"[A-Za-z0-9'()+,.=?-]+", re.ASCII)
"""The charset that X-Road's StrictIdentifierValidator allows."""
_XROAD_PARTS = (3, 4)
_LEI = re.compile(r"[0-9A-Z]{18}[0-9]{2}", re.ASCII)
_UEI = re.compile(r"[1-9A-HJ-NP-Z][0-9A-HJ-NP-Z]{11}", re.ASCII)
_SCHEME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_URN_SAFE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/-]", re.ASCII)
"""Characters of a URN's namespace-specific string that need no escape (RFC 8141 section 2)."""
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)


class ParticipantUrn(NamedTuple):
    """``urn:govbus:org:<scheme>:<value>``: an agency by an identifier of any scheme, in one text."""

    scheme: str
    """Such as ``us-omb``."""
    value: str
    """Such as ``015:45``."""

    @classmethod
    def from_text(cls, text: str) -> ParticipantUrn:
        """Parse a URN (RFC 8141: the part before the scheme is the same in capitals).

        Raises:
            MetadataError: if it is no such URN.
        """
        prefix, rest = text[: len(URN_PREFIX)], text[len(URN_PREFIX) :]
        scheme, colon, escaped = rest.partition(":")
        if prefix.lower() != URN_PREFIX or not colon or not escaped or _SCHEME.fullmatch(scheme) is None:
            raise MetadataError(f"expected {URN_PREFIX}<scheme>:<value>", rule=RULE)
        if len(escaped) > 3 * VALUE_CHARACTERS_MAX or any(
            _URN_SAFE.fullmatch(character) is None for character in _ESCAPED.sub("", escaped)
        ):
            raise MetadataError("expected a value of characters that a URN may have", rule=RULE)
        try:
            value = (
                _ESCAPED.sub(lambda match: chr(int(match[1], 16)), escaped).encode("latin-1").decode("utf-8")
            )
        except UnicodeDecodeError as err:
            raise MetadataError("expected escapes that are UTF-8", rule=RULE) from err
        return cls(scheme, value)

    def __str__(self) -> str:
        escaped = "".join(
            chr(octet) if _URN_SAFE.fullmatch(chr(octet)) else f"%{octet:02X}"
            for octet in self.value.encode("utf-8")
        )
        return f"{URN_PREFIX}{self.scheme}:{escaped}"


def external_id_breaches(scheme: str, value: str, codes: CodeLists, at_ms: int) -> Iterator[Breach]:
    """Yield what is wrong with an agency's identifier in another scheme (rule ID-1).

    Args:
        scheme: one of `SCHEMES`.
        value: the identifier.
        codes: lists that the bus goes by.
        at_ms: time that the lists have to be in force at.
    """
    place = f"external_ids.{scheme}"
    check = SCHEMES.get(scheme)
    if check is None:
        yield Breach(RULE, place, f"this scheme is unknown, expected one of {', '.join(SCHEMES)}")
    elif not 0 < len(value) <= VALUE_CHARACTERS_MAX:
        yield Breach(RULE, place, f"expected 1 to {VALUE_CHARACTERS_MAX} characters")
    else:
        yield from check(place, value, codes, at_ms)


def _omb(place: str, value: str, codes: CodeLists, at_ms: int) -> Iterator[Breach]:
    if _OMB.fullmatch(value) is None:
        yield Breach(RULE, place, "expected agency and bureau as NNN:NN, such as 015:45")
    elif value not in codes.codes("omb-bureaus", at_ms):
        yield Breach(RULE, place, f"{value} is not in list omb-bureaus", Severity.WARN)


def _cgac(place: str, value: str, _codes: CodeLists, _at_ms: int) -> Iterator[Breach]:
    if _CGAC.fullmatch(value) is None:
        yield Breach(RULE, place, "expected the three digits of a CGAC agency code; n/a is none")


def _iso6523(place: str, value: str, codes: CodeLists, at_ms: int) -> Iterator[Breach]:
    match = _ISO6523.fullmatch(value)
    if match is None:
        yield Breach(RULE, place, "expected designator and identifier as NNNN:identifier")
    elif match[1].startswith("9"):
        detail = f"{match[1]} is a code of Peppol's own, not an ISO 6523 designator"
        yield Breach(RULE, place, detail)
    elif match[1] not in codes.codes("iso6523-icd", at_ms):
        yield Breach(RULE, place, f"designator {match[1]} is not in list iso6523-icd", Severity.WARN)


def _xroad(place: str, value: str, _codes: CodeLists, _at_ms: int) -> Iterator[Breach]:
    parts = value.split("/")
    if len(parts) not in _XROAD_PARTS or any(_XROAD_PART.fullmatch(part) is None for part in parts):
        yield Breach(
            RULE,
            place,
            "expected INSTANCE/CLASS/MEMBER or INSTANCE/CLASS/MEMBER/SUBSYSTEM in X-Road's characters",
        )


def _lei(place: str, value: str, _codes: CodeLists, _at_ms: int) -> Iterator[Breach]:
    """Check the form of ISO 17442 and its check digits (ISO/IEC 7064, MOD 97-10)."""
    if _LEI.fullmatch(value) is None:
        yield Breach(RULE, place, "expected the 20 capital letters and digits of a legal entity identifier")
    elif int("".join(str(int(character, 36)) for character in value)) % 97 != 1:
        yield Breach(RULE, place, "the check digits of the legal entity identifier do not fit")


def _uei(place: str, value: str, _codes: CodeLists, _at_ms: int) -> Iterator[Breach]:
    if _UEI.fullmatch(value) is None:
        yield Breach(
            RULE,
            place,
            "expected the 12 capital letters and digits of a unique entity id: no I or O, no leading 0",
        )


SCHEMES: Final[dict[str, Callable[[str, str, CodeLists, int], Iterator[Breach]]]] = {
    "us-omb": _omb,
    "us-cgac": _cgac,
    "iso6523": _iso6523,
    "xroad": _xroad,
    "lei": _lei,
    "uei": _uei,
}
"""What checks an identifier, by scheme."""
