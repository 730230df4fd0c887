"""Evidence bundles: a whole one verifies by script and by program, and what is broken in one is named by both."""

import dataclasses
import io
import json
import zipfile

import pytest
from cryptography import x509

from govbus.audit.bundle.check import Result, check_evidence
from govbus.audit.bundle.contents import SUMS, evidence_of, sums_of, trust_of
from govbus.audit.bundle.zip_file import bundle_files, pack, read_bundle
from govbus.errors import ConfigError
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.status_building import RevokedCertificate
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS


def _report(files, trust):
    return check_evidence(evidence_of(files), trust, is_own_trust=True)


def _failed(files, trust):
    """Return the names of the steps that failed."""
    return {step.name for step in _report(files, trust).steps if step.result is Result.FAILED}


def _flip(octets, at=0):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def _changed(files, name, octets):
    """Return the files with one of them changed, and the sums made right again, as an attacker would."""
    changed = {**files, name: octets}
    return {**changed, SUMS: sums_of(changed)}


def _replaced(files, name, old, new):
    text = files[name]
    assert old in text
    return _changed(files, name, text.replace(old, new, 1))


@pytest.fixture(scope="module")
def files(evidence):
    """The files of a bundle that holds."""
    return bundle_files(evidence)


def test_a_bundle_comes_back_as_it_was(evidence, files):
    """What is written into files is read from them."""
    assert evidence_of(files) == evidence


def test_the_same_evidence_gives_the_same_octets(evidence, files):
    """A ZIP file depends on the evidence alone, not on when or where it was packed."""
    assert pack(files) == pack(bundle_files(evidence))


def test_a_bundle_verifies_by_program(files, stage):
    """Every step of a whole bundle holds; only time stamps and revocation material are missing."""
    report = _report(files, stage.trust())
    assert report.is_verified
    skipped = {step.name for step in report.steps if step.result is Result.SKIPPED}
    assert skipped == {"time stamps", "revocation"}


def test_a_bundle_verifies_by_script(files, run_script):
    """Openssl, sha256sum and a shell are enough."""
    code, output = run_script(files)
    assert code == 0, output
    assert "FAILED" not in output
    assert "seal" in output
    assert "witness archive: cosigned" in output


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "ML-DSA-65"])
def test_every_algorithm_verifies(stage, run_script, algorithm):
    """A seal of any pinned algorithm holds by program; the script checks it, or says that its openssl cannot."""
    evidence = stage.evidence({"raw": {"algorithm": algorithm}, "algorithms": [algorithm]})
    files = bundle_files(evidence)
    assert _failed(files, stage.trust()) == set()
    code, output = run_script(files)
    signature = next(line for line in output.splitlines() if "signature 1" in line)
    if signature.startswith("skipped"):
        assert algorithm.startswith("ML-DSA")
        assert code == 2, "a bundle whose only seal could not be checked is not verified"
    else:
        assert code == 0, output


def test_an_officer_beside_the_seal_is_shown_as_one(stage, run_script):
    """Both signatures hold, and the script says who signed as what."""
    evidence = stage.evidence({"raw": {"signed_by": ["seal", "officer"]}})
    files = bundle_files(evidence)
    assert len(evidence.signatures) == 2
    assert _failed(files, stage.trust()) == set()
    code, output = run_script(files)
    assert code == 0, output
    assert "as officer" in output


def test_an_officer_alone_is_not_the_agency(stage, files, run_script):
    """A bundle whose seal was taken out does not verify, although the officer's signature holds."""
    whole = bundle_files(stage.evidence({"raw": {"signed_by": ["seal", "officer"]}}))
    officer = next(
        number
        for number in ("1", "2")
        if b"officer" in whole[f"signatures/{number}/certificate.pem"]
        or "officer" in _kid(whole[f"signatures/{number}/protected"])
    )
    seal = "2" if officer == "1" else "1"
    stripped = {name: octets for name, octets in whole.items() if not name.startswith(f"signatures/{seal}/")}
    stripped[SUMS] = sums_of(stripped)
    assert {"seal", "log entry"} <= _failed(stripped, stage.trust())
    code, output = run_script(stripped)
    assert code == 1
    assert "none by the agency itself" in output


def _kid(protected):
    import base64

    text = protected + b"=" * (-len(protected) % 4)
    return json.loads(base64.urlsafe_b64decode(text))["kid"]


