"""RFC 3161 timestamps: the request, and the response as evidence that a text existed at a time.

A response is kept exactly as received, so that ``openssl ts -verify`` checks the same bytes
(``docs/specs/timestamps.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asn1crypto import cms, core, tsp
from cryptography import x509

from govbus.errors import TimestampError
from govbus.message_log.cms_signature import HASHES, NAME_CHARACTERS_MAX, SignedContent
from govbus.message_log.timestamp_chain import trusted_chain

TIMESTAMP_BYTES_MAX = 65_536
"""A response with a long chain has some 10 KiB."""
NONCE_BITS_MAX = 64
"""What every authority takes; OpenSSL sends as many."""
QUERY_TYPE: Final = "application/timestamp-query"
REPLY_TYPE: Final = "application/timestamp-reply"
"""Media types of RFC 3161 section 3.4."""

_GRANTED = ("granted", "granted_with_mods")
_VERSION = "v1"


class _Response(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """TimeStampResp as RFC 3161 section 2.4.2 has it: a refusal comes without a token."""

    _fields = [  # noqa: RUF012  # how asn1crypto declares a structure
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def timestamp_request(text: bytes, *, nonce: int, hash_name: str = "sha256") -> bytes:
    """Return the DER of a TimeStampReq that asks for the authority's certificate too.

    Args:
        text: what is to be stamped; only its hash is sent.
        nonce: up to 64 random bits that the answer must repeat.
        hash_name: one of `HASHES`.

    Raises:
        TimestampError: if hash or nonce cannot be asked for.
    """
    if hash_name not in HASHES or not 0 <= nonce < 1 << NONCE_BITS_MAX:
        raise TimestampError(f"expected one of {', '.join(HASHES)} and a nonce of {NONCE_BITS_MAX} bits")
    imprint = {
        "hash_algorithm": {"algorithm": hash_name},
        "hashed_message": hashlib.new(hash_name, text).digest(),
    }
    fields = {"version": _VERSION, "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    return bytes(tsp.TimeStampReq(fields).dump())


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A granted response; what it says counts once `verify` has returned."""

    der: bytes
    """The TimeStampResp as received."""
    time_ms: int
    """When the authority saw the text, milliseconds since 1970, cut off."""
    accuracy_ms: int | None
    """How far off that may be, rounded up; None where the authority does not say."""
    serial: int
    policy: str
    """OID of the policy that the authority followed, dotted."""
    nonce: int | None
    hash_name: str
    """Hash of the imprint, by its name in hashlib."""
    imprint: bytes
    _signed: SignedContent

    @classmethod
    def from_response(cls, der: bytes) -> Timestamp:
        """Read a TimeStampResp.

        Raises:
            TimestampError: if it is too large or malformed, the authority refused, or it uses what is unknown here.
        """
        if len(der) > TIMESTAMP_BYTES_MAX:
            raise TimestampError(f"a timestamp may have {TIMESTAMP_BYTES_MAX} bytes, found {len(der)}")
        try:
            return _read(cls, der)
        except TimestampError:
            raise
        except Exception as err:  # asn1crypto raises many kinds, all meaning the same here
            raise TimestampError("expected a DER TimeStampResp (RFC 3161 section 2.4.2)") from err

    @property
    def signer(self) -> x509.Certificate:
        """The authority's certificate, as the token names it."""
        return self._signed.signer

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Every certificate in the token."""
        return self._signed.certificates

    @property
    def not_after_ms(self) -> int:
        """Last valid moment of the authority's certificate, milliseconds since 1970."""
        return int(self.signer.not_valid_after_utc.timestamp()) * 1000 + 999

    def verify(
        self,
        text: bytes,
        anchors: Sequence[x509.Certificate],
        *,
        nonce: int | None = None,
        policies: Collection[str] = (),
        intermediates: Sequence[x509.Certificate] = (),
    ) -> int:
        """Check that a trusted authority saw a text, and return when.

        Args:
            text: what was stamped.
            anchors: certificates that the caller trusts: roots, or the authority's own.
            nonce: what was asked with; None for a timestamp that somebody else asked for.
            policies: OIDs of acceptable policies, dotted; none given accepts every policy.
            intermediates: certificates that may be needed between, where the token does not bring them.

        Returns:
            Milliseconds since 1970. By `accuracy_ms` the text may be older or younger.

        Raises:
            TimestampError: naming what does not hold.
        """
        # Step 1: it is about this text, and the answer to this request.
        if hashlib.new(self.hash_name, text).digest() != self.imprint:
            raise TimestampError("the timestamp is over another text (message imprint)")
        if nonce is not None and self.nonce != nonce:
            raise TimestampError("the timestamp answers another request (nonce)")
        if policies and self.policy not in policies:
            raise TimestampError(
                f"the timestamp was made under policy {self.policy[:NAME_CHARACTERS_MAX]}, which is not accepted"
            )
        # Step 2: the signature.
        try:
            self._signed.verify()
        except TimestampError:
            raise
        except Exception as err:  # attributes are parsed late, and asn1crypto raises many kinds
            raise TimestampError("the signed attributes of the time stamp token are malformed") from err
        # Step 3: the authority, at the time that it states.
        self.chain(anchors, intermediates=intermediates)
        return self.time_ms

    def chain(
        self, anchors: Sequence[x509.Certificate], *, intermediates: Sequence[x509.Certificate] = ()
    ) -> tuple[x509.Certificate, ...]:
        """Return the chain from the authority's certificate to an anchor at the token's time.

        Raises:
            TimestampError: if there is none.
        """
        others = (*self.certificates, *intermediates)
        return trusted_chain(self.signer, others, anchors, at_ms=self.time_ms)


