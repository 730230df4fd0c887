"""Asking a timestamp authority over HTTP (RFC 3161 section 3.4), and believing nothing that does not verify."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from pathlib import Path

import aiohttp
from cryptography import x509

from govbus.errors import ConfigError, TimestampError, TransportError
from govbus.message_log.timestamp import (
    NONCE_BITS_MAX,
    QUERY_TYPE,
    REPLY_TYPE,
    TIMESTAMP_BYTES_MAX,
    Timestamp,
    timestamp_request,
)
from govbus.settings import TimestampAuthoritySettings

STAMP_TIMEOUT_S = 10.0
ANCHORS_MAX = 64
"""Certificates in one file of anchors."""

_OK = 200


class TimestampAuthority:
    """One authority, under a name that records, logs and metrics show."""

    def __init__(
        self,
        name: str,
        url: str,
        anchors: Sequence[x509.Certificate],
        *,
        policies: Collection[str] = (),
        intermediates: Sequence[x509.Certificate] = (),
        timeout_s: float = STAMP_TIMEOUT_S,
    ) -> None:
        """Describe an authority; nothing is connected yet.

        Args:
            name: as configured; the URL may hold a password and is never shown.
            url: of RFC 3161 over HTTP. Plain HTTP is usual: the token is signed, and the request is only a hash.
            anchors: certificates that its tokens must lead to.
            policies: OIDs of acceptable policies; none given accepts every policy.
            intermediates: certificates between, for an authority that does not send them.
            timeout_s: bound on one request, connecting included.
        """
        self.name = name
        self.anchors = tuple(anchors)
        self._url = url
        self._policies = tuple(policies)
        self._intermediates = tuple(intermediates)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def stamp(self, text: bytes, *, hash_name: str = "sha256") -> bytes:
        """Return a response over a text, verified.

        Args:
            text: what to stamp; only its hash leaves this machine.
            hash_name: of the imprint: sha256, sha384 or sha512.

        Returns:
            The DER of the TimeStampResp, at most 64 KiB.

        Raises:
            TransportError: if the authority does not answer as RFC 3161 over HTTP; try again later.
            TimestampError: if it refuses, or its answer does not verify for this request.
        """
        # Step 1: a request that no earlier answer fits.
        nonce = secrets.randbits(NONCE_BITS_MAX)
        der = await self._ask(timestamp_request(text, nonce=nonce, hash_name=hash_name))
        # Step 2: shape, status, imprint, nonce, policy, signature, chain.
        try:
            stamp = Timestamp.from_response(der)
            stamp.verify(
                text,
                self.anchors,
                nonce=nonce,
                policies=self._policies,
                intermediates=self._intermediates,
            )
        except TimestampError as err:
            raise TimestampError(
                f"timestamp authority {self.name}: {err.message}", remedy=err.remedy
            ) from err
        # Step 3: an authority may not answer with a weaker hash than was asked for.
        if stamp.hash_name != hash_name:
            raise TimestampError(
                f"timestamp authority {self.name}: asked for {hash_name}, got {stamp.hash_name}"
            )
        return der

    async def _ask(self, query: bytes) -> bytes:
        try:
            # One connection a stamp: a stamp is asked for once a minute, and many servers close sooner.
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(
                    self._url, data=query, headers={"Content-Type": QUERY_TYPE}, allow_redirects=False
                ) as answer,
            ):
                if answer.status != _OK or answer.content_type != REPLY_TYPE:
                    raise TransportError(
                        f"timestamp authority {self.name} answered with HTTP {answer.status} "
                        f"and {answer.content_type[:60]}, expected 200 and {REPLY_TYPE}"
                    )
                return await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
            raise TransportError(
                f"timestamp authority {self.name} does not answer: {type(err).__name__}"
            ) from err

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        octets = b""
        while piece := await answer.content.read(TIMESTAMP_BYTES_MAX + 1 - len(octets)):
            octets += piece
            if len(octets) > TIMESTAMP_BYTES_MAX:
                raise TransportError(
                    f"timestamp authority {self.name} answered with over {TIMESTAMP_BYTES_MAX} bytes"
                )
        return octets


def authority_of(settings: TimestampAuthoritySettings) -> TimestampAuthority:
    """Return the authority that settings describe.

    Raises:
        ConfigError: if a file of certificates cannot be read.
    """
    return TimestampAuthority(
        settings.name,
        settings.url,
        read_anchors(settings.ca_file),
        policies=settings.policies,
        intermediates=() if settings.chain_file is None else read_anchors(settings.chain_file),
        timeout_s=settings.timeout_s,
    )


def read_anchors(file: Path) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a PEM file.

    Raises:
        ConfigError: if it cannot be read, or holds none or more than 64.
    """
    try:
        certificates = tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except (OSError, ValueError) as err:
        raise ConfigError(
            f"{file} cannot be read as PEM certificates", remedy="name the root certificates of the authority"
        ) from err
    if len(certificates) > ANCHORS_MAX:
        raise ConfigError(f"{file} may hold {ANCHORS_MAX} certificates, found {len(certificates)}")
    return certificates
