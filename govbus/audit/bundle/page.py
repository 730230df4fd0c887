"""The page of an evidence bundle: one HTML file for people, without scripts and without anything from elsewhere.

It repeats what the files say and how to check it. It proves nothing by itself, and says so.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, Final

from govbus.audit.bundle.contents import Evidence
from govbus.document.decision import LogEntry
from govbus.document.encoding import from_base64url, time_text
from govbus.document.statement import Statement
from govbus.errors import RuleError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.note import Note
from govbus.message_log.proof import TlogProof
from govbus.schemas.codec import AvroCodec
from govbus.schemas.core import decode_log_entry
from govbus.schemas.json_form import to_json
from govbus.signing.certificates import Certificate
from govbus.signing.jws import DetachedSignature

VALUE_CHARACTERS_MAX: Final = 200_000
"""Of the document as text; the whole of it is in ``document/value``."""

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 56rem; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #a9aeb1; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; width: 14rem; vertical-align: top; }
th, td { padding: .25rem .5rem .25rem 0; overflow-wrap: anywhere; } tr { border-bottom: 1px solid #dfe1e2; }
pre { background: #f0f0f0; padding: .75rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.notice { border-left: .4rem solid #005ea2; background: #e7f6f8; padding: .5rem 1rem; }
@media print { body { margin: 0; max-width: none; } }
"""


def page_of(evidence: Evidence) -> str:
    """Return the page as HTML.

    Raises:
        MetadataError: if the statement cannot be read.
        SchemaError: if the log entry cannot be read.
        NoteError: if a proof cannot be read.
    """
    statement = Statement.from_bytes(evidence.statement)
    entry = decode_log_entry(evidence.log_entry)
    parts = (
        f"<h1>Evidence about document {html.escape(evidence.document_id)}</h1>",
        '<p class="notice">This page repeats what the files beside it say; it proves nothing by itself. '
        "<code>sh verify.sh</code> proves it with <code>openssl</code> and <code>sha256sum</code>, "
        "<code>sh verify.sh FOLDER</code> with keys of your own in place of those in <code>trust/</code>.</p>",
        _section("What was sent", _sent(evidence, statement)),
        _document(evidence),
        _section("Who signed it", _signers(evidence)),
        _section("What the bus decided", _decision(entry)),
        _section("Where it stands in the log, and who saw that", _places(evidence)),
        _section("The agreement behind it", _agreement(evidence)),
    )
    title = f"Evidence {html.escape(evidence.document_id)}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


Rows = Iterable[tuple[str, str]]


def _section(title: str, rows: Rows) -> str:
    lines = [
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows if value
    ]
    return f"<h2>{html.escape(title)}</h2>\n<table>{''.join(lines)}</table>" if lines else ""


def _sent(evidence: Evidence, statement: Statement) -> Rows:
    yield "Origin", str(statement.origin)
    yield "Number in its outbox", str(statement.index)
    yield "Sent to", statement.topic
    yield "Sent at", time_text(statement.time_ms)
    yield "Length", f"{statement.length:,} bytes"
    yield "SHA-256 with salt", statement.value
    for line in evidence.headers.decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(":")
        try:
            yield name, from_base64url(text).decode("utf-8", "replace")
        except RuleError:
            yield name, text


def _document(evidence: Evidence) -> str:
    if evidence.value is None:
        return (
            "<h2>The document</h2>\n<p>It is not here: it was erased, or left out. "
            "Statement, signatures and log still hold.</p>"
        )
    try:
        value: Any = to_json(AvroCodec(json.loads(evidence.schema)).decode(evidence.value))
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except (RuleError, ValueError) as err:
        text = f"cannot be shown: {err}"
    if len(text) > VALUE_CHARACTERS_MAX:
        text = text[:VALUE_CHARACTERS_MAX] + "\n… (the whole of it is in document/value)"
    return f"<h2>The document</h2>\n<pre>{html.escape(text)}</pre>"


def _signers(evidence: Evidence) -> Rows:
    for part in evidence.signatures:
        signature = DetachedSignature.from_bytes(part.jws)
        certificate = Certificate.from_der(part.certificate)
        over = (
            "this statement" if signature.typ == "govbus-statement" else "a batch that this statement is in"
        )
        yield (
            signature.kid,
            f"{signature.algorithm} over {over}; certificate of {certificate.subject}, "
            f"{time_text(certificate.not_before_ms)[:10]} to {time_text(certificate.not_after_ms)[:10]}, "
            f"SHA-256 {certificate.thumbprint}",
        )


def _decision(entry: LogEntry) -> Rows:
    yield "Decision", entry.decision.value
    yield "Decided at", time_text(entry.time_ms)
    yield "By directory version", str(entry.directory_version)
    yield "Delivered to", ", ".join(entry.recipients)
    for finding in entry.findings:
        yield f"Finding {finding.rule}", f"{finding.field}: {finding.detail}"


def _places(evidence: Evidence) -> Rows:
    for what, text in (("Log entry", evidence.entry_proof), ("Its checkpoint", evidence.head_proof)):
        if text is None:
            continue
        proof = TlogProof.from_text(text)
        note = Note.from_text(proof.note)
        checkpoint = Checkpoint.from_text(note.text)
        yield what, f"number {proof.index} of {checkpoint.size} in {checkpoint.origin}"
        yield "Signed by", ", ".join(sorted({line.name for line in note.signatures}))
    yield "Time stamps", ", ".join(sorted(evidence.timestamps)) or "none"


def _agreement(evidence: Evidence) -> Rows:
    octets = evidence.directory.entries.get("agreement")
    if octets is None:
        return
    entry: dict[str, Any] = json.loads(octets)
    for name in ("id", "name", "purpose", "legal_authority", "valid_from", "valid_to", "classification"):
        yield name.replace("_", " ").capitalize(), str(entry.get(name, ""))
    yield "From", str(entry.get("supplier", {}).get("agency", ""))
    yield "To", ", ".join(str(one.get("agency", "")) for one in entry.get("consumers", ()))