TAMPERED = {
    "value": ("value", lambda files: _changed(files, "document/value", _flip(files["document/value"]))),
    "salt": ("value", lambda files: _changed(files, "document/salt", _flip(files["document/salt"]))),
    "headers": (
        "headers",
        lambda files: _changed(files, "document/headers", _flip(files["document/headers"])),
    ),
    "schema": (
        "schema",
        lambda files: _replaced(files, "document/schema.json", b"Amount assessed", b"Amount refunded"),
    ),
    "statement": (
        "batch",
        lambda files: _replaced(files, "document/statement", b"20:45:00.000Z", b"20:45:00.001Z"),
    ),
    "batch": ("signature 1", lambda files: _replaced(files, "document/batch", b"end 1\n", b"end 2\n")),
    "signature": (
        "signature 1",
        lambda files: {
            **_changed(files, "signatures/1/signature", _flip(files["signatures/1/signature"])),
        },
    ),
    "directory": (
        "directory",
        lambda files: _replaced(files, "directory/agency.json", b"Example Tax Office", b"Example Tax Agency"),
    ),
    "manifest": (
        "directory",
        lambda files: _replaced(files, "directory/manifest.json", b'"version":1', b'"version":2'),
    ),
    "decision": (
        "log",
        lambda files: _changed(files, "log/entry", files["log/entry"][:5] + b"\x02" + files["log/entry"][6:]),
    ),
    "index": ("log", lambda files: _replaced(files, "log/entry.tlog-proof", b"index 2\n", b"index 1\n")),
    "size": ("log", lambda files: _replaced(files, "log/entry.tlog-proof", b"\n6\n", b"\n7\n")),
    "head": ("heads", lambda files: _replaced(files, "log/head.tlog-proof", b"index 1\n", b"index 0\n")),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_is_named_by_both(files, stage, run_script, name):
    """One change, with the sums made right again, fails in the program and in the script."""
    step, change = TAMPERED[name]
    changed = change(files)
    code, output = run_script(changed)
    assert code == 1, output
    assert "FAILED" in output
    if name != "signature":  # the program reads the JWS itself, the file beside it is for openssl
        assert step in _failed(changed, stage.trust())


def test_a_changed_jws_is_noticed(files, stage):
    """The signature itself is read from the JWS as it was received."""
    jws = files["signatures/1/jws"]
    changed = _changed(
        files, "signatures/1/jws", jws[:-6] + (b"AAAAAA" if jws[-6:] != b"AAAAAA" else b"BBBBBB")
    )
    assert _failed(changed, stage.trust()) & {"signature 1", "log entry"}


def test_a_cosignature_that_does_not_hold_is_noticed(files, stage, run_script):
    """A flipped bit in a witness's line fails the quorum and the script."""
    proof = files["log/head.tlog-proof"].decode()
    lines = proof.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "archive.example/w" in line)
    lines[at] = lines[at][:-6] + ("A" if lines[at][-6] != "A" else "B") + lines[at][-5:]
    changed = _changed(files, "log/head.tlog-proof", "".join(lines).encode())
    assert "witnesses" in _failed(changed, stage.trust())
    assert run_script(changed)[0] == 1


def test_a_missing_witness_fails_the_quorum(files, stage):
    """Without one of the two that the policy asks for, the witnesses are not enough."""
    proof = files["log/head.tlog-proof"].decode()
    lines = [line for line in proof.splitlines(keepends=True) if "court.example/w" not in line]
    assert "witnesses" in _failed(
        _changed(files, "log/head.tlog-proof", "".join(lines).encode()), stage.trust()
    )


def test_a_file_that_was_exchanged_alone_is_noticed(files, run_script):
    """The sums name what was changed after packing."""
    code, output = run_script({**files, "index.html": b"<p>Nothing to see.</p>"})
    assert code == 1
    assert "files: a file is missing, changed or not listed" in output


def test_foreign_trust_is_not_enough(files, evidence, stage, run_script, tmp_path):
    """With an authority of one's own that did not sign the directory, nothing about the agency is proven."""
    other = type(stage)()
    trust = other.trust()
    failed = _failed(files, trust)
    assert {"directory", "log", "heads"} <= failed
    folder = tmp_path / "own"
    folder.mkdir()
    for name, octets in bundle_files(other.evidence()).items():
        if name.startswith("trust/"):
            (folder / name.removeprefix("trust/")).write_bytes(octets)
    code, output = run_script(files, str(folder))
    assert code == 1
    assert "FAILED  directory: signed by the governing authority" in output
    assert "FAILED  log: checkpoint of bus.example/log/0" in output


def test_an_erased_value_leaves_the_rest_standing(evidence, stage, run_script):
    """Without value and salt everything else verifies, and both say that the value is not there."""
    files = bundle_files(dataclasses.replace(evidence, value=None, salt=None))
    report = _report(files, stage.trust())
    assert report.is_verified
    assert ("value", Result.SKIPPED) in {(step.name, step.result) for step in report.steps}
    code, output = run_script(files)
    assert code == 0
    assert "skipped value" in output
    assert b"it was erased, or left out" in files["index.html"]


