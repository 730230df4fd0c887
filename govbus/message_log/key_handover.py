"""Hand-overs of the log's keys: the pair that signed until now, and the one that signs from now on, say so together.

The hand-overs of a bus are a log of their own, ``<bus>/log/keys``: entry `n - 1` is the body of hand-over `n`, and
the hand-over is the checkpoint of size `n` with its newest body as extension lines. So the ML-DSA-44 signatures, which
cover origin, size and root of a checkpoint and nothing else (C2SP ``tlog-cosignature``), cover every body through the
root, and no hand-over can be left out or put between two others (``docs/specs/message-log.md``).
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from govbus.document.encoding import time_ms_from_text, time_text
from govbus.errors import MetadataError, NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.cosignature import CosignatureVerifier
from govbus.message_log.lines import parse_hash, parse_number
from govbus.message_log.note import Ed25519NoteVerifier, Note, NoteSigner, NoteVerifier, verify_note
from govbus.signing.merkle import EMPTY_ROOT, leaf_hash, root_of

HANDOVERS_MAX: Final = 1000
"""Of one bus: over 80 years of a change each month."""
PARTITIONS_MAX: Final = 1000
"""Lines about partitions in one hand-over."""

_TITLE: Final = "govbus/log-keys/v1"
_KEYS: Final = "log/keys"
_PARTITION = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_FIXED_LINES: Final = 6
"""Title, time, two old keys and two new ones."""


class LogSize(NamedTuple):
    """How far a log had been signed."""

    size: int
    root: bytes
    """RFC 6962 root over that many entries."""


EMPTY: Final = LogSize(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class KeyHandover:
    """One change of the log's keys."""

    bus: str
    number: int
    """From 1."""
    root: bytes
    """Of the tree of the bodies of all hand-overs up to this one."""
    time_ms: int
    """When it was signed, as the log service says, milliseconds since 1970."""
    old: tuple[str, str]
    """Verifier keys of the pair that signed before, Ed25519 first, under the name `origin`."""
    new: tuple[str, str]
    """Verifier keys of the pair that signs from now on."""
    partitions: Mapping[int, LogSize]
    """What the old pair signed last for each partition's log; the empty ones are left out."""
    heads: LogSize
    """Likewise for the head log."""

    @property
    def origin(self) -> str:
        """Name of the log of hand-overs, such as ``bus.example/log/keys``."""
        return keys_origin(self.bus)

    def last(self, origin: str) -> LogSize:
        """Return how far the old pair had signed a log; the empty tree for one that it had not signed."""
        start, _, name = origin.rpartition("/")
        if start != f"{self.bus}/log":
            return EMPTY
        if name == "heads":
            return self.heads
        return self.partitions.get(int(name), EMPTY) if _PARTITION.fullmatch(name) else EMPTY

    def body(self) -> str:
        """Return the lines that the tree of hand-overs is about."""
        return "".join(
            f"{line}\n"
            for line in (
                _TITLE,
                f"time {time_text(self.time_ms)}",
                *(f"old {vkey}" for vkey in self.old),
                *(f"new {vkey}" for vkey in self.new),
                *(f"log {number} {_state(self.partitions[number])}" for number in sorted(self.partitions)),
                f"heads {_state(self.heads)}",
            )
        )

    def to_text(self) -> str:
        """Return the note text; the inverse of `from_text`."""
        extensions = tuple(self.body().splitlines())
        return Checkpoint(self.origin, self.number, self.root, extensions).to_text()

    @classmethod
    def from_text(cls, text: str) -> KeyHandover:
        """Parse the note text of a hand-over.

        Raises:
            NoteError: if it breaks the grammar.
        """
        checkpoint = Checkpoint.from_text(text)
        bus = checkpoint.origin.removesuffix(f"/{_KEYS}")
        lines = checkpoint.extensions
        if bus == checkpoint.origin or not 0 < checkpoint.size <= HANDOVERS_MAX:
            raise NoteError("expected a hand-over of log keys: <bus>/log/keys, and its number from 1 on")
        if len(lines) <= _FIXED_LINES or lines[0] != _TITLE:
            raise NoteError(f"expected a hand-over of log keys with the line {_TITLE}")
        old, new = _pair(checkpoint.origin, "old", lines[2:4]), _pair(checkpoint.origin, "new", lines[4:6])
        handover = cls(
            bus,
            checkpoint.size,
            checkpoint.root,
            _time(lines[1]),
            old,
            new,
            _partitions(lines[_FIXED_LINES:-1]),
            _log_size(_after("heads", lines[-1])),
        )
        if handover.to_text() != text or set(old) & set(new):
            raise NoteError(f"hand-over {handover.number} of log keys is not written as it must be")
        return handover

    @classmethod
    def after(
        cls,
        earlier: Sequence[KeyHandover],
        *,
        bus: str,
        time_ms: int,
        old: Sequence[NoteVerifier],
        new: Sequence[NoteVerifier],
        partitions: Mapping[int, LogSize],
        heads: LogSize,
    ) -> KeyHandover:
        """Return the next hand-over.

        Args:
            earlier: all before it, in order.
            bus: whose log it is.
            time_ms: milliseconds since 1970.
            old: the keys that signed until now, under the name `keys_origin`, Ed25519 first.
            new: the keys that are to sign.
            partitions: what was signed last for each partition.
            heads: what was signed last for the head log.
        """
        made = cls(
            bus=bus,
            number=len(earlier) + 1,
            root=EMPTY_ROOT,
            time_ms=time_ms,
            old=(old[0].to_vkey(), old[1].to_vkey()),
            new=(new[0].to_vkey(), new[1].to_vkey()),
            partitions={number: one for number, one in partitions.items() if one.size},
            heads=heads,
        )
        return dataclasses.replace(made, root=_root([*earlier, made]))

    def sign(self, signers: Iterable[NoteSigner], *, at_s: int) -> str:
        """Return the signed note; both keys of both pairs must sign.

        Args:
            signers: the old pair and the new one, under the name `origin`.
            at_s: seconds since 1970.

        Raises:
            NoteError: if it breaks the grammar.
        """
        text = self.to_text()
        KeyHandover.from_text(text)
        return Note(text, tuple(signer.sign(text, at_s=at_s) for signer in signers)).to_text()

    def verifiers(self) -> tuple[NoteVerifier, ...]:
        """Return the four keys that must have signed, the old pair first."""
        return (*pair_of_vkeys(self.old), *pair_of_vkeys(self.new))


