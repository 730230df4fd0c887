"""The pair of keys that signs now, the pair that is to follow, and the moment between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, LogIntegrityError, NoteError
from govbus.message_log.key_handover import LogSize, open_handovers
from govbus.message_log.keys import LogKeys, LogPublicKeys
from govbus.message_log.note import NoteVerifier

Keep = Callable[[int, str], None]
"""Writes a hand-over by its number where the next start finds it."""


class SigningKeys:
    """The keys of one log service.

    A hand-over is stored in the service's state before anybody else sees it; what `adopt` does after that is done
    again at the next start if a crash comes between.
    """

    def __init__(
        self,
        current: LogKeys,
        *,
        known: LogPublicKeys | None = None,
        pending: LogKeys | None = None,
        keep: Keep = lambda _number, _note: None,
    ) -> None:
        """Take the keys.

        Args:
            current: the pair that signs.
            known: its public half with all hand-overs to it; by default there was none.
            pending: the pair that is to follow, if any.
            keep: writes a hand-over down.

        Raises:
            ConfigError: if the hand-overs do not lead to the current pair.
        """
        self.current = current
        self.public = known if known is not None else current.public
        self.pending = pending
        self._keep = keep
        if self.public.to_pem() != current.public.to_pem():
            raise ConfigError(
                "the hand-overs of log keys lead to another pair than the one that is to sign",
                remedy="give the folder as `govbus log rotate` and the log service left it",
            )

    def verifiers_of(self, note: str, origin: str) -> tuple[NoteVerifier, ...]:
        """Return the pair under which a note of this log is to be opened."""
        return self.public.signing(note, origin)

    def make(
        self, bus: AgencyId, partitions: Mapping[int, LogSize], heads: LogSize, *, at_ms: int
    ) -> tuple[int, str]:
        """Return number and note of the hand-over to the pending pair; nothing is changed yet."""
        if self.pending is None:
            raise AssertionError("only asked for where a pair waits")
        note = self.current.hand_over(
            self.pending, self.public, bus=bus, partitions=partitions, heads=heads, at_ms=at_ms
        )
        return len(self.public.handovers) + 1, note

    def adopt(self, note: str) -> None:
        """Let the pending pair sign from now on; a hand-over that is known already changes nothing.

        Raises:
            LogIntegrityError: if the hand-over is to a pair that is not here: somebody else signs from now on.
            NoteError: if it does not hold.
        """
        notes = self.public.handover_notes
        if note in notes:
            return
        handover = open_handovers([*notes, note])[-1]
        known = self.public.with_handovers([*notes, note])
        if self.pending is None or self.pending.public.to_pem() != known.to_pem():
            raise LogIntegrityError(
                f"hand-over {handover.number} gave the log to keys that this service does not have",
                remedy="give the log service the folder of keys that has them",
            )
        self._keep(handover.number, note)
        self.current, self.public, self.pending = self.pending, known, None

    def take(self, value: bytes) -> bool:
        """Take a hand-over that stands on the topic.

        Returns:
            Whether it is one of this log's; whatever else anybody wrote there is not.

        Raises:
            LogIntegrityError: if the current keys signed it and it contradicts what is known.
        """
        try:
            note = value.decode("utf-8")
            number = self._number(note)
        except (UnicodeDecodeError, NoteError):
            return False
        notes = self.public.handover_notes
        if number <= len(notes):
            if notes[number - 1] != note:
                raise LogIntegrityError(
                    f"two hand-overs of log keys bear the number {number}",
                    remedy="keep both: a pair that was given up was used again",
                )
            return True
        self.adopt(note)
        return True

    def _number(self, note: str) -> int:
        """Return the number of a hand-over that one of our own pairs made, after those that are known before it.

        Raises:
            NoteError: if it is none.
        """
        notes, pairs = self.public.handover_notes, self.public.pairs()
        for count in range(len(notes), -1, -1):
            try:
                handover = open_handovers([*notes[:count], note])[-1]
            except NoteError:
                continue
            if handover.old == tuple(key.to_vkey() for key in pairs[count].verifiers(handover.origin)):
                return handover.number
        raise NoteError("no hand-over of this log's keys")
