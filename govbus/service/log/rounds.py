"""Signing: the checkpoints of all logs that grew, their entries in the head tree, and the head checkpoint, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from govbus import telemetry
from govbus.errors import LogIntegrityError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import HEADS_KEY
from govbus.message_log.tree import CompactTree
from govbus.service.log.heads import HeadLog
from govbus.service.log.partition import LogPartition
from govbus.service.log.signing_keys import SigningKeys
from govbus.service.log.state import HeadEntry, LogState, Round, SignedTree
from govbus.signing.merkle import leaf_hash


class RoundMaker:
    """Signs and stores; what it stored may be published."""

    def __init__(self, keys: SigningKeys, state: LogState, clock_ms: Callable[[], int]) -> None:
        """Take the keys, the memory, and the clock in milliseconds since 1970."""
        self._keys = keys
        self._state = state
        self._clock_ms = clock_ms

    def sign(self, grown: Iterable[LogPartition], heads: HeadLog) -> list[HeadEntry]:
        """Sign a checkpoint of each log that grew and one of the head tree, and store all of it durably.

        Returns:
            The new entries of the head tree.

        Raises:
            LogIntegrityError: if another root was signed for the same size; nothing is stored then.
        """
        at_ms = self._clock_ms()
        partitions: dict[str, SignedTree] = {}
        entries: list[HeadEntry] = []
        outgoing: list[tuple[str, str]] = []
        tree = heads.heads.tree.copy()
        for log in grown:
            note = self._note(log.origin, log.tree, at_ms)
            partitions[log.origin] = SignedTree(log.tree.copy(), log.last_offset, log.last_leaf, note, at_ms)
            text = note.partition("\n\n")[0] + "\n"
            entries.append(HeadEntry(heads.size + len(entries), log.origin, log.tree.size, text))
            tree.append(leaf_hash(text.encode("utf-8")))
            outgoing.append((log.origin.rpartition("/")[2], note))
        note = self._note(heads.origin, tree, at_ms)
        outgoing.append((HEADS_KEY.decode("ascii"), note))
        self._state.keep(Round(partitions, entries, SignedTree(tree, -1, b"", note, at_ms), outgoing))
        for entry in entries:
            heads.append(entry)
        heads.signed_size = tree.size
        telemetry.CHECKPOINTS_SIGNED.inc(len(outgoing))
        return entries

    def _note(self, origin: str, tree: CompactTree, at_ms: int) -> str:
        root, earlier = tree.root(), self._state.root_at(origin, tree.size)
        if earlier is not None and earlier != root:
            raise LogIntegrityError(
                f"{origin}: root {earlier.hex()} was signed for {tree.size} entries, they now have {root.hex()}"
            )
        return sign_checkpoint(
            Checkpoint(origin, tree.size, root), self._keys.current.signers(origin), at_s=at_ms // 1000
        )
