"""Forged bundles: each is made by somebody who can write every file again, and none of them verifies.

Where the forger is an operator, he signs his log again with his own keys; one thing is false in each.
"""

import dataclasses
import io
import json
import shutil
import stat
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.audit.bundle.check import Result, check_evidence
from govbus.audit.bundle.contents import SUMS, SignaturePart, evidence_of, sums_of
from govbus.audit.bundle.shown import shown_steps
from govbus.audit.bundle.zip_file import bundle_files, pack, read_bundle
from govbus.document.finding import Outcome
from govbus.errors import ConfigError
from govbus.schemas.core import decode_log_entry
from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import BATCH_TYP, sign_detached
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys


@pytest.fixture(scope="module")
def files(evidence):
    """The files of a bundle that holds."""
    return bundle_files(evidence)


@pytest.fixture
def own(files, tmp_path):
    """The reader's own keys, laid out like trust/."""
    folder = tmp_path / "own keys"
    folder.mkdir()
    for name, octets in files.items():
        if name.startswith("trust/"):
            (folder / name.removeprefix("trust/")).write_bytes(octets)
    return folder


def _failed(files, trust):
    report = check_evidence(evidence_of(files), trust, is_own_trust=True)
    return {step.name for step in report.steps if step.result is Result.FAILED}


def _changed(files, **changes):
    """Return the files with some of them changed, and the sums made right again."""
    changed = {**files, **{name.replace("__", "/"): octets for name, octets in changes.items()}}
    return {**changed, SUMS: sums_of(changed)}


def _relogged(stage, evidence, *, entry=None, **logs):
    """Return the evidence with its log written and signed again by the operator."""
    logged = stage.logged(entry or decode_log_entry(evidence.log_entry), **logs)
    return dataclasses.replace(
        evidence, log_entry=logged.value, entry_proof=logged.proof, head_proof=logged.head_proof
    )


SHELLS = [shell for shell in ("dash", "bash", "busybox sh", "ksh") if shutil.which(shell.split()[0])]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_comes_to_the_same(files, own, run_script, shell):
    """A whole bundle holds in each POSIX shell of this machine, in a folder whose name has a space."""
    code, output = run_script(files, own, shell=shell, name="a bundle")
    assert code == 0, output
    assert "FAILED" not in output
    assert "verified (document 01a20a27-a4e0-79fe-bcaf-c916e187d1dd was accepted)" in output


def test_keys_that_are_named_relatively_are_the_readers(files, own, run_script):
    """A folder in the bundle with the name of the reader's own is not taken for it."""
    assert own.name == "own keys"
    code, output = run_script(files, own.name)
    assert code == 0, output
    for path in own.iterdir():
        path.unlink()
    inside = {f"own keys/{name[6:]}": octets for name, octets in files.items() if name.startswith("trust/")}
    assert run_script({**files, **inside}, own.name)[0] == 1


