"""How signatures lie in the spool: made once, kept before anything is sent, handed out as headers.

A row covers documents [first, end): the batch text (absent where each is signed by itself), the signatures over it one
a line, the inclusion paths (a byte for each document with the number of hashes in its path, then all hashes), and the
signatures over single statements. These are an officer's, or all where there is no batch: first a byte with the number
of signers; for each signer the length of its base64url header (16 bits) and the header, which is the same in every
document; then for each document and signer the length of the signature's octets (16 bits, 0 where it does not sign
this one) and the octets.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from govbus.adapters.spool_signing import Keys, Unsealed, mode_runs, signing_runs
from govbus.document.ids import Origin
from govbus.document.record import BATCH, PATH, SIGNATURE, Headers
from govbus.signing.batch import seal_batch
from govbus.signing.jws import STATEMENT_TYP, join_detached, protected_header, signing_input
from govbus.signing.signature_policy import SignaturePolicy
from govbus.signing.signer import Signer, Signers

_HASH_BYTES: Final = 32
_LENGTH: Final = struct.Struct(">H")


class Seal(NamedTuple):
    """One row."""

    first_index: int
    end_index: int
    batch: bytes | None
    signatures: bytes
    paths: bytes
    own: bytes = b""
    """Signatures over single statements."""


def seals_of(
    signers: Signers,
    origin: Origin,
    start: int,
    segments: Iterable[tuple[int, Unsealed]],
    *,
    at_ms: int,
    batch_max: int,
) -> list[Seal]:
    """Sign documents in index order; errors as for `signing_runs`.

    Args:
        signers: who signs.
        origin: whose documents they are.
        start: index of the first.
        segments: time and documents of each.
        at_ms: now, milliseconds since 1970.
        batch_max: documents under one signature.
    """
    found: list[Seal] = []
    index = start
    for keys, documents in signing_runs(signers, origin, segments):
        for is_alone, run in mode_runs(documents, batch_max):
            make = _sealed_alone if is_alone else _sealed_batch
            found.append(make(keys, origin, index, run, at_ms))
            index += len(run.signings)
    return found


def _sealed_alone(keys: Keys, origin: Origin, first_index: int, run: Unsealed, at_ms: int) -> Seal:
    """Sign each statement by itself."""
    del origin  # the statements name it
    own = _own(keys.seals, keys.officer, run, at_ms)
    return Seal(first_index, first_index + len(run.signings), None, b"", b"", own)


def _sealed_batch(keys: Keys, origin: Origin, first_index: int, run: Unsealed, at_ms: int) -> Seal:
    """Sign all statements at once, and by the officer each that asks for it."""
    sealed = seal_batch(keys.seals, origin, first_index, run.statements, at_ms=at_ms)
    counts = bytes([len(path) // _HASH_BYTES for path in sealed.paths])
    return Seal(
        first_index,
        first_index + len(run.signings),
        sealed.text,
        b"\n".join(sealed.signatures),
        counts + b"".join(sealed.paths),
        _own((), keys.officer, run, at_ms),
    )


def _own(seals: Sequence[Signer], officer: Signer | None, run: Unsealed, at_ms: int) -> bytes:
    """Return the signatures over single statements: of each seal, and of the officer where one is asked for."""
    if not seals and officer is None:
        return b""
    asking = {bits: SignaturePolicy.from_bits(bits).is_officer_required for bits in set(run.signings)}
    signers = [*seals, officer] if officer is not None and any(asking.values()) else [*seals]
    if not signers:
        return b""
    headers = [protected_header(signer, typ=STATEMENT_TYP, at_ms=at_ms) for signer in signers]
    parts = [bytes([len(signers)]), *(_LENGTH.pack(len(header)) + header for header in headers)]
    for statement, bits in zip(run.statements, run.signings, strict=True):
        for signer, header in zip(signers, headers, strict=True):
            signature = b""
            if signer is not officer or asking[bits]:
                signature = signer.sign(signing_input(header, statement))
            parts.append(_LENGTH.pack(len(signature)) + signature)
    return b"".join(parts)


def _own_headers(own: bytes, count: int) -> Iterator[Headers]:
    """Yield the signatures of each of so many documents; the inverse of `_own`."""
    at = 1
    protected: list[bytes] = []
    for _ in range(own[0]):
        header, at = _part(own, at)
        protected.append(header)
    for _ in range(count):
        found: list[tuple[str, bytes]] = []
        for header in protected:
            signature, at = _part(own, at)
            if signature:
                found.append((SIGNATURE, join_detached(header, signature)))
        yield tuple(found)


def _part(octets: bytes, at: int) -> tuple[bytes, int]:
    """Return the part that its length stands before, and where it ends."""
    (length,) = _LENGTH.unpack_from(octets, at)
    start = at + _LENGTH.size
    return octets[start : start + length], start + length


def seal_headers(seals: Iterable[Seal], start: int) -> Iterator[Headers]:
    """Yield the signature headers of each document from index `start` on: signatures, batch text, path."""
    for first, end, batch, signatures, paths, own in seals:
        common: Headers = (
            tuple([(SIGNATURE, signature) for signature in signatures.split(b"\n")]) if signatures else ()
        )
        alone = _own_headers(own, end - first) if own else itertools.repeat(())
        if batch is None:
            for index, headers in zip(range(first, end), alone, strict=False):
                if index >= start:
                    yield (*common, *headers)
            continue
        sealed: Headers = ((BATCH, batch),)
        at = end - first
        for index, count, headers in zip(range(first, end), paths, alone, strict=False):
            path_end = at + count * _HASH_BYTES
            if index >= start:
                yield (*common, *headers, *sealed, (PATH, paths[at:path_end]))
            at = path_end
