"""The frozen vectors are what the script makes, what the code reads, and what openssl says."""

import base64
import hashlib
import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from govbus.document.record import Envelope, Record
from govbus.document.statement import Statement, statement_hash
from govbus.errors import VerificationError
from govbus.schemas.canonical import schema_hash
from govbus.schemas.codec import AvroCodec
from govbus.schemas.core import decode_log_entry, decode_receipt
from govbus.signing.certificates import Certificate, TrustedCertificate
from govbus.signing.merkle import leaf_hash, root_of, verify_inclusion
from govbus.signing.verifier import Verifier

FOLDER = Path(__file__).parents[2] / "schemas" / "vectors"
DATA = json.loads((FOLDER / "wire-v1.json").read_text(encoding="utf-8"))


def octets(text):
    return base64.b64decode(text, validate=True)


def as_record(vector, signature, extra=()):
    headers = (
        *[(name, value.encode()) for name, value in vector["headers"].items()],
        ("gb-stmt", vector["statement"].encode()),
        ("gb-salt", octets(vector["salt"])),
        ("gb-sig", signature.encode()),
        *extra,
    )
    return Record(vector["topic"], 0, 0, 0, vector["key"].encode(), octets(vector["value"]), headers)


class OneCertificate:
    def certificate(self, thumbprint):
        certificate = Certificate.from_der(octets(DATA["certificate"]))
        agency = Statement.from_bytes(DATA["single"]["statement"].encode()).origin.agency
        return TrustedCertificate(certificate, agency) if thumbprint == DATA["thumbprint"] else None


def check(record):
    envelope = Envelope.from_headers(record.headers)
    Verifier(OneCertificate()).verify_record(
        record,
        envelope,
        Statement.from_bytes(envelope.statement),
        side="out",
        schema_hash=DATA["schema_hash"],
    )


def batch_record(vector):
    extra = (("gb-batch", DATA["batch"]["text"].encode()), ("gb-path", octets(vector["path"])))
    return as_record(vector, DATA["batch"]["signature"], extra)


def test_the_file_is_what_the_script_makes():
    """Running the script again gives the committed file, byte for byte."""
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    assert (FOLDER / "wire-v1.json").read_text(encoding="utf-8") == generate.to_text()


def test_single_and_batch_verify():
    """Every record of the file verifies."""
    check(as_record(DATA["single"], DATA["single"]["signature"]))
    for vector in DATA["batch"]["records"]:
        check(batch_record(vector))


def test_a_path_of_another_leaf_does_not_verify():
    """The path of the next document refuses this one."""
    first, second = DATA["batch"]["records"][:2]
    with pytest.raises(VerificationError):
        check(batch_record(first | {"path": second["path"]}))


def test_hashes():
    """Schema, statement and value hashes are plain SHA-256 over what the specs say."""
    single = DATA["single"]
    statement = Statement.from_bytes(single["statement"].encode())
    avro = octets(single["value"])[5:]

    assert DATA["schema_hash"] == schema_hash(DATA["schema"]) == statement.schema
    assert octets(single["statement_hash"]) == statement_hash(single["statement"].encode())
    assert (
        base64.urlsafe_b64encode(hashlib.sha256(octets(single["salt"]) + avro).digest()).rstrip(b"=").decode()
        == statement.value
    )
    assert {"n": 0, "text": ""} == AvroCodec(DATA["schema"]).decode(avro)


def test_receipt_and_log():
    """Receipt and log entries decode, and the tree over the entries has the given leaves, roots and path."""
    entries = [octets(entry) for entry in DATA["log"]["entries"]]
    leaves = [leaf_hash(entry) for entry in entries]
    receipt = decode_receipt(octets(DATA["receipt"]))
    hashes = [octets(vector["statement_hash"]) for vector in DATA["batch"]["records"]]

    assert (1, 5, hashlib.sha256(b"".join(hashes)).digest()) == (
        receipt.index,
        receipt.count,
        receipt.statement_hash,
    )
    assert "DRM-1" == decode_log_entry(entries[0]).findings[0].rule
    assert DATA["log"]["leaves"] == [base64.b64encode(leaf).decode() for leaf in leaves]
    assert [octets(root) for root in DATA["log"]["roots"]] == [root_of(leaves[:n]) for n in range(6)]
    verify_inclusion(leaves[3], 3, 5, [octets(node) for node in DATA["log"]["path_of_3"]], root_of(leaves))


def _openssl(*arguments, folder, check=True):
    return subprocess.run(["openssl", *arguments], cwd=folder, check=check, capture_output=True, text=True)


@pytest.mark.parametrize("which", ["single", "batch"])
def test_openssl_verifies_by_hand(tmp_path, which):
    """The commands of docs/specs/signatures.md accept statement and batch text, and refuse one changed byte."""
    payload = DATA["single"]["statement"] if which == "single" else DATA["batch"]["text"]
    protected, signature = DATA[which]["signature"].split("..")
    (tmp_path / "seal.der").write_bytes(octets(DATA["certificate"]))
    (tmp_path / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
    (tmp_path / "signed").write_text(f"{protected}.{payload}")
    (tmp_path / "changed").write_text(f"{protected}.{payload.replace('tax', 'tex')}")
    public = _openssl("x509", "-inform", "DER", "-in", "seal.der", "-pubkey", "-noout", folder=tmp_path)
    (tmp_path / "seal.pub").write_text(public.stdout)
    arguments = ["pkeyutl", "-verify", "-pubin", "-inkey", "seal.pub", "-rawin", "-sigfile", "signature"]
    good = _openssl(*arguments, "-in", "signed", folder=tmp_path)
    bad = _openssl(*arguments, "-in", "changed", folder=tmp_path, check=False)

    assert "Verified Successfully" in good.stdout
    assert 0 != bad.returncode


def test_openssl_gives_the_value_line(tmp_path):
    """The SHA-256 of openssl over salt and Avro bytes is the value line of the statement."""
    single = DATA["single"]
    (tmp_path / "salted").write_bytes(octets(single["salt"]) + octets(single["value"])[5:])
    digest = _openssl("dgst", "-sha256", "-r", "salted", folder=tmp_path).stdout.split()[0]
    value = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()

    assert f"value {value}\n" in single["statement"]