def _read(cls: type[Timestamp], der: bytes) -> Timestamp:
    # Step 1: the authority granted it.
    response = _Response.load(der, strict=True)
    status = response["status"]
    if status["status"].native not in _GRANTED:
        raise TimestampError(f"the timestamp authority refused: {_refusal(status)}")
    if isinstance(response["time_stamp_token"], core.Void):
        raise TimestampError("the timestamp authority granted a timestamp and sent none")
    # Step 2: one signer around a TSTInfo.
    signed = SignedContent.from_content_info(response["time_stamp_token"])
    info = tsp.TSTInfo.load(signed.content, strict=True)
    # Step 3: nothing in it that would have to be understood and is not.
    if info["version"].native != _VERSION:
        raise TimestampError("expected version 1 of TSTInfo")
    if any(extension["critical"].native for extension in _members(info["extensions"])):
        raise TimestampError("the timestamp has a critical extension, which is unknown here")
    hash_name = info["message_imprint"]["hash_algorithm"]["algorithm"].native
    if hash_name not in HASHES:
        raise TimestampError(
            f"expected a message imprint by one of {', '.join(HASHES)}, found {hash_name[:NAME_CHARACTERS_MAX]}"
        )
    return cls(
        der=der,
        time_ms=_time_ms(info["gen_time"]),
        accuracy_ms=_accuracy_ms(info["accuracy"]),
        serial=info["serial_number"].native,
        policy=info["policy"].dotted,
        nonce=info["nonce"].native,
        hash_name=hash_name,
        imprint=info["message_imprint"]["hashed_message"].native,
        _signed=signed,
    )


def _refusal(status: Any) -> str:
    """Return status and reason in the words of RFC 3161; the authority's own text is not repeated."""
    reasons = status["fail_info"].native or ()
    return ", ".join([str(status["status"].native), *sorted(str(reason) for reason in reasons)])


def _members(value: Any) -> Any:
    return () if isinstance(value, core.Void) else value


def _time_ms(value: Any) -> int:
    """Return a GeneralizedTime, which RFC 3161 has in UTC with ``Z``, in whole milliseconds."""
    moment = value.native
    if not isinstance(moment, datetime) or not str(value).endswith("Z"):
        raise TimestampError("expected the timestamp's time in UTC")
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


def _accuracy_ms(value: Any) -> int | None:
    if isinstance(value, core.Void):
        return None
    seconds, millis, micros = (value[name].native or 0 for name in ("seconds", "millis", "micros"))
    return int(seconds * 1000 + millis + -(-micros // 1000))
