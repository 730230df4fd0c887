"""Evidence bundles and trust folders as strangers might write them, as ZIP files, folders and sets of files."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from govbus.audit.bundle.check import check_evidence
from govbus.audit.bundle.contents import TrustPart, evidence_of, trust_of
from govbus.audit.bundle.zip_file import bundle_files, changed_files, pack, read_bundle
from govbus.errors import ConfigError
from govbus.message_log.heads import head_origin
from govbus.message_log.proof import TlogProof
from govbus.testing.example_bus import BUS
from tests.unit.audit.bundle.conftest import Stage

from .evidence import stamped, tsa
from .material import Choices, changed, edited

STEP_CHARACTERS_MAX: Final = 1_000
"""Of what a report says about one step, however large the bundle is."""
DEEP: Final = b"[" * 100_000


@functools.cache
def _stage() -> tuple[Mapping[str, bytes], TrustPart]:
    """Return the files of a bundle with everything in it, and the keys of its reader."""
    stage = Stage()
    evidence = stage.evidence({"raw": {"mode": "batch"}})
    head = TlogProof.from_text(evidence.head_proof).note.partition("\n\n")[0] + "\n"
    assert head.startswith(head_origin(BUS))
    files = {**bundle_files(evidence), "timestamps/tsa.tsr": stamped(head.encode("utf-8"))}
    trust = stage.trust()
    anchors = tuple(anchor.public_bytes(Encoding.DER) for anchor in tsa().anchors)
    return files, TrustPart(
        trust.authority, trust.log_ed25519_pem, trust.log_ml_dsa_44_pem, trust.policy, anchors
    )


def bundle(octets: bytes) -> None:
    """Check a bundle of which some files are changed; every step ends in a result with a short text."""
    choices = Choices(octets)
    good, trust = _stage()
    files = dict(good)
    for _ in range(1 + choices.number(3)):
        name = choices.pick(sorted(files))
        match choices.number(6):
            case 0:
                del files[name]
            case 1:
                files[name] = choices.pick((b"", b"{}", b"null", b"[]", b'"', DEEP, b"\xff"))
            case 2:
                files[choices.text()] = files[name]
            case 3 if name.endswith(".json"):
                files[name] = json.dumps(changed(_json_of(files[name]), choices)).encode("ascii")
            case _:
                files[name] = edited(files[name], choices)
    changed_files(files)
    try:
        evidence = evidence_of(files)
        own = (
            trust_of({name.removeprefix("trust/"): one for name, one in files.items()})
            if choices.number(2)
            else trust
        )
    except ConfigError as err:
        str(err).encode("utf-8")
        return
    report = check_evidence(evidence, own, is_own_trust=True)
    report.to_json().encode("utf-8")
    for step in report.steps:
        if len(step.text) > STEP_CHARACTERS_MAX:
            raise AssertionError(f"step {step.name} says {len(step.text)} characters")


def _json_of(octets: bytes) -> object:
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None


@functools.cache
def _zip() -> bytes:
    return pack({"bundle.json": b"{}", "document/value": bytes(300), "verify.sh": b"#"})


def bundle_zip(octets: bytes) -> None:
    """Read a ZIP file, or one of ours with a few octets changed."""
    choices = Choices(octets)
    content = edited(_zip(), choices) if choices.number(4) else choices.rest()
    with tempfile.TemporaryDirectory(prefix="govbus-fuzz-") as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(content)
        for files in (read_bundle(path),):
            changed_files(files)


def zip_seed() -> bytes:
    """Return a ZIP file behind the byte that says it is taken as it is."""
    return b"\x00" + _zip()
