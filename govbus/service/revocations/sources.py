"""Where the status of a directory's certificates is to be had, and getting it over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import aiohttp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from govbus.errors import TransportError, UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.facts import list_places, parsed_of, responder_places
from govbus.routing.trust.material import Material, Saying
from govbus.routing.trust.reading import MATERIAL_BYTES_MAX, read_material
from govbus.signing.certificates import Certificate, TrustedCertificate

FETCH_TIMEOUT_S: Final = 20.0
REDIRECTS_MAX: Final = 3
PLACES_MAX: Final = 8
"""Addresses of one certificate that are tried."""
_SCHEMES: Final = ("http://", "https://")
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Source:
    """Where the status of some certificates of one authority is to be had."""

    issuer: Certificate
    subjects: tuple[Certificate, ...]
    """Those that the list is about, or the one that is asked for."""
    lists: tuple[str, ...]
    """Addresses of one revocation list."""

    @property
    def name(self) -> str:
        """What logs and metrics call it: the address of the list, or of the responder with the certificate."""
        if self.lists:
            return self.lists[0]
        subject = self.subjects[0]
        return f"{_usable(responder_places(parsed_of(subject)))[0]} {subject.thumbprint}"


def sources_of(directory: Directory) -> dict[str, Source]:
    """Return the sources of every certificate and of those above it, by name.

    Certificates with the same list have one source; one that can only be asked for has one of its own.
    """
    sources: dict[str, Source] = {}
    for subject, issuer in pairs_of(directory).values():
        parsed = parsed_of(subject)
        lists = _usable(list_places(parsed))
        if not lists and not _usable(responder_places(parsed)):
            continue
        source = Source(issuer, (subject,), lists)
        known = sources.get(source.name)
        subjects = (subject,) if known is None else (*known.subjects, subject)
        sources[source.name] = Source(issuer, subjects, lists)
    return sources


def pairs_of(directory: Directory) -> Mapping[str, tuple[Certificate, Certificate]]:
    """Return every certificate that can be revoked, with the one that issued it, by thumbprint."""
    pairs: dict[str, tuple[Certificate, Certificate]] = {}
    for trusted in directory.certificates.values():
        for subject, issuer in way_of(trusted):
            pairs[subject.thumbprint] = (subject, issuer)
    return pairs


def way_of(trusted: TrustedCertificate) -> list[tuple[Certificate, Certificate]]:
    """Return a certificate and those above it but the anchor, each with the one that issued it."""
    way = (trusted.certificate, *trusted.issuers)
    return list(itertools.pairwise(way))


class StatusClient:
    """Gets material from sources, and believes nothing that is not the authority's own word."""

    def __init__(self, *, timeout_s: float = FETCH_TIMEOUT_S) -> None:
        """Prepare; nothing is connected.

        Args:
            timeout_s: bound on one request, connecting included.
        """
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def fetch(self, source: Source) -> Fetched:
        """Return the source's list, or where that cannot be had, what responders say about each certificate."""
        faults: list[str] = []
        async with aiohttp.ClientSession(timeout=self._timeout) as session:
            for address in source.lists:
                try:
                    material = _believed(source.issuer, source.subjects, await _get(session, address))
                except (TransportError, UntrustedKeyError) as err:
                    faults.append(f"{address}: {err.message}")
                else:
                    return Fetched((material,), "")
            answers = [await _ask_about(session, one, source.issuer, faults) for one in source.subjects]
        found = tuple(one for one in answers if one is not None)
        return Fetched(found, "" if len(found) == len(source.subjects) else "; ".join(faults))


class Fetched(NamedTuple):
    """What a source gave."""

    materials: tuple[Material, ...]
    """Verified."""
    fault: str
    """Why the status of some certificates could not be had; empty where all of it was."""


def _believed(issuer: Certificate, subjects: Sequence[Certificate], octets: bytes) -> Material:
    """Return material that is the authority's word about some certificates.

    Raises:
        UntrustedKeyError: if it is not.
    """
    material = read_material(octets)
    material.verify(issuer)
    for subject in subjects:
        status = material.status_of(subject, issuer)
        if status is None or status.saying is Saying.UNKNOWN:
            raise UntrustedKeyError(f"it says nothing about certificate {subject.thumbprint}, which names it")
    return material


async def _ask_about(
    session: aiohttp.ClientSession, subject: Certificate, issuer: Certificate, faults: list[str]
) -> Material | None:
    """Return what the first responder that answers says about a certificate; None where none does."""
    for address in _usable(responder_places(parsed_of(subject))):
        try:
            return _believed(issuer, (subject,), await _ask(session, address, subject, issuer))
        except (TransportError, UntrustedKeyError) as err:
            faults.append(f"{address}: {err.message}")
    return None


async def _get(session: aiohttp.ClientSession, address: str) -> bytes:
    try:
        async with session.get(address, max_redirects=REDIRECTS_MAX) as answer:
            return await _read(answer)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
        raise TransportError(f"does not answer: {type(err).__name__}") from err


async def _ask(
    session: aiohttp.ClientSession, address: str, subject: Certificate, issuer: Certificate
) -> bytes:
    """Ask a responder (RFC 6960 appendix A.1), without a nonce: the answer is to be kept and shown to others."""
    question = ocsp.OCSPRequestBuilder().add_certificate(
        parsed_of(subject),
        parsed_of(issuer),
        hashes.SHA1(),  # noqa: S303  # names the issuer; the only one that every responder knows (RFC 5019)
    )
    try:
        async with session.post(
            address,
            data=question.build().public_bytes(Encoding.DER),
            headers={"Content-Type": "application/ocsp-request"},
            max_redirects=REDIRECTS_MAX,
        ) as answer:
            return await _read(answer)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
        raise TransportError(f"does not answer: {type(err).__name__}") from err


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    if answer.status != _OK:
        raise TransportError(f"answered with HTTP {answer.status}")
    octets = bytearray()
    async for piece in answer.content.iter_chunked(65_536):
        octets += piece
        if len(octets) > MATERIAL_BYTES_MAX:
            raise TransportError(f"answered with over {MATERIAL_BYTES_MAX} bytes")
    return bytes(octets)


def _usable(addresses: list[str]) -> tuple[str, ...]:
    return tuple(one for one in addresses if one.lower().startswith(_SCHEMES))[:PLACES_MAX]
