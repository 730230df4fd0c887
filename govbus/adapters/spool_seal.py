"""How signatures lie in the spool: made once, kept before anything is sent, handed out as headers.

A row covers documents [first, end): the batch text (absent where a document is signed by itself), the signatures one
a line, and the inclusion paths: a byte for each document with the number of hashes in its path, then all hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from govbus.document.ids import Origin
from govbus.document.record import BATCH, PATH, SIGNATURE, Headers
from govbus.errors import SignerUnavailableError, SpoolError
from govbus.signing.batch import seal_batch
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signer import Signer, Signers, signers_at

_HASH_BYTES: Final = 32


class Seal(NamedTuple):
    """One row."""

    first_index: int
    end_index: int
    batch: bytes | None
    signatures: bytes
    paths: bytes


def signing_runs(
    signers: Signers, segments: Iterable[tuple[int, list[bytes]]]
) -> list[tuple[Sequence[Signer], list[bytes]]]:
    """Return runs of statements that the same keys sign, in order.

    Args:
        signers: who signs.
        segments: time and statements of each, in index order.

    Raises:
        SpoolError: if there is no signer.
        SignerUnavailableError: if no key can sign the first statements at the moment; those behind others are left.
    """
    runs: list[tuple[Sequence[Signer], list[bytes]]] = []
    for time_ms, statements in segments:
        try:
            chosen = signers_at(signers, time_ms)
        except SignerUnavailableError:
            if runs:
                break  # what came before can go; the next call says what is wrong
            raise
        if not chosen:
            raise SpoolError("no signer was given", remedy="name the agency's seal key and certificate")
        if runs and runs[-1][0] == chosen:
            runs[-1][1].extend(statements)
        else:
            runs.append((chosen, list(statements)))
    return runs


def seal(
    signers: Sequence[Signer], origin: Origin, first_index: int, statements: Sequence[bytes], *, at_ms: int
) -> Seal:
    """Sign a run of statements; a run of one is signed by itself, because a batch of one would only add to it."""
    end_index = first_index + len(statements)
    if len(statements) == 1:
        alone = [sign_detached(signer, statements[0], typ=STATEMENT_TYP, at_ms=at_ms) for signer in signers]
        return Seal(first_index, end_index, None, b"\n".join(alone), b"")
    sealed = seal_batch(signers, origin, first_index, statements, at_ms=at_ms)
    counts = bytes([len(path) // _HASH_BYTES for path in sealed.paths])
    return Seal(
        first_index, end_index, sealed.text, b"\n".join(sealed.signatures), counts + b"".join(sealed.paths)
    )


def seal_headers(seals: Iterable[Seal], start: int) -> Iterator[Headers]:
    """Yield the signature headers of each document from index `start` on: signatures, batch text, path."""
    for first, end, batch, signatures, paths in seals:
        common: Headers = tuple([(SIGNATURE, signature) for signature in signatures.split(b"\n")])
        if batch is None:
            if first >= start:
                yield common
            continue
        common = (*common, (BATCH, batch))
        at = end - first
        for index in range(first, end):
            path_end = at + paths[index - first] * _HASH_BYTES
            if index >= start:
                yield (*common, (PATH, paths[at:path_end]))
            at = path_end
