"""Batch mode: one signature for many statements through a Merkle subtree.

Implements ``docs/specs/signatures.md``, batch mode. A batch proves as much for each document as a signature of its
own, and costs 1/N of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from govbus.document.encoding import base64url, from_base64url
from govbus.document.ids import Origin
from govbus.document.statement import INDEX_MAX, statement_hash
from govbus.errors import MetadataError
from govbus.signing.jws import BATCH_TYP, sign_detached
from govbus.signing.merkle import inclusion_paths
from govbus.signing.signer import Signer

_GRAMMAR = re.compile(
    rb"govbus/batch/v1\n"
    rb"origin ([a-z0-9./-]{3,161})\n"
    rb"start (0|[1-9][0-9]{0,18})\n"
    rb"end ([1-9][0-9]{0,18})\n"
    rb"root ([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\n",
)


class BatchText(NamedTuple):
    """The text that a batch signature is over: statements [start, end) of one origin and their Merkle root."""

    origin: str
    start: int
    end: int
    root: bytes

    @classmethod
    def from_bytes(cls, octets: bytes) -> BatchText:
        """Parse a batch text.

        Raises:
            MetadataError: if the octets break the grammar or the range is empty (rule SEC-3).
        """
        match = _GRAMMAR.fullmatch(octets)
        if match is None:
            raise _malformed("the lines do not follow the grammar of docs/specs/signatures.md")
        origin_text, start, end, root = match.groups()
        try:
            origin = Origin.from_text(origin_text.decode("ascii"))
        except MetadataError as err:
            raise _malformed(err.message) from err
        batch = cls(
            str(origin),
            int(start),
            int(end),
            from_base64url(root.decode("ascii")),
        )
        if not batch.start < batch.end <= INDEX_MAX:
            raise _malformed("expected start below end")
        return batch

    def to_bytes(self) -> bytes:
        """Return the batch text; the inverse of `from_bytes`."""
        return (
            f"govbus/batch/v1\norigin {self.origin}\nstart {self.start}\nend {self.end}\n"
            f"root {base64url(self.root)}\n"
        ).encode("ascii")


class SealedBatch(NamedTuple):
    """One signed batch: what goes into ``gb-batch``, ``gb-sig`` and each document's ``gb-path``."""

    text: bytes
    signatures: tuple[bytes, ...]
    paths: list[bytes]
    """For each statement in index order, its inclusion path, hashes concatenated lowest level first."""


def seal_batch(
    signers: Sequence[Signer],
    origin: Origin,
    start: int,
    statements: Sequence[bytes],
    *,
    at_ms: int,
) -> SealedBatch:
    """Sign a run of statements of one origin at once.

    Args:
        signers: each signs the batch text (agency seal, post-quantum twin).
        origin: whose statements they are.
        start: index of the first.
        statements: their texts, in index order, at least one.
        at_ms: when they are signed, milliseconds since 1970.
    """
    root, paths = inclusion_paths([statement_hash(statement) for statement in statements])
    text = BatchText(str(origin), start, start + len(statements), root).to_bytes()
    signatures = tuple(sign_detached(signer, text, typ=BATCH_TYP, at_ms=at_ms) for signer in signers)
    return SealedBatch(text, signatures, paths)


def _malformed(detail: str) -> MetadataError:
    return MetadataError(f"batch: {detail}", rule="SEC-3", field="gb-batch")