def keys_origin(bus: object) -> str:
    """Return the origin line of hand-overs, such as ``bus.example/log/keys``."""
    return f"{bus}/{_KEYS}"


def open_handovers(notes: Sequence[str | bytes]) -> tuple[KeyHandover, ...]:
    """Return all hand-overs of a bus, from the first on, once it is clear that they hold.

    Args:
        notes: signed notes, in the order of their numbers.

    Raises:
        NoteError: if one is malformed, lacks a signature of one of its four keys, does not follow the one before, or
            states a root that the bodies do not give.
    """
    found: list[KeyHandover] = []
    for octets in notes:
        note = Note.from_bytes(octets) if isinstance(octets, bytes) else Note.from_text(octets)
        handover = KeyHandover.from_text(note.text)
        _require_next(found, handover)
        verifiers = handover.verifiers()
        if len(verify_note(note, verifiers)) != len(verifiers):
            raise NoteError(
                f"hand-over {handover.number} of log keys must be signed by both keys of both pairs"
            )
        found.append(handover)
    return tuple(found)


def _require_next(earlier: Sequence[KeyHandover], handover: KeyHandover) -> None:
    """Check what a hand-over says against those before it."""
    number = len(earlier) + 1
    if handover.number != number:
        raise NoteError(f"expected hand-over {number} of log keys, found {handover.number}: one is missing")
    if handover.root != _root([*earlier, handover]):
        raise NoteError(f"hand-over {number} of log keys states a root that the hand-overs do not give")
    if not earlier:
        return
    before = earlier[-1]
    if (handover.bus, handover.old) != (before.bus, before.new):
        raise NoteError(f"hand-over {number} of log keys is by another pair than the one before was made to")
    origins = [f"{handover.bus}/log/{one}" for one in (*before.partitions, "heads")]
    if any(handover.last(origin).size < before.last(origin).size for origin in origins):
        raise NoteError(f"hand-over {number} of log keys states a smaller log than the one before")


def _root(handovers: Sequence[KeyHandover]) -> bytes:
    return root_of([leaf_hash(one.body().encode("utf-8")) for one in handovers])


@functools.lru_cache(maxsize=64)
def pair_of_vkeys(vkeys: tuple[str, str]) -> tuple[Ed25519NoteVerifier, CosignatureVerifier]:
    """Return the verifiers of one pair, Ed25519 first.

    Raises:
        NoteError: if one is malformed or of another signature type.
    """
    ed25519, ml_dsa_44 = vkeys
    return Ed25519NoteVerifier.from_vkey(ed25519), CosignatureVerifier.from_vkey(ml_dsa_44)


def _pair(origin: str, word: str, lines: Sequence[str]) -> tuple[str, str]:
    vkeys = (_after(word, lines[0]), _after(word, lines[1]))
    if any(verifier.name != origin for verifier in pair_of_vkeys(vkeys)):
        raise NoteError(f"the keys of a hand-over must bear the name {origin[:80]}")
    return vkeys


def _time(line: str) -> int:
    try:
        return time_ms_from_text(_after("time", line))
    except MetadataError as err:
        raise NoteError(f"hand-over of log keys: {err.message}") from err


def _partitions(lines: Sequence[str]) -> dict[int, LogSize]:
    """Return the lines about partitions; that they are sorted and of more than 0 entries follows from `to_text`."""
    if len(lines) > PARTITIONS_MAX:
        raise NoteError(f"a hand-over of log keys has at most {PARTITIONS_MAX} lines about partitions")
    found: dict[int, LogSize] = {}
    for line in lines:
        number, _, rest = _after("log", line).partition(" ")
        if _PARTITION.fullmatch(number) is None:
            raise NoteError("hand-over of log keys: expected log <partition> <size> <root>")
        one = _log_size(rest)
        if not one.size:
            raise NoteError("a hand-over of log keys leaves out logs without entries")
        found[int(number)] = one
    return found


def _log_size(text: str) -> LogSize:
    size, _, root = text.partition(" ")
    return LogSize(parse_number(size, "a size in a hand-over"), parse_hash(root))


def _state(one: LogSize) -> str:
    return f"{one.size} {base64.b64encode(one.root).decode('ascii')}"


def _after(word: str, line: str) -> str:
    start = f"{word} "
    if not line.startswith(start):
        raise NoteError(f"hand-over of log keys: expected a line {word} ..., found {line[:20]!r}")
    return line.removeprefix(start)
