"""What documents of one kind have in common in their headers, known once instead of for every document.

Most headers of a document stand in thousands of others just the same: type, schema, agreement, classification. What
was found out about that part (whether its texts are good, which lines it gives to the header hash) is a fact about
those bytes alone, so it is kept with them.
"""

from __future__ import annotations

from typing import Final

DOCUMENT_HEADERS: Final = frozenset(
    {
        "ce_id",
        "ce_time",
        "ce_subject",
        "ce_recordedtime",
        "ce_expirytime",
        "ce_correlationid",
        "ce_causationid",
        "ce_sequence",
        "ce_partitionkey",
    }
)
"""Headers that differ from document to document; all others are shared by the documents of one kind."""
KINDS_MAX: Final = 4096
"""Kinds remembered; each takes about two kilobytes."""
LAYOUTS_MAX: Final = 16
"""Orders of a document's own headers remembered for one kind; a sender has one or two."""
KIND_BYTES_MAX: Final = 4096
"""Names and values of a kind that is remembered; larger ones are rare, and made again each time."""

Layout = tuple[bytes, tuple[tuple[str, bytes], ...]]
"""Lines before the first of a document's own headers; each of those with the lines that follow it."""


class HeaderKind:
    """The headers that documents of one kind share, in the order in which they stand, and what is known of them."""

    __slots__ = ("are_texts_good", "is_complete", "is_remembered", "layouts", "pairs")

    def __init__(self, pairs: tuple[tuple[str, bytes], ...]) -> None:
        self.pairs = pairs
        self.is_remembered = sum(len(name) + len(value) for name, value in pairs) <= KIND_BYTES_MAX
        """Whether other documents come to this very object, so that something may be kept under it."""
        self.are_texts_good = False
        """Whether every value was found to be a text that a header may have (rules CE-2, CE-6)."""
        self.is_complete = False
        """Whether every required attribute that documents share was found in it (rule CE-1)."""
        self.layouts: dict[tuple[str, ...], Layout] = {}
        """Lines of the header hash, by the document's own headers in their order."""


_kinds: dict[tuple[tuple[str, bytes], ...], HeaderKind] = {}


def kind_of(signed: dict[str, bytes]) -> HeaderKind:
    """Return the kind of a document's signed headers: the same object for the same shared part, while it is remembered.

    Args:
        signed: every ``ce_*`` header and ``content-type``, name to value.
    """
    pairs = tuple([pair for pair in signed.items() if pair[0] not in DOCUMENT_HEADERS])
    kind = _kinds.get(pairs)
    if kind is None:
        kind = HeaderKind(pairs)
        if kind.is_remembered:
            if len(_kinds) >= KINDS_MAX:
                _kinds.clear()
            kind = _kinds.setdefault(pairs, kind)
    return kind