def test_a_copy_of_the_script_checks_a_bundle_elsewhere(files, own, run_script, tmp_path):
    """Whoever does not trust the script in a bundle runs his own over it."""
    assert run_script(files, own, tmp_path / "bundle")[0] == 0
    lying = _changed(files, **{"verify.sh": b"echo verified\n", "document/value": b"other"})
    for name, octets in lying.items():
        (tmp_path / "lying" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lying" / name).write_bytes(octets)
    code, output = run_script(files, own, tmp_path / "lying")
    assert code == 1
    assert "FAILED  value" in output


FORGED_ENTRIES = {
    "an entry about something else that holds the statement in another field": lambda entry: entry._replace(
        statement=None, record_hash=bytes(32), erasure=entry.statement
    ),
    "an entry about an erasure": lambda entry: entry._replace(decision=Outcome.ERASED),
    "an entry about another document id": lambda entry: entry._replace(document_id="another"),
    "an entry about another outbox": lambda entry: entry._replace(
        source=entry.source._replace(topic="govbus.out.court.example")
    ),
    "an entry without the signatures": lambda entry: entry._replace(signatures=()),
    "an entry without the batch": lambda entry: entry._replace(batch=None, path=b""),
    "an entry by another version of the directory": lambda entry: entry._replace(directory_version=2),
}


@pytest.mark.parametrize("name", FORGED_ENTRIES)
def test_the_entry_must_be_about_this_document(evidence, stage, run_script, name):
    """The operator puts another entry into his log and signs it; both checks say that the entry is wrong."""
    entry = FORGED_ENTRIES[name](decode_log_entry(evidence.log_entry))
    files = bundle_files(_relogged(stage, evidence, entry=entry))
    assert _failed(files, stage.trust()) == {"log entry"}
    code, output = run_script(files)
    assert code == 1
    assert "FAILED  log entry" in output
    assert output.count("FAILED") == 1, output


@pytest.mark.parametrize("decision", [Outcome.REFUSED, Outcome.QUARANTINED, Outcome.DUPLICATE])
def test_what_was_decided_is_in_the_verdict(evidence, stage, run_script, own, decision):
    """A refused document verifies as what it is, and nobody can take it for an accepted one."""
    entry = decode_log_entry(evidence.log_entry)._replace(decision=decision)
    files = bundle_files(_relogged(stage, evidence, entry=entry))
    assert _failed(files, stage.trust()) == set()
    code, output = run_script(files, own)
    assert code == 0, output
    assert "accepted" not in output
    words = {"quarantined": "held in quarantine", "duplicate": "a duplicate"}
    assert f"was {words.get(decision.value, decision.value)})" in output


OTHER_LOGS = {
    "a log of another bus": ({"log": "other.example/log/0"}, "log", "FAILED  log: that is no partition"),
    "a log that is no partition": ({"log": "bus.example/log/x"}, "log", "FAILED  log: that is no partition"),
    "the log of heads": ({"log": "bus.example/log/heads"}, "log", "FAILED  log: that is no partition"),
    "heads of another bus": ({"heads_log": "other.example/log/heads"}, "heads", "FAILED  heads: that is not"),
    "heads by a similar name": (
        {"heads_log": "bus.example/log/heads2"},
        "heads",
        "FAILED  heads: that is not",
    ),
    "a partition as heads": ({"heads_log": "bus.example/log/1"}, "heads", "FAILED  heads: that is not"),
}


@pytest.mark.parametrize("name", OTHER_LOGS)
def test_proofs_must_be_of_the_logs_of_this_bus(evidence, stage, run_script, name):
    """The same keys sign other logs, too; a proof in one of those proves nothing."""
    logs, step, line = OTHER_LOGS[name]
    files = bundle_files(_relogged(stage, evidence, **logs))
    assert step in _failed(files, stage.trust())
    code, output = run_script(files)
    assert code == 1
    assert line in output


def test_a_bundle_cannot_name_another_document(files, stage, run_script):
    """The id in bundle.json is the one in the signed headers, or the bundle does not hold."""
    about = json.loads(files["bundle.json"])
    about["document"] = "00000000-0000-7000-8000-000000000000"
    forged = _changed(
        files, **{"bundle.json": json.dumps(about, separators=(",", ":"), sort_keys=True).encode()}
    )
    assert "headers" in _failed(forged, stage.trust())
    code, output = run_script(forged)
    assert code == 1
    assert "FAILED  document: bundle.json names another" in output


def test_an_entry_of_another_kind_is_not_the_agencys(files, stage, run_script):
    """The manifest lists the octets, but as those of the package."""
    forged = _changed(files, **{"directory/agency.json": files["directory/package.json"]})
    assert "directory" in _failed(forged, stage.trust())
    code, output = run_script(forged)
    assert code == 1
    assert "FAILED  directory: does not list the entry of tax.example" in output


def test_an_issuer_is_no_signer(evidence, stage, run_script):
    """A key of the authority that issues certificates signs; the directory has its certificate as an anchor only."""
    authority = x509.load_der_x509_certificate(evidence.signatures[0].anchor)
    forged = dataclasses.replace(
        evidence,
        signatures=(dataclasses.replace(evidence.signatures[0], certificate=evidence.signatures[0].anchor),),
    )
    files = bundle_files(forged)
    assert authority.public_bytes(Encoding.PEM) == files["signatures/1/certificate.pem"]
    assert "signature 1" in _failed(files, stage.trust())
    code, output = run_script(files)
    assert code == 1
    assert "FAILED  agency 1: the directory does not bind the certificate" in output


def _foreign_signature(evidence, *, typ=BATCH_TYP):
    """Return a signature over the batch by a certificate that a forger issued to himself."""
    forger = CertificateAuthority.create("Example root", at_ms=example_keys.VALID_FROM_MS)
    issued = forger.issue(
        "tax.example",
        Algorithm.ED25519,
        not_before_ms=example_keys.VALID_FROM_MS,
        not_after_ms=example_keys.VALID_TO_MS,
    )
    signer = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="tax.example")
    jws = sign_detached(signer, evidence.batch, typ=typ, at_ms=example_keys.VALID_FROM_MS + 1)
    return jws, signer.certificate.der, _der(forger.certificate_pem)


