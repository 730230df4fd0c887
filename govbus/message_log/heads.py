"""The head tree: one log of the checkpoints of all partitions, so that one note states the whole bus.

Its entries are the note texts of partition checkpoints, without signatures, in the order in which they stand on
``govbus.checkpoints``; a checkpoint that is not larger than the last one of its log was published again and is no
entry. So anyone recomputes the tree from the topic (``docs/specs/message-log.md``).
"""

from __future__ import annotations

import re
from typing import Final

from govbus.document.ids import AgencyId
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import leaf_hash

HEADS_KEY: Final = b"heads"
"""Key of records that hold head checkpoints, with cosignatures or without."""
TIMESTAMP_KEY: Final = b"heads/timestamp"
"""Key of records that hold RFC 3161 responses over the note text of a head checkpoint."""
KEYS_KEY: Final = b"heads/keys"
"""Key of records that hold hand-overs of the log's keys."""
TIMESTAMPED_HEADER: Final = "gb-checkpoint"
"""Header of a timestamp record: the note text that was stamped."""
TSA_HEADER: Final = "gb-tsa"
"""Header of a timestamp record: the configured name of the authority."""
TIMESTAMP_TYPE: Final = b"application/timestamp-reply"

_PARTITION = re.compile(rb"0|[1-9][0-9]{0,8}")


def head_origin(bus: AgencyId) -> str:
    """Return the origin line of head checkpoints, such as ``bus.example/log/heads``."""
    return f"{bus}/log/heads"


def partition_of_key(key: bytes | None) -> int | None:
    """Return the log partition that a record of ``govbus.checkpoints`` is about; None where it is about none."""
    return int(key) if key is not None and _PARTITION.fullmatch(key) else None


class HeadTree:
    """The head tree as the partition checkpoints on the topic make it grow."""

    def __init__(self) -> None:
        """Start with the empty tree."""
        self.tree = CompactTree()
        self.sizes: dict[str, int] = {}
        """Size of the last checkpoint of every partition's log, by origin."""

    def is_new(self, checkpoint: Checkpoint) -> bool:
        """Return whether a partition's checkpoint is an entry, not one published again."""
        return checkpoint.size > self.sizes.get(checkpoint.origin, 0)

    def take(self, checkpoint: Checkpoint) -> bool:
        """Append a partition's checkpoint; return False where it is no entry."""
        if not self.is_new(checkpoint):
            return False
        self.append(checkpoint.origin, checkpoint.size, checkpoint.to_text())
        return True

    def append(self, origin: str, size: int, text: str) -> None:
        """Append an entry.

        Args:
            origin: of the partition's log.
            size: that its checkpoint states.
            text: note text of the checkpoint, without signatures.
        """
        self.tree.append(leaf_hash(text.encode("utf-8")))
        self.sizes[origin] = size
