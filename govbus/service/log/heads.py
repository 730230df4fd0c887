"""The head tree as the log service sees it: what it signed, what stands on the topic, and that both agree."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from govbus.errors import LogIntegrityError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import HeadTree
from govbus.message_log.tree import CompactTree
from govbus.service.log.state import HeadEntry


class HeadLog:
    """Every entry is made once: by this service, or found on the topic while it starts.

    Entries that this service made wait until they are seen on the topic at the very place that they have in the tree.
    """

    def __init__(self, origin: str, signed: Checkpoint | None = None) -> None:
        """Start with the empty tree, which must grow to what was signed last."""
        self.origin = origin
        self.heads = HeadTree()
        self.signed_size = 0
        """Size of the last head checkpoint."""
        self.is_restored = False
        """Whether the topic has been read as far as it went at the start."""
        self._promised = signed
        self.size_seen = 0
        """Entries that stand on the topic."""
        self.sizes_seen: dict[str, int] = {}
        """Largest size on the topic by origin."""
        self._waiting: deque[HeadEntry] = deque()

    @property
    def size(self) -> int:
        """Entries in the tree."""
        return self.heads.tree.size

    def append(self, entry: HeadEntry) -> None:
        """Append an entry of our own, which then must appear on the topic.

        Raises:
            LogIntegrityError: if it is not the next one, or the tree contradicts what was signed.
        """
        if entry.number != self.size:
            raise LogIntegrityError(
                f"{self.origin}: entry {entry.number} is remembered, {self.size} are there before it"
            )
        self._grow(entry)
        self._waiting.append(entry)

    def take_entry(self, checkpoint: Checkpoint) -> HeadEntry | None:
        """Compare a partition's checkpoint on the topic with the tree.

        Returns:
            The entry that it is, where it was not known before.

        Raises:
            LogIntegrityError: if another entry stands at its place, or somebody else signs with our keys.
        """
        if checkpoint.size <= self.sizes_seen.get(checkpoint.origin, 0):
            return None  # published again
        number = self.size_seen
        entry = HeadEntry(number, checkpoint.origin, checkpoint.size, checkpoint.to_text())
        self.size_seen, self.sizes_seen[entry.origin] = number + 1, entry.size
        if self._waiting:
            expected = self._waiting.popleft()
            if expected != entry:
                raise LogIntegrityError(
                    f"{self.origin}: entry {number} was signed as {expected.origin} of size {expected.size}, and "
                    f"{entry.origin} of size {entry.size} stands on the topic: two histories",
                    remedy="keep both; see whether a second log service has the same keys",
                )
            return None
        if self.is_restored:
            raise LogIntegrityError(
                f"{self.origin}: a checkpoint of {entry.origin} for {entry.size} entries bears our signature, "
                "and this service did not make it",
                remedy="stop the other log service that has the same keys",
            )
        self._grow(entry)
        return entry

    def take_head(self, checkpoint: Checkpoint, root_signed: bytes | None) -> bool:
        """Compare a head checkpoint on the topic with the tree.

        Args:
            checkpoint: that our keys signed.
            root_signed: the root that we remember signing for this size, None where we do not.

        Returns:
            Whether it is of the whole tree and was not known before.

        Raises:
            LogIntegrityError: if it contradicts the tree or what stands before it on the topic.
        """
        if checkpoint.size > self.size_seen:
            raise LogIntegrityError(
                f"{self.origin}: a head checkpoint says {checkpoint.size} entries, {self.size_seen} stand before it"
            )
        if checkpoint.size == self.size:
            root_signed = self.heads.tree.root()
        if root_signed is not None and checkpoint.root != root_signed:
            raise _other_root(self.origin, checkpoint, root_signed)
        if checkpoint.size == self.size > self.signed_size:
            self.signed_size = self.size
            return True
        return False

    def finish_restore(self, remembered: Sequence[HeadEntry] = ()) -> None:
        """Note that the topic has been read to its end.

        Args:
            remembered: entries that were signed and may not have been published yet.

        Raises:
            LogIntegrityError: if the topic lacks what was seen there before.
        """
        for entry in remembered:
            if entry.number >= self.size:
                self.append(entry)
        if self._promised is not None:
            raise LogIntegrityError(
                f"{self.origin}: {self._promised.size} entries were signed, the topic has {self.size}"
            )
        self.is_restored = True

    def _grow(self, entry: HeadEntry) -> None:
        self.heads.append(entry.origin, entry.size, entry.text)
        if self._promised is not None and self._promised.size == self.size:
            root = self.heads.tree.root()
            if self._promised.root != root:
                raise _other_root(self.origin, self._promised, root)
            self._promised, self.signed_size = None, self.size

    @classmethod
    def resumed(
        cls,
        origin: str,
        signed: Checkpoint,
        tree: CompactTree,
        seen: tuple[int, Mapping[str, int]],
        entries: Sequence[HeadEntry],
    ) -> HeadLog:
        """Go on where the state ended.

        Args:
            origin: of the head log.
            signed: the last head checkpoint.
            tree: up to where `entries` start.
            seen: how many entries stood on the topic, and the largest size by origin.
            entries: without a gap, from the end of `tree` or of the topic on, whichever comes first.

        Raises:
            LogIntegrityError: if the state contradicts itself.
        """
        log = cls(origin, signed if tree.size < signed.size else None)
        log.size_seen, log.sizes_seen = seen[0], dict(seen[1])
        log.heads.tree, log.heads.sizes = tree.copy(), dict(seen[1])
        if tree.size == signed.size:
            log.signed_size = signed.size
        for entry in entries:
            if entry.number >= log.size:
                log._grow(entry)
            else:
                log.heads.sizes[entry.origin] = entry.size
        log._waiting.extend(entry for entry in entries if entry.number >= log.size_seen)
        return log


def _other_root(origin: str, checkpoint: Checkpoint, root: bytes) -> LogIntegrityError:
    return LogIntegrityError(
        f"{origin}: the head checkpoint for {checkpoint.size} entries has root {checkpoint.root.hex()}, "
        f"the entries have {root.hex()}"
    )
