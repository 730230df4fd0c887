"""What the tests of adapters and spool share: keys, a schema, documents, and a reader's checks of records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from govbus.adapters.outgoing import DocumentIds, DocumentTemplate, EncodedDocument, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.document.ids import Origin
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.codec import AvroCodec
from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_123
DAY_MS = 86_400_000


@pytest.fixture(scope="session")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Test authority", at_ms=AT_MS - DAY_MS)


def _signer(authority: CertificateAuthority, algorithm: Algorithm) -> KeySigner:
    issued = authority.issue(
        "tax.example", algorithm, not_before_ms=AT_MS - DAY_MS, not_after_ms=AT_MS + DAY_MS
    )
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=f"tax.example/{algorithm}")


@pytest.fixture(scope="session")
def signer(authority: CertificateAuthority) -> KeySigner:
    return _signer(authority, Algorithm.ED25519)


@pytest.fixture(scope="session")
def twin(authority: CertificateAuthority) -> KeySigner:
    return _signer(authority, Algorithm.ML_DSA_44)


@pytest.fixture(scope="session")
def origin() -> Origin:
    return Origin.from_text("tax.example/main")


@pytest.fixture(scope="session")
def schema() -> DocumentSchema:
    record = {"type": "record", "name": "Meta", "fields": [{"name": "record_id", "type": "string"}]}
    body = {"type": "record", "name": "Body", "fields": [{"name": "text", "type": ["null", "string"]}]}
    fields = [{"name": "record", "type": record}, {"name": "body", "type": body}]
    codec = AvroCodec({"type": "record", "name": "Doc", "namespace": "test", "fields": fields})
    return DocumentSchema(100, "https://bus.example/schemas/test/1", "test", 1, codec)


@pytest.fixture(scope="session")
def template(origin: Origin, schema: DocumentSchema) -> DocumentTemplate:
    return DocumentTemplate(
        origin, "example.test.v1", "test-2026", "internal", "non-pii", "non-public", schema
    )


@pytest.fixture
def encoded(template: DocumentTemplate) -> Callable[..., list[EncodedDocument]]:
    """Makes so many documents with texts of a given length."""
    ids = DocumentIds()

    def make(count: int, *, length: int = 20, subject: str | None = "s-1") -> list[EncodedDocument]:
        return [
            template.encode(
                OutgoingDocument(
                    ids.new(AT_MS), subject, AT_MS, {"record_id": str(number)}, {"text": "x" * length}
                )
            )
            for number in range(count)
        ]

    return make


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "outbox" / "main.spool"


@pytest.fixture
def spool(spool_path: Path, origin: Origin):
    with Spool.open(spool_path, origin, next_index=0) as opened:
        yield opened
