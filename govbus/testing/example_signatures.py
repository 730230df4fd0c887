"""Signs the documents of rule examples, as their sender does or as nobody should.

An example's ``raw: {signed_by: [...]}`` names who signs, in order; a name may stand twice. ``seal`` is the sender, with
the key that ``signer`` or ``algorithm`` name; ``officer`` a person of the sender, over the statement;
``officer-of-another-agency`` one of the consumer; ``officer-over-batch`` the sender's, over the batch; ``twin`` the
sender's ML-DSA key. With ``mode: batch`` seal and twin sign a batch of this one document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from govbus.document.encoding import base64url, from_base64url
from govbus.document.record import BATCH, PATH, SIGNATURE, Headers
from govbus.document.statement import statement_hash
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import BatchText
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, sign_detached, signing_input
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys
from govbus.testing.example_bus import COURT, ORIGIN, TAX

TWIN_ALGORITHM: Final = Algorithm.ML_DSA_44
_SMALL_ORDER_R: Final = bytes([1, *bytes(31)])
"""The neutral element of edwards25519, which some verifiers accept as R."""


def signature_headers(statement: bytes, raw: Mapping[str, Any], *, number: int, time_ms: int) -> Headers:
    """Return the ``gb-sig`` headers, and in batch mode the batch text of this one statement.

    Args:
        statement: of the document.
        raw: the example's key; see `govbus.testing.example_documents`.
        number: the statement's index.
        time_ms: when it is signed.

    Raises:
        ValueError: if a name under ``signed_by`` is not known.
    """
    names = raw.get("signed_by", ["seal"])
    if raw.get("mode") != "batch":
        return tuple((SIGNATURE, _signature(name, statement, statement, raw, time_ms)) for name in names)
    batch = BatchText(str(ORIGIN), number, number + 1, statement_hash(statement)).to_bytes()
    signatures = tuple((SIGNATURE, _signature(name, statement, batch, raw, time_ms)) for name in names)
    return (*signatures, (BATCH, batch), (PATH, b""))


def _signature(name: str, statement: bytes, sealed: bytes, raw: Mapping[str, Any], time_ms: int) -> bytes:
    """Return one ``gb-sig`` header; `sealed` is what the agency's seals are over."""
    typ = STATEMENT_TYP if sealed is statement else BATCH_TYP
    match name:
        case "seal":
            return _seal(sealed, raw, typ=typ, time_ms=time_ms)
        case "twin":
            twin = example_keys.signer(TAX.text, TWIN_ALGORITHM)
            return sign_detached(twin, sealed, typ=typ, at_ms=time_ms)
        case "officer" | "officer-of-another-agency":
            return sign_detached(example_keys.signer(name), statement, typ=STATEMENT_TYP, at_ms=time_ms)
        case "officer-over-batch":
            return sign_detached(example_keys.signer("officer"), sealed, typ=BATCH_TYP, at_ms=time_ms)
        case _:
            raise ValueError(f"expected seal, twin or officer under signed_by, found {name!r}")


def _signer(raw: Mapping[str, Any]) -> KeySigner:
    match raw.get("signer"):
        case None:
            return example_keys.signer(TAX.text, Algorithm(raw.get("algorithm", Algorithm.ED25519)))
        case "other-agency":
            return example_keys.signer(COURT.text)
        case "foreign":
            key = example_keys.foreign()
            return KeySigner.from_pem(key.key_pem, key.certificate_pem, kid="foreign")
        case name:
            return example_keys.signer(str(name))


def _seal(text: bytes, raw: Mapping[str, Any], *, typ: str, time_ms: int) -> bytes:
    """Return the sender's own signature; with ``signature_header``, over a header that says something else."""
    signer = _signer(raw)
    signature = sign_detached(signer, text, typ=typ, at_ms=time_ms)
    protected, _, octets = signature.split(b".")
    if "signature_header" in raw:
        fields = json.loads(from_base64url(protected.decode("ascii"))) | raw["signature_header"]
        protected = base64url(json.dumps(fields, separators=(",", ":")).encode("utf-8")).encode("ascii")
        octets = base64url(signer.sign(signing_input(protected, text))).encode("ascii")
    match raw.get("signature"):
        case "flip":
            changed = bytearray(from_base64url(octets.decode("ascii")))
            changed[-1] ^= 1
            octets = base64url(bytes(changed)).encode("ascii")
        case "small-order":
            octets = base64url(_SMALL_ORDER_R + bytes(32)).encode("ascii")
        case _:
            pass
    return protected + b".." + octets
