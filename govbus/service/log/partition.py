"""One partition of the message log as the log service sees it: its growing tree, and what was promised about it."""

from __future__ import annotations

from collections.abc import Iterable

from govbus.document.record import Record
from govbus.errors import LogIntegrityError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.tree import CompactTree
from govbus.service.log.state import SignedTree
from govbus.signing.merkle import leaf_hash


class LogPartition:
    """The tree of one partition, checked against every checkpoint that was ever signed and is still known.

    The index of an entry is its ordinal among the committed records; offsets have holes where transactions end, and
    serve only to notice records that vanish.
    """

    def __init__(self, origin: str, signed: SignedTree | None) -> None:
        """Go on from the last signed tree, or from the empty one."""
        self.origin = origin
        self.tree = signed.tree.copy() if signed is not None else CompactTree()
        self.last_leaf = signed.last_leaf if signed is not None else b""
        self.last_offset = signed.last_offset if signed is not None else -1
        self.is_restored = False
        """Whether everything that stood in the partition at the start has been read."""
        self._must_see_again = signed is not None
        self._promised: Checkpoint | None = None

    @property
    def start_offset(self) -> int:
        """Where to read from: the last signed entry is read once more, to see that it is still the same."""
        return max(self.last_offset, 0)

    @property
    def may_sign(self) -> bool:
        """Whether the tree has reached everything that was promised about it."""
        return self.is_restored and self._promised is None and self.tree.size > 0

    def extend(self, records: Iterable[Record]) -> tuple[list[bytes], list[bytes]]:
        """Append committed records in offset order.

        Returns:
            The entries that are new, and their leaf hashes.

        Raises:
            LogIntegrityError: if an entry vanished or changed, or the tree contradicts a published checkpoint.
        """
        entries: list[bytes] = []
        leaves: list[bytes] = []
        for record in records:
            entry = record.value or b""
            leaf = leaf_hash(entry)
            if self._must_see_again:
                self._see_again(record, leaf)
                continue
            if record.offset <= self.last_offset:
                raise LogIntegrityError(
                    f"{self.origin}: expected an offset over {self.last_offset}, found {record.offset}; "
                    "the message log was cut or replaced"
                )
            self.tree.append(leaf)
            entries.append(entry)
            leaves.append(leaf)
            self.last_leaf, self.last_offset = leaf, record.offset
            if self._promised is not None and self.tree.size == self._promised.size:
                self._require_root(self._promised, self.tree.root())
                self._promised = None
        return entries, leaves

    def _see_again(self, record: Record, leaf: bytes) -> None:
        if (record.offset, leaf) != (self.last_offset, self.last_leaf):
            raise LogIntegrityError(
                f"{self.origin}: entry {self.tree.size - 1} at offset {self.last_offset} was signed, "
                f"and another record stands there or after it, at {record.offset}"
            )
        self._must_see_again = False

    def promise(self, published: Checkpoint, root_signed: bytes | None) -> None:
        """Take note of a checkpoint on the topic that our keys signed.

        Args:
            published: the checkpoint.
            root_signed: the root that we remember signing for this size, None where we do not.

        Raises:
            LogIntegrityError: if it contradicts what was signed, or another checkpoint.
        """
        if published.size == self.tree.size:
            root_signed = self.tree.root()
        if root_signed is not None:
            self._require_root(published, root_signed)
        elif published.size > self.tree.size:
            if self._promised is not None and self._promised.size == published.size:
                self._require_root(published, self._promised.root)
            if self._promised is None or self._promised.size < published.size:
                self._promised = published

    def finish_restore(self) -> None:
        """Note that everything that stood in the partition at the start has been read.

        Raises:
            LogIntegrityError: if entries that were signed are no longer there.
        """
        if self._must_see_again:
            raise LogIntegrityError(
                f"{self.origin}: entry {self.tree.size - 1} was signed and is no longer in the log"
            )
        if self._promised is not None:
            raise LogIntegrityError(
                f"{self.origin}: a checkpoint says {self._promised.size} entries, the log has {self.tree.size}"
            )
        self.is_restored = True

    def _require_root(self, published: Checkpoint, root: bytes) -> None:
        if published.root != root:
            raise LogIntegrityError(
                f"{self.origin}: the checkpoint for {published.size} entries has root {published.root.hex()}, "
                f"the entries have {root.hex()}"
            )
