"""Renewal: earlier evidence is stamped again before the certificates under it expire (the idea of RFC 4998).

A renewal statement lists files, each with SHA-256 and SHA-512, and is itself timestamped. Evidence stays good as long
as every renewal was made while the timestamp that it renews was still valid; when SHA-256 falls, the SHA-512 of the
last renewal before carries on. The format is ``docs/specs/renewal.md``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography import x509

from govbus.document.ids import AgencyId
from govbus.errors import MetadataError, TimestampError
from govbus.message_log.timestamp import Timestamp
from govbus.message_log.timestamp_chain import chain_ends_ms

FORMAT: Final = "govbus/renewal/v1"
RENEWAL_ITEMS_MAX = 200_000
"""Files of one statement; more are renewed by several statements."""
RENEWAL_BYTES_MAX = 512 * RENEWAL_ITEMS_MAX
RENEWAL_HASH: Final = "sha512"
"""Of the imprint: a renewal is to outlive SHA-256."""
STAMPS_MAX = 8
"""Timestamps of one statement; two authorities give two."""

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_DIGESTS = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{128})", re.ASCII)
_ITEM = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{128}) ([A-Za-z0-9][A-Za-z0-9._/-]{0,479})", re.ASCII)
_HEAD_LINES = 5


class Digests(NamedTuple):
    """Both hashes of one file, in hex."""

    sha256: str
    sha512: str

    @classmethod
    def of(cls, octets: bytes) -> Digests:
        """Return the hashes of octets."""
        return cls(hashlib.sha256(octets).hexdigest(), hashlib.sha512(octets).hexdigest())


class Span(NamedTuple):
    """When a timestamp was made, and how long it proves that; milliseconds since 1970."""

    made_ms: int
    ends_ms: int
    """Last moment at which every certificate below the anchor is valid."""


@dataclass(frozen=True, slots=True)
class RenewalStatement:
    """What is renewed together."""

    bus: AgencyId
    number: int
    """From 1, without gaps."""
    previous: Digests | None
    """Of the statement before; None in the first."""
    items: Mapping[str, Digests]
    """By path from the archive's root."""

    def to_bytes(self) -> bytes:
        """Return the statement, which is what is timestamped; the inverse of `from_bytes`."""
        previous = "none" if self.previous is None else " ".join(self.previous)
        lines = [FORMAT, f"bus {self.bus}", f"number {self.number}", f"previous {previous}", ""]
        lines += [f"{sha256} {sha512} {path}" for path, (sha256, sha512) in sorted(self.items.items())]
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    @classmethod
    def from_bytes(cls, octets: bytes) -> RenewalStatement:
        """Read a statement.

        Raises:
            TimestampError: if it breaks the grammar, or is not the one spelling of what it says.
        """
        if len(octets) > RENEWAL_BYTES_MAX:
            raise _malformed(f"over {RENEWAL_BYTES_MAX} bytes")
        try:
            statement = _parsed(octets.decode("ascii").split("\n"))
        except UnicodeDecodeError as err:
            raise _malformed("not ASCII") from err
        except MetadataError as err:
            raise _malformed(err.message) from err
        if statement.to_bytes() != octets:
            raise _malformed("lines out of order, twice, or written in another way")
        return statement


class Renewal(NamedTuple):
    """A statement as kept, with the responses over it; nothing of it is verified yet."""

    statement: bytes
    responses: Mapping[str, bytes]
    """DER of each TimeStampResp, by path from the archive's root."""


def verified_span(
    der: bytes,
    text: bytes,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate] = (),
) -> Span:
    """Return when a response was made over a text, and how long it proves that.

    Raises:
        TimestampError: if it does not verify.
    """
    stamp = Timestamp.from_response(der)
    made_ms = stamp.verify(text, anchors, intermediates=intermediates)
    return Span(made_ms, chain_ends_ms(stamp.chain(anchors, intermediates=intermediates)))


