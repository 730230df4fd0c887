"""The right edge of a growing Merkle tree: enough to append and to state the root, in 32 bytes a level.

The tree is that of RFC 6962 section 2.1. Its perfect subtrees from left to right, one for each bit of the size, are
what C2SP ``tlog-tiles`` and Trillian call a compact range.
"""

from __future__ import annotations

import hashlib
import struct

from govbus.errors import LogIntegrityError
from govbus.signing.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX

_SIZE = struct.Struct(">Q")


class CompactTree:
    """A tree that only grows."""

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        """Start with the empty tree."""
        self._size = 0
        self._peaks: list[bytes] = []
        """Roots of the perfect subtrees, largest first."""

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._size

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf hash of 32 bytes at index `size`."""
        size, peaks, sha256 = self._size, self._peaks, hashlib.sha256
        node = leaf_hash
        while size & 1:
            node = sha256(b"\x01" + peaks.pop() + node).digest()
            size >>= 1
        peaks.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = hashlib.sha256(b"\x01" + peak + node).digest()
        return node

    def copy(self) -> CompactTree:
        """Return a tree of the same leaves that grows on its own."""
        tree = CompactTree()
        tree._size = self._size  # another value of this very class
        tree._peaks = self._peaks.copy()
        return tree

    def to_bytes(self) -> bytes:
        """Return the size as 8 big-endian bytes and the subtree roots, largest first."""
        return _SIZE.pack(self._size) + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, octets: bytes) -> CompactTree:
        """Read what `to_bytes` wrote.

        Raises:
            LogIntegrityError: if the octets are cut short or have not one hash for each bit of the size.
        """
        size = _SIZE.unpack_from(octets)[0] if len(octets) >= _SIZE.size else -1
        hashes = octets[_SIZE.size :]
        if not 0 <= size <= SIZE_MAX or len(hashes) != HASH_BYTES * size.bit_count():
            raise LogIntegrityError(f"a stored tree of {len(octets)} bytes is damaged")
        tree = cls()
        tree._size = size
        tree._peaks = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
        return tree