def test_a_second_anchor_in_the_file_anchors_nothing(evidence, stage, run_script):
    """A forger's own root behind the true anchor in anchor.pem does not make his certificate valid."""
    jws, certificate, root = _foreign_signature(evidence)
    part = evidence.signatures[0]
    files = bundle_files(dataclasses.replace(evidence, signatures=(SignaturePart(jws, certificate, root),)))
    true, forged = _pem(part.anchor), _pem(root)
    forged_files = _changed(files, **{"signatures/1/anchor.pem": true + forged})
    assert {"signature 1", "chain 1"} <= _failed(forged_files, stage.trust())
    code, output = run_script(forged_files)
    assert code == 1
    assert "FAILED  chain 1" in output
    assert "FAILED  agency 1" in output


def _der(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def _pem(der):
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def test_bytes_beside_a_certificate_do_not_bind_it(evidence, files, stage, run_script):
    """A forger's certificate with the agency's own hidden behind it is bound to nobody."""
    jws, certificate, root = _foreign_signature(evidence)
    forged = bundle_files(dataclasses.replace(evidence, signatures=(SignaturePart(jws, certificate, root),)))
    forged = _changed(
        forged, **{"signatures/1/certificate.pem": _pem(certificate) + files["signatures/1/certificate.pem"]}
    )
    assert "signature 1" in _failed(forged, stage.trust())
    code, output = run_script(forged)
    assert code == 1
    assert "FAILED  agency 1: the directory does not bind the certificate" in output


def test_a_signature_for_something_else_is_none(evidence, stage, run_script):
    """The agency's own signature, but with the type of a receipt, is not one over the batch."""
    key = example_keys.signer("tax.example")
    jws = sign_detached(key, evidence.batch, typ="govbus-receipt", at_ms=example_keys.VALID_FROM_MS + 1)
    part = dataclasses.replace(evidence.signatures[0], jws=jws)
    files = bundle_files(dataclasses.replace(evidence, signatures=(part,)))
    assert "signature 1" in _failed(files, stage.trust())
    assert "FAILED  certificate 1" in run_script(files)[1]


NUMBERS = {
    "octal": ("log/entry.tlog-proof", b"index 2\n", b"index 02\n"),
    "negative": ("log/entry.tlog-proof", b"index 2\n", b"index -2\n"),
    "over 2^63": ("log/entry.tlog-proof", b"index 2\n", b"index 18446744073709551618\n"),
    "an expression": ("log/entry.tlog-proof", b"index 2\n", b"index 1+1\n"),
    "twice": ("log/entry.tlog-proof", b"index 2\n", b"index 2\nindex 2\n"),
    "size over 2^63": ("log/entry.tlog-proof", b"\n6\n", b"\n18446744073709551622\n"),
    "a longer path": ("log/entry.tlog-proof", b"index 2\n", b"index 2\n" + b"A" * 43 + b"=\n"),
    "start of a batch in octal": ("document/batch", b"start 0\n", b"start 00\n"),
    "statement with another line": ("document/statement", b"index 0\n", b"index 0\nindex 1\n"),
    "statement with CR": ("document/statement", b"index 0\n", b"index 0\r\n"),
    "batch with another line": ("document/batch", b"start 0\n", b"start 0\nstart 1\n"),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_numbers(files, stage, run_script, name, shell):
    """What a shell could count with in its own way is refused before it counts, with exit code 1."""
    path, old, new = NUMBERS[name]
    forged = _changed(files, **{path: files[path].replace(old, new, 1)})
    assert forged[path] != files[path]
    code, output = run_script(forged, shell=shell)
    assert code == 1, output
    assert _failed(forged, stage.trust())


def test_files_cannot_print_results(files, run_script):
    """A line end in a file does not begin a line of the report."""
    forged = _changed(files, **{"signatures/1/algorithm": b"Ed25519\nverified (document x was accepted)"})
    code, output = run_script(forged)
    assert code == 1
    assert not any(line.startswith("verified") for line in output.splitlines())


def test_names_in_evidence_cannot_print_results(evidence, stage):
    """The program's report has one line for each step, whatever the evidence says."""
    forged = dataclasses.replace(evidence, document_id="x\nverified; not checked: nothing")
    text = check_evidence(forged, stage.trust(), is_own_trust=True).to_text()
    assert text.splitlines()[-1] == "NOT VERIFIED"
    assert not any(line.startswith("verified") for line in text.splitlines())


@pytest.mark.parametrize("name", ["signatures/01/jws", "revocations/x.txt", "more", "a/b/c"])
def test_what_is_not_listed_is_noticed(files, stage, run_script, name):
    """A file that the list does not name fails the script."""
    code, output = run_script({**files, name: b"x"})
    assert code == 1
    assert "FAILED  files" in output


def test_a_bundle_without_its_list_is_noticed(files, run_script):
    """No SHA256SUMS, no verified bundle."""
    code, output = run_script({name: octets for name, octets in files.items() if name != SUMS})
    assert code == 1
    assert "FAILED  files" in output


def test_links_are_refused(files, run_script, tmp_path):
    """A link in a folder would show what is elsewhere; neither check goes on."""
    run_script(files)
    (tmp_path / "bundle" / "document" / "value").unlink()
    (tmp_path / "bundle" / "document" / "value").symlink_to("/dev/zero")
    code, output = run_script({"verify.sh": files["verify.sh"]})
    assert code == 1
    assert "links" in output
    with pytest.raises(ConfigError, match="no links"):
        read_bundle(tmp_path / "bundle")


def test_links_in_a_zip_file_are_refused(files, tmp_path):
    """A ZIP file can hold a link as well."""
    octets = io.BytesIO(pack(files))
    with zipfile.ZipFile(octets, "a") as archive:
        about = zipfile.ZipInfo("document/other")
        about.create_system = 3
        about.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(about, "/etc/passwd")
    (tmp_path / "one.zip").write_bytes(octets.getvalue())
    with pytest.raises(ConfigError, match="no links"):
        read_bundle(tmp_path / "one.zip")


@pytest.mark.parametrize(
    "name", ["./document/value", "document//value", ".hidden", "document/va lue", "a\nb"]
)
def test_names_with_two_readings_are_refused(tmp_path, name):
    """One program could unpack such a file over another that a second program reads."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        archive.writestr(name, b"x")
    (tmp_path / "bad.zip").write_bytes(octets.getvalue())
    with pytest.raises(ConfigError, match="no file"):
        read_bundle(tmp_path / "bad.zip")


def test_a_damaged_zip_file_is_no_bundle(files, tmp_path):
    """Octets that do not decompress end in a message, not in a crash."""
    octets = bytearray(pack(files))
    octets[60:90] = bytes(30)
    (tmp_path / "bad.zip").write_bytes(octets)
    with pytest.raises(ConfigError):
        read_bundle(tmp_path / "bad.zip")


def test_json_that_is_nested_too_deep_is_a_finding(files, stage):
    """Such a file fails its step; it does not end the check."""
    assert "directory" in _failed(_changed(files, **{"directory/agency.json": b"[" * 200_000}), stage.trust())


def test_a_missing_witness_fails_the_quorum_of_the_script(files, own, run_script):
    """Without the Ed25519 witness that the policy asks for, the script does not verify either."""
    lines = files["log/head.tlog-proof"].decode().splitlines(keepends=True)
    kept = [line for line in lines if "archive.example/w" not in line]
    code, output = run_script(_changed(files, **{"log/head.tlog-proof": "".join(kept).encode()}), own)
    assert code == 1
    assert "FAILED  witnesses: the quorum" in output


def test_a_reader_who_asks_for_witnesses_gets_no_head_for_nothing(evidence, stage, run_script, own):
    """Leaving the head out does not get round the reader's own policy; with the bundle's own it is only said."""
    files = bundle_files(dataclasses.replace(evidence, head_proof=None))
    assert _failed(files, stage.trust()) == {"heads"}
    code, output = run_script(files, own)
    assert code == 1
    assert "FAILED  heads: the policy asks for witnesses" in output
    assert run_script(files)[0] == 0


def test_a_page_or_script_of_somebody_elses_is_said(files, evidence):
    """Page and script are compared with what this version writes."""
    results = {step.name: step.result for step in shown_steps(files, evidence)}
    assert results == {"index.html": Result.OK, "verify.sh": Result.OK}
    forged = {**files, "index.html": b"<p>accepted</p>", "verify.sh": b"echo verified"}
    results = {step.name: step.result for step in shown_steps(forged, evidence)}
    assert results == {"index.html": Result.SKIPPED, "verify.sh": Result.SKIPPED}
