"""What is asked of the catalogue. Words come from anybody, so none of them ever reaches SQLite as query syntax."""

from __future__ import annotations

from typing import Final, NamedTuple

from govbus.errors import ConfigError
from govbus.service.catalogue.items import Kind

WORDS_MAX: Final = 32
WORD_CHARACTERS_MAX: Final = 100
RESULTS_MAX: Final = 1_000
RESULTS_DEFAULT: Final = 20


class Query(NamedTuple):
    """Words and limits; everything that is given must hold."""

    words: str = ""
    """Each is looked for as the beginning of a word, wherever it stands."""
    kinds: tuple[Kind, ...] = ()
    """None means all."""
    agency: str | None = None
    topic: str | None = None
    """``<taxonomy>/<topic>``, or the id of a topic alone; what stands under a narrower topic is found too."""
    classification: str | None = None
    access_level: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    """Time that what is found is about: it overlaps with this, milliseconds since 1970."""
    results_max: int = RESULTS_DEFAULT


def match_expression(words: str) -> str | None:
    """Return words as an FTS5 expression: each quoted as a text and open at its end; None where there are none.

    Raises:
        ConfigError: if there are too many, or only characters that no word is made of.
    """
    found = plain(words).split()
    if not found:
        return None
    usable = [word[:WORD_CHARACTERS_MAX] for word in found if any(one.isalnum() for one in word)]
    if len(usable) > WORDS_MAX:
        raise ConfigError(f"at most {WORDS_MAX} words are looked for at once, found {len(usable)}")
    if not usable:
        raise ConfigError("these words have no letter and no digit", remedy="search for words or numbers")
    return " ".join('"' + word.replace('"', '""') + '"*' for word in usable)


def plain(text: str) -> str:
    """Return a text without what SQLite cannot take: control characters and lone surrogates."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return shown.encode("utf-8", "ignore").decode("utf-8")
