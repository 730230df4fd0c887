"""Writes wire-v1.json: one worked example of every format, the same bytes on every run."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from govbus.document.decision import LogEntry, Receipt, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import Origin
from govbus.document.record import frame
from govbus.document.statement import Statement, headers_hash, statement_hash, value_hash
from govbus.schemas.canonical import schema_hash
from govbus.schemas.codec import AvroCodec
from govbus.schemas.core import encode_log_entry, encode_receipt
from govbus.signing.batch import seal_batch
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.merkle import inclusion_path, leaf_hash, root_of
from govbus.signing.signer import KeySigner

FILE = Path(__file__).with_name("wire-v1.json")
TIME_MS = 1_795_466_700_123
ORIGIN = Origin.from_text("tax.example/main")
SCHEMA = {
    "type": "record",
    "name": "Tick",
    "namespace": "example.govbus",
    "doc": "A vector: é €",
    "fields": [
        {"name": "n", "type": "long", "doc": "counter"},
        {"name": "text", "type": ["null", "string"], "default": None, "doc": "text"},
    ],
}


def signer() -> KeySigner:
    """Return the example agency's signer, whose key is no secret."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"govbus vector key").digest())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tax.example seal")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .sign(key, None)
    )
    return KeySigner.from_pem(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
        kid="tax.example/seal/vector",
    )


def text(octets: bytes) -> str:
    """Return octets as standard base64, the encoding of every binary field in the file."""
    return base64.b64encode(octets).decode("ascii")


def headers(number: int) -> dict[str, bytes]:
    """Return the signed headers of the example document with this index."""
    return {
        "ce_accesslevel": b"non-public",
        "ce_agreementid": b"tick-tax-moj",
        "ce_datacategory": b"non-pii",
        "ce_dataclassification": b"internal",
        "ce_dataschema": b"https://bus.example/schemas/example.tick/1",
        "ce_id": f"019ac0de-0000-7000-8000-{number:012x}".encode(),
        "ce_source": b"https://tax.example/main",
        "ce_specversion": b"1.0",
        "ce_time": b"2026-11-23T20:45:00Z",
        "ce_type": b"example.tick.v1",
        "content-type": b"application/avro",
    }


def document(codec: AvroCodec, number: int) -> tuple[Statement, bytes, bytes]:
    """Return statement, salt and Avro bytes of the example document with this index."""
    avro = codec.encode({"n": number, "text": "é" * number})
    salt = hashlib.sha256(f"salt {number}".encode()).digest()[:16]
    statement = Statement(
        ORIGIN,
        number,
        "govbus.out.tax.example",
        headers_hash(headers(number)),
        codec.hash,
        len(avro),
        value_hash(salt, avro),
        TIME_MS + number,
    )
    return statement, salt, avro


def record(statement: Statement, salt: bytes, avro: bytes, **more: object) -> dict[str, object]:
    """Return one record as the file shows it."""
    return {
        "topic": statement.topic,
        "key": str(statement.origin),
        "headers": {name: value.decode() for name, value in headers(statement.index).items()},
        "statement": statement.to_bytes().decode("ascii"),
        "statement_hash": text(statement_hash(statement.to_bytes())),
        "salt": text(salt),
        "value": text(frame(100, avro)),
        **more,
    }


def vectors() -> dict[str, object]:
    """Return the whole file."""
    codec, by = AvroCodec(SCHEMA), signer()
    single = document(codec, 0)
    batch = [document(codec, number) for number in range(1, 6)]
    statements = [statement.to_bytes() for statement, _, _ in batch]
    sealed = seal_batch([by], ORIGIN, 1, statements, at_ms=TIME_MS)
    own = sign_detached(by, single[0].to_bytes(), typ=STATEMENT_TYP, at_ms=TIME_MS)
    source = SourcePosition("govbus.out.tax.example", 2, 7)
    refusal = Finding("DRM-1", Severity.REFUSE, "ce_agreementid", "this agreement is not registered")
    receipt = Receipt(
        None,
        str(ORIGIN),
        1,
        5,
        hashlib.sha256(b"".join(map(statement_hash, statements))).digest(),
        Outcome.ACCEPTED,
        (),
        source,
        2,
        TIME_MS + 100,
    )
    entry = LogEntry(
        Outcome.REFUSED,
        TIME_MS + 100,
        source,
        "019ac0de-0000-7000-8000-000000000000",
        single[0].to_bytes(),
        (own,),
        None,
        b"",
        None,
        3,
        (refusal,),
        (),
        0,
        revocations=12,
    )
    entries = [encode_log_entry(entry._replace(time_ms=TIME_MS + number)) for number in range(5)]
    leaves = [leaf_hash(octets) for octets in entries]
    return {
        "note": "binary fields are base64 (RFC 4648 section 4)",
        "schema": SCHEMA,
        "schema_hash": schema_hash(SCHEMA),
        "certificate": text(by.certificate.der),
        "thumbprint": by.certificate.thumbprint,
        "single": record(*single, signature=own.decode("ascii")),
        "batch": {
            "text": sealed.text.decode("ascii"),
            "signature": sealed.signatures[0].decode("ascii"),
            "records": [record(*one, path=text(path)) for one, path in zip(batch, sealed.paths, strict=True)],
        },
        "receipt": text(encode_receipt(receipt)),
        "log": {
            "entries": [text(octets) for octets in entries],
            "leaves": [text(leaf) for leaf in leaves],
            "roots": [text(root_of(leaves[:size])) for size in range(6)],
            "path_of_3": [text(node) for node in inclusion_path(leaves, 3)],
        },
    }


def to_text() -> str:
    """Return the file's text."""
    return json.dumps(vectors(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(to_text(), encoding="utf-8")
    print(f"wrote {FILE}")
