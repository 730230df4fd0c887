"""Writes revocations-v1.json: a way to an anchor, revocation lists in order, and what is decided by them."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

FILE = Path(__file__).with_name("revocations-v1.json")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
TIME_MS = 1_795_466_700_000
ANCHOR, AGENCIES, SEAL = ("Example anchor", "Example agencies", "tax.example")
LISTS = {ANCHOR: "http://pki.example/anchor.crl", AGENCIES: "http://pki.example/agencies.crl"}


def key(name: str) -> ed25519.Ed25519PrivateKey:
    """Return a key that is no secret."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def named(name: str) -> x509.Name:
    """Return a distinguished name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(subject: str, issuer: str, serial: int, *, is_authority: bool) -> bytes:
    """Return a certificate, DER, that says where its status is to be had."""
    usage = ("key_cert_sign", "crl_sign") if is_authority else ("digital_signature", "content_commitment")
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
        " encipher_only decipher_only"
    )
    place = x509.DistributionPoint([x509.UniformResourceIdentifier(LISTS[issuer])], None, None, None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key(subject).public_key())
        .serial_number(serial)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{one: one in usage for one in names.split()}), critical=True)
    )
    if subject != issuer:
        builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
    return builder.sign(key(issuer), None).public_bytes(Encoding.DER)


def revocation_list(
    issuer: str, this_update_ms: int, next_update_ms: int, revoked: dict[int, tuple[int, x509.ReasonFlags]]
) -> bytes:
    """Return a list, DER; `revoked` gives time and reason by serial number."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(named(issuer))
        .last_update(datetime.fromtimestamp(this_update_ms // 1000, UTC))
        .next_update(datetime.fromtimestamp(next_update_ms // 1000, UTC))
        .add_extension(x509.CRLNumber(this_update_ms // 1000), critical=False)
    )
    for serial, (time_ms, reason) in revoked.items():
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(datetime.fromtimestamp(time_ms // 1000, UTC))
            .add_extension(x509.CRLReason(reason), critical=False)
        )
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key(issuer), None).public_bytes(Encoding.DER)


def vectors() -> dict[str, Any]:
    """Return the content of the file."""
    stolen = {3: (TIME_MS + 2 * HOUR_MS, x509.ReasonFlags.key_compromise)}
    replaced = {3: (TIME_MS + 3 * HOUR_MS, x509.ReasonFlags.superseded)}
    records = [
        revocation_list(ANCHOR, TIME_MS - DAY_MS, TIME_MS + 90 * DAY_MS, {}),
        revocation_list(AGENCIES, TIME_MS - HOUR_MS, TIME_MS + DAY_MS, {}),
        b"what is neither list nor response is a record all the same",
        revocation_list(AGENCIES, TIME_MS + 3 * HOUR_MS, TIME_MS + 2 * DAY_MS, replaced),
        revocation_list(AGENCIES, TIME_MS + 4 * HOUR_MS, TIME_MS + 2 * DAY_MS, stolen),
    ]
    cases = [
        (1, 0, 0, "SEC-11 R", "nobody has said anything about the seal"),
        (2, 0, 0, "", "both lists are fresh"),
        (2, 0, DAY_MS, "", "the last moment of nextUpdate"),
        (2, 0, DAY_MS + 1, "SEC-11 W", "within the grace"),
        (2, 0, 2 * DAY_MS, "SEC-11 W", "the last moment of the grace"),
        (2, 0, 2 * DAY_MS + 1, "SEC-11 R", "beyond the grace"),
        (3, 0, 0, "", "noise says nothing"),
        (4, 3 * HOUR_MS - 1, 4 * HOUR_MS, "", "signed before it was replaced"),
        (4, 3 * HOUR_MS, 4 * HOUR_MS, "SEC-6 R", "signed when it was replaced"),
        (5, 0, 5 * HOUR_MS, "SEC-6 R", "dated before the key was stolen, decided on after"),
        (5, 0, 2 * HOUR_MS - 1, "", "decided on before the key was stolen"),
    ]
    return {
        "note": "binary fields are base64 (RFC 4648 section 4); times are milliseconds since 1970",
        "anchor": text(certificate(ANCHOR, ANCHOR, 1, is_authority=True)),
        "chain": [text(certificate(AGENCIES, ANCHOR, 2, is_authority=True))],
        "certificate": text(certificate(SEAL, AGENCIES, 3, is_authority=False)),
        "policy": {"mode": "declared", "grace_hours": 24},
        "records": [{"key": hashlib.sha256(record).hexdigest(), "value": text(record)} for record in records],
        "cases": [
            {
                "revocations": count,
                "statement_time": TIME_MS + signed_ms,
                "decided": TIME_MS + decided_ms,
                "finding": finding,
                "why": why,
            }
            for count, signed_ms, decided_ms, finding, why in cases
        ],
    }


def text(octets: bytes) -> str:
    """Return base64."""
    return base64.b64encode(octets).decode("ascii")


def to_text() -> str:
    """Return the file's text."""
    return json.dumps(vectors(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(to_text(), encoding="utf-8")
    print(f"wrote {FILE}")
