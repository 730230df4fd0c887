"""Identifiers of agencies, origins and documents, parsed once at the edge.

Vocabulary: an *agency* takes part in exchange; an *origin* is one outbox of one agency, the single writer of a
dense sequence of documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from govbus.errors import MetadataError

AGENCY_ID_LENGTH_MAX = 100
OUTBOX_LENGTH_MAX = 60
DOCUMENT_ID_LENGTH_MAX = 200

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_AGENCY = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_OUTBOX = re.compile(_LABEL, re.ASCII)
_PACKAGE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


def _require(text: str, pattern: re.Pattern[str], length_max: int, what: str) -> str:
    if len(text) > length_max:
        raise MetadataError(f"{what} is {len(text)} characters long, at most {length_max} are allowed")
    if pattern.fullmatch(text) is None:
        raise MetadataError(f"{what} must be dotted lower-case labels of a-z, 0-9 and -, found {text!r}")
    return text


@dataclass(frozen=True, slots=True, order=True)
class AgencyId:
    """A participating organisation, such as ``tax.example``."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> AgencyId:
        """Parse an agency id.

        Raises:
            MetadataError: if the text is not dotted lower-case labels or is over 100 characters.
        """
        return cls(_require(text, _AGENCY, AGENCY_ID_LENGTH_MAX, "agency id"))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class PackageId:
    """An exchange package (FEA DRM, *Data Sharing*), such as ``civil.person``."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> PackageId:
        """Parse a package id.

        Raises:
            MetadataError: if the text is not dotted lower-case labels or is over 100 characters.
        """
        return cls(_require(text, _PACKAGE, AGENCY_ID_LENGTH_MAX, "package id"))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """One outbox of one agency: a single writer whose documents carry a dense index from 0."""

    agency: AgencyId
    outbox: str
    text: str = field(init=False, repr=False, compare=False)
    """``<agency id>/<outbox>``, made once: every document's origin is looked up and written several times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.agency.text}/{self.outbox}")

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def from_text(cls, text: str) -> Origin:
        """Parse ``<agency id>/<outbox>``, such as ``tax.example/main``.

        Raises:
            MetadataError: if either part breaks its grammar.
        """
        agency, slash, outbox = text.partition("/")
        if not slash:
            raise MetadataError(f"origin must be <agency id>/<outbox>, found {text[:80]!r}")
        return cls(AgencyId.from_text(agency), _require(outbox, _OUTBOX, OUTBOX_LENGTH_MAX, "outbox"))

    @property
    def source_uri(self) -> str:
        """The CloudEvents ``source`` of every document of this origin."""
        return f"https://{self.text}"

    def __str__(self) -> str:
        return self.text
