"""Invents persons, enterprises, accounts and days from a seed: nobody in the demo's documents exists.

Identifiers have right check digits (ISO 7064), so that receivers that check them are not in the way; country and
issuer codes in them are ones that nobody has been given.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

_GIVEN: Final = (
    *("Ada", "Bo", "Cleo", "Dara", "Edda", "Finn", "Gus", "Hedda", "Ines", "Jory", "Kaia", "Leif", "Mira"),
    *("Nils", "Odile", "Piet", "Quinn", "Runa", "Sol", "Tove", "Ulla", "Vik", "Wren", "Yara", "Zeno"),
)
_BEGINNINGS: Final = ("Ald", "Bren", "Cor", "Dun", "Ever", "Fal", "Grim", "Hol", "Ister", "Kel", "Lor", "Mar")
_ENDINGS: Final = (
    "bury",
    "croft",
    "den",
    "ford",
    "gate",
    "holm",
    "ley",
    "mond",
    "rick",
    "stead",
    "tern",
    "wick",
)
_TOWNS: Final = ("Harbour City", "Millbrook", "Northgate", "Ferrypoint", "Eastmarsh", "Highfield")
_STREETS: Final = ("Lantern Street", "Ferry Road", "Quay", "Market Square", "Mill Lane", "Orchard Way")
_TRADES: Final = ("Ferries", "Roadworks", "Bakeries", "Surveyors", "Timber", "Optics", "Gardens", "Archives")
_COUNTRIES: Final = ("USA", "USA", "USA", "DNK", "PRT", "CAN")
_CURRENCY: Final = "USD"
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_T = TypeVar("_T")


class Inventor:
    """Invents one thing after another; the same seed and day invent the same things."""

    def __init__(self, seed: int, *, at_ms: int) -> None:
        """Begin.

        Args:
            seed: what everything follows from.
            at_ms: now, milliseconds since 1970; everything happened shortly before.
        """
        self._random = random.Random(seed)  # noqa: S311  # no secret depends on it
        self._now = datetime.fromtimestamp(at_ms // 1000, UTC)

    def choice(self, values: Sequence[_T]) -> _T:
        """Return one of some values."""
        return self._random.choice(values)

    def number(self, least: int, most: int) -> int:
        """Return a whole number, both ends included."""
        return self._random.randint(least, most)

    def is_so(self, percent: int) -> bool:
        """Return True so often."""
        return self._random.randrange(100) < percent

    def day(self, days: int) -> str:
        """Return the day that lies so many days ahead, or back where negative, such as ``2026-01-31``."""
        return (self._now.date() + timedelta(days=days)).isoformat()

    def moment(self, hours: int) -> str:
        """Return the moment that lies about so many hours ahead, or back where negative, as an RFC 3339 time."""
        moment = self._now + timedelta(hours=hours, seconds=self.number(-1800, 1800))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def birthday(self, age_least: int, age_most: int) -> str:
        """Return a day of birth for an age."""
        year = self._now.year - self.number(age_least, age_most)
        return date(year, self.number(1, 12), self.number(1, 28)).isoformat()

    def surname(self) -> str:
        """Return a family name."""
        return self.choice(_BEGINNINGS) + self.choice(_ENDINGS)

    def person_name(self, surname: str | None = None) -> dict[str, Any]:
        """Return the parts of a name."""
        given = self._random.sample(_GIVEN, self.number(1, 2))
        return {"given_names": given, "family_name": surname or self.surname(), "name_at_birth": None}

    def full_name(self) -> str:
        """Return a name in one text."""
        return f"{self.choice(_GIVEN)} {self.surname()}"

    def national_id(self) -> str:
        """Return a number of a person; its form is nobody's."""
        return f"N-{self.number(100_000, 999_999)}-{self.number(10, 99)}"

    def country(self) -> str:
        """Return a country, ISO 3166-1 with three letters."""
        return self.choice(_COUNTRIES)

    def town(self) -> str:
        """Return a town."""
        return self.choice(_TOWNS)

    def address(self) -> dict[str, Any]:
        """Return a postal address."""
        return {
            "lines": [f"{self.number(1, 200)} {self.choice(_STREETS)}"],
            "locality": self.town(),
            "postal_code": f"000{self.number(10, 99)}",
            "subdivision": "US-CA",
            "country": "USA",
        }

    def enterprise(self) -> str:
        """Return the name of an enterprise."""
        return f"{self.surname()} {self.choice(_TRADES)} LLC"

    def registration_number(self) -> str:
        """Return a number in the business register."""
        return f"BR-{self.number(100_000, 999_999)}"

    def lei(self) -> str:
        """Return a legal entity identifier (ISO 17442)."""
        stem = f"0000EXAMPLE{self.number(0, 9_999_999):07d}"
        return stem + _check_digits(stem)

    def iban(self) -> str:
        """Return an account number (ISO 13616) of country XX, which is nobody's."""
        account = f"EXAMPLE{self.number(0, 9_999_999_999):010d}"
        return f"XX{_check_digits(account + 'XX')}{account}"

    def creditor_reference(self, text: str) -> str:
        """Return a structured creditor reference (ISO 11649)."""
        stem = "".join(character for character in text.upper() if character in _ALPHABET)[:21]
        return f"RF{_check_digits(stem + 'RF')}{stem}"

    def amount(self, least: int, most: int) -> str:
        """Return an amount of whole units and cents."""
        return f"{self.number(least, most)}.{self.number(0, 99):02d}"

    def money(self, least: int, most: int) -> dict[str, str]:
        """Return an amount with its currency."""
        return {"amount": self.amount(least, most), "currency": _CURRENCY}


def _check_digits(text: str) -> str:
    """Return the check digits of ISO 7064, MOD 97-10, with letters as two digits each."""
    digits = "".join(str(_ALPHABET.index(character)) for character in text + "00")
    return f"{98 - int(digits) % 97:02d}"