class RenewalChain:
    """All renewals of one archive, verified."""

    def __init__(
        self, renewals: Sequence[Renewal], anchors: Sequence[x509.Certificate], *, bus: AgencyId
    ) -> None:
        """Verify statements, their order, and the timestamps over them.

        Args:
            renewals: oldest first; none is a chain too.
            anchors: certificates of timestamp authorities that the caller trusts.
            bus: whose archive it is.

        Raises:
            TimestampError: if a statement is malformed, is missing, was changed, or has no timestamp that verifies.
        """
        self.statements: list[RenewalStatement] = []
        self.spans: list[Mapping[str, Span]] = []
        """Of each statement's timestamps that verify, by path."""
        responses: dict[str, Digests] = {}
        previous: Digests | None = None
        for number, renewal in enumerate(renewals, start=1):
            # Step 1: the statements follow one another.
            statement = RenewalStatement.from_bytes(renewal.statement)
            if statement.bus != bus or statement.number != number or statement.previous != previous:
                raise TimestampError(
                    f"renewal {number}: expected the statement of {bus} after renewal {number - 1}, found another",
                    remedy="restore the missing or changed renewal from a copy of the archive",
                )
            # Step 2: what it says of the responses of earlier ones is so.
            _require_same(statement, responses)
            # Step 3: an authority stamped it, and not before the one it follows.
            spans = _spans(renewal, anchors, number)
            if self.spans and max(spans.values()).made_ms < min(self.spans[-1].values()).made_ms:
                raise TimestampError(f"renewal {number} was stamped before the one that it follows")
            self.statements.append(statement)
            self.spans.append(spans)
            responses |= {path: Digests.of(der) for path, der in renewal.responses.items()}
            previous = Digests.of(renewal.statement)

    def is_listed(self, path: str) -> bool:
        """Return whether any statement renews a file."""
        return any(path in statement.items for statement in self.statements)

    def held_until_ms(self, path: str, digests: Digests, ends_ms: int | None) -> int:
        """Return the last moment up to which a file is proven without a gap, milliseconds since 1970.

        Args:
            path: of the file, from the archive's root.
            digests: of its bytes as they are now.
            ends_ms: until when timestamps of its own prove it; None where it has none, and its first renewal is its
                first timestamp.

        Raises:
            TimestampError: if a statement lists other bytes under this path, or the file is proven by nothing.
        """
        until, names = ends_ms, {path}
        for number, (statement, spans) in enumerate(zip(self.statements, self.spans, strict=True), start=1):
            if statement.items.get(path, digests) != digests:
                raise TimestampError(f"renewal {number} was made over other bytes of {path}")
            if names.isdisjoint(statement.items):
                continue
            in_time = {name: span for name, span in spans.items() if until is None or span.made_ms <= until}
            if in_time:
                until = max(until or 0, *(span.ends_ms for span in in_time.values()))
                names |= in_time.keys()
        if until is None:
            raise TimestampError(f"{path} is under no timestamp and no renewal")
        return until

    def require_held(self, path: str, digests: Digests, ends_ms: int | None, *, at_ms: int) -> None:
        """Check that a file is proven without a gap up to a moment; arguments as for `held_until_ms`.

        Raises:
            TimestampError: if it is not, saying since when.
        """
        until = self.held_until_ms(path, digests, ends_ms)
        if until < at_ms:
            raise TimestampError(
                f"{path} is proven up to {until} ms only: no renewal was made by then",
                remedy="nothing can renew it later; look for a copy of the archive that was renewed in time",
            )

    def carried_until_ms(self, number: int) -> int:
        """Return up to when renewal `number`, counted from 1, is proven through those after it."""
        spans = self.spans[number - 1]
        until, names = max(span.ends_ms for span in spans.values()), set(spans)
        for statement, later in zip(self.statements[number:], self.spans[number:], strict=True):
            if names.isdisjoint(statement.items):
                continue
            in_time = {name: span for name, span in later.items() if span.made_ms <= until}
            if in_time:
                until = max(until, *(span.ends_ms for span in in_time.values()))
                names |= in_time.keys()
        return until


def _spans(renewal: Renewal, anchors: Sequence[x509.Certificate], number: int) -> dict[str, Span]:
    """Return the spans of the responses that verify; of two authorities the auditor may trust one."""
    if not 0 < len(renewal.responses) <= STAMPS_MAX:
        raise TimestampError(
            f"renewal {number}: expected 1 to {STAMPS_MAX} timestamps, found {len(renewal.responses)}"
        )
    spans: dict[str, Span] = {}
    reasons: list[str] = []
    for path, der in sorted(renewal.responses.items()):
        try:
            spans[path] = verified_span(der, renewal.statement, anchors)
        except TimestampError as err:
            reasons.append(f"{path}: {err.message}")
    if not spans:
        raise TimestampError(f"renewal {number} has no timestamp that verifies: {'; '.join(reasons)}")
    return spans


def _require_same(statement: RenewalStatement, responses: Mapping[str, Digests]) -> None:
    for path in responses.keys() & statement.items.keys():
        if statement.items[path] != responses[path]:
            raise TimestampError(f"renewal {statement.number} was made over other bytes of {path}")


def _parsed(lines: list[str]) -> RenewalStatement:
    if len(lines) <= _HEAD_LINES or lines[0] != FORMAT or lines[4] or lines[-1]:
        raise _malformed(f"no {FORMAT}, no empty line, or no final newline")
    bus, number, previous = (
        _field(line, name) for line, name in zip(lines[1:4], ("bus", "number", "previous"), strict=True)
    )
    digests = _DIGESTS.fullmatch(previous)
    if _NUMBER.fullmatch(number) is None or (digests is None and previous != "none"):
        raise _malformed("the number, or the hashes of the statement before")
    return RenewalStatement(
        AgencyId.from_text(bus),
        int(number),
        None if digests is None else Digests(*digests.groups()),
        _items(lines[_HEAD_LINES:-1]),
    )


def _field(line: str, name: str) -> str:
    if not line.startswith(name + " "):
        raise _malformed(f"expected {name}")
    return line[len(name) + 1 :]


def _items(lines: Iterable[str]) -> dict[str, Digests]:
    items: dict[str, Digests] = {}
    for line in lines:
        match = _ITEM.fullmatch(line)
        if match is None or ".." in line or "//" in line:
            raise _malformed("a line of a file")
        items[match[3]] = Digests(match[1], match[2])
    if not 0 < len(items) <= RENEWAL_ITEMS_MAX:
        raise _malformed(f"expected 1 to {RENEWAL_ITEMS_MAX} files, found {len(items)}")
    return items


def _malformed(detail: str) -> TimestampError:
    return TimestampError(f"the renewal does not follow docs/specs/renewal.md: {detail}")
