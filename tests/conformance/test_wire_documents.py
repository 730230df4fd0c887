"""Records made by a second implementation of the wire formats: 27 that must verify, 48 that must not."""

import base64
import json

import pytest

from govbus.document.ids import AgencyId
from govbus.document.record import Envelope, Record
from govbus.document.statement import Statement
from govbus.errors import RuleError
from govbus.schemas.canonical import schema_hash
from govbus.schemas.codec import AvroCodec
from govbus.signing.certificates import Certificate, TrustedCertificate
from govbus.signing.verifier import Verifier

pytestmark = pytest.mark.conformance_set("wire")


class _Trust:
    """Every certificate of the file, bound to tax.example except the one of moj.example."""

    def __init__(self, pems):
        self._by_thumbprint = {}
        for pem in pems:
            certificate = Certificate.from_pem(pem)
            agency = "moj.example" if "moj.example" in certificate.subject else "tax.example"
            self._by_thumbprint[certificate.thumbprint] = TrustedCertificate(
                certificate, AgencyId.from_text(agency)
            )

    def certificate(self, thumbprint):
        return self._by_thumbprint.get(thumbprint)


def _verify(case, trust, codec):
    headers = tuple((name, base64.b64decode(value)) for name, value in case["headers"])
    key = base64.b64decode(case["key"]) if case["key"] is not None else None
    value = base64.b64decode(case["value"])
    envelope = Envelope.from_headers(headers)
    statement = Statement.from_bytes(envelope.statement)
    topic = statement.topic if case["side"] == "out" else "govbus.in.moj.example"
    record = Record(case.get("topic", topic), 0, 0, 0, key, value, headers)
    Verifier(trust).verify_record(record, envelope, statement, side=case["side"], schema_hash=codec.hash)
    codec.decode(value[5:])


def test_documents(conformance_data, record_property):
    """Every record verifies or is refused as the file says."""
    data = json.loads((conformance_data / "wire/documents.json").read_text())
    trust = _Trust(data["certificates"])
    codec = AvroCodec(data["schema"])
    wrong = []
    for case in data["cases"]:
        try:
            _verify(case, trust, codec)
            is_valid = True
        except RuleError as err:
            is_valid = False
            assert err.rule, f"{case['name']}: {err}"
        if is_valid is not case["valid"]:
            wrong.append(case["name"])

    record_property("cases", len(data["cases"]))
    assert [] == wrong
    assert 75 == len(data["cases"])


def test_schema_hash(conformance_data):
    """The hash of the schema with non-ASCII text, a small float and a control character is the other's."""
    data = json.loads((conformance_data / "wire/documents.json").read_text())
    headers = dict(data["cases"][0]["headers"])
    statement = Statement.from_bytes(base64.b64decode(headers["gb-stmt"]))

    assert statement.schema == schema_hash(data["schema"])


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_the_file_has_both_kinds(conformance_data, kind):
    """The file holds records of both kinds, so that the test above can fail either way."""
    data = json.loads((conformance_data / "wire/documents.json").read_text())

    assert {"valid": 27, "invalid": 48}[kind] == sum(
        case["valid"] is (kind == "valid") for case in data["cases"]
    )