def test_a_revoked_certificate_proves_nothing(evidence, stage, run_script):
    """A signature made after the revocation in the directory is refused, by both."""
    revoked = stage.evidence({"raw": {"signer": "revoked-certificate"}})
    files = bundle_files(revoked)
    assert "signature 1" in _failed(files, stage.trust())
    code, output = run_script(files)
    assert code == 1
    assert "was revoked on 2025-06-01" in output


def test_the_page_is_self_contained_and_shows_what_was_sent(files):
    """The page has no script and nothing from elsewhere; it shows value, decision and parties."""
    page = files["index.html"].decode()
    assert "<script" not in page
    assert "src=" not in page
    assert "href=" not in page
    for text in (
        "K-2026-17",
        "tax.example/main",
        "accepted",
        "bus.example/log/0",
        "Example Tax Procedure Act",
    ):
        assert text in page


def test_what_a_document_says_is_shown_as_text(stage):
    """Markup in a document's value or title does not become markup of the page."""
    evidence = stage.evidence({"body": {"reason": "<script>alert(1)</script>"}})
    page = bundle_files(evidence)["index.html"].decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_bundle_is_read_from_zip_and_folder(files, tmp_path):
    """The ZIP file and the folder that it was unpacked into give the same files."""
    (tmp_path / "one.zip").write_bytes(pack(files))
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        archive.extractall(tmp_path / "folder")
    assert read_bundle(tmp_path / "one.zip") == files
    assert read_bundle(tmp_path / "folder") == files


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a\\b"])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    """A ZIP file with a path out of its folder is no bundle."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        archive.writestr(name, b"x")
    (tmp_path / "bad.zip").write_bytes(octets.getvalue())
    with pytest.raises(ConfigError, match="no file"):
        read_bundle(tmp_path / "bad.zip")


def test_what_is_no_bundle_is_refused(tmp_path):
    """A file that is no ZIP file, and files without an index, are refused by name."""
    (tmp_path / "text.zip").write_bytes(b"hello")
    with pytest.raises(ConfigError, match="no evidence bundle"):
        read_bundle(tmp_path / "text.zip")
    with pytest.raises(ConfigError, match=r"lacks the file bundle\.json"):
        evidence_of({})
    with pytest.raises(ConfigError, match="expected a bundle of format"):
        evidence_of({"bundle.json": b'{"format":"govbus/bundle/v9"}'})


def test_a_trust_folder_without_the_logs_keys_is_refused():
    """The refusal names the file that is missing."""
    with pytest.raises(ConfigError, match=r"log-ed25519\.pub\.pem"):
        trust_of({})


def test_the_report_is_machine_readable(files, stage):
    """The JSON report has every step with its result."""
    report = json.loads(_report(files, stage.trust()).to_json())
    assert report["verified"] is True
    assert {"statement", "seal", "log", "witnesses"} <= {step["step"] for step in report["steps"]}


def _with_list(evidence, *, revoked_ms=None, by=None):
    """Return the evidence with a revocation list of its time; a serial number is revoked where a date is given."""
    serial = x509.load_der_x509_certificate(evidence.signatures[0].certificate).serial_number
    revoked = [] if revoked_ms is None else [RevokedCertificate(serial, revoked_ms)]
    authority = by or example_keys.authority()
    der = authority.crl(
        revoked, this_update_ms=BASE_AT_MS - 1000, next_update_ms=BASE_AT_MS + 86_400_000, number=1
    )
    return dataclasses.replace(evidence, revocations=(der,))


def test_a_revocation_list_that_says_nothing_bad_is_checked(evidence, stage, run_script):
    """The list is by the authority, and the certificate is not on it."""
    files = bundle_files(_with_list(evidence))
    report = _report(files, stage.trust())
    assert ("revocation", Result.OK) in {(step.name, step.result) for step in report.steps}
    code, output = run_script(files)
    assert code == 0, output
    assert "ok      revocation 1: not revoked" in output


def test_a_certificate_revoked_before_proves_nothing(evidence, stage, run_script):
    """A list that revokes the certificate before the statement's time fails both checks."""
    files = bundle_files(_with_list(evidence, revoked_ms=BASE_AT_MS - 60_000))
    assert "revocation" in _failed(files, stage.trust())
    code, output = run_script(files)
    assert code == 1
    assert "FAILED  revocation 1: the certificate was revoked on" in output


def test_a_later_revocation_changes_nothing(evidence, stage, run_script):
    """Revocation counts from its date, not before."""
    files = bundle_files(_with_list(evidence, revoked_ms=BASE_AT_MS + 60_000))
    assert "revocation" not in _failed(files, stage.trust())
    assert run_script(files)[0] == 0


def test_a_list_by_somebody_else_is_not_believed(evidence, stage):
    """A list that no authority of the chain signed is no word about the certificate."""
    other = CertificateAuthority.create("Example root", at_ms=example_keys.VALID_FROM_MS)
    files = bundle_files(_with_list(evidence, by=other))
    assert "revocation" in _failed(files, stage.trust())
