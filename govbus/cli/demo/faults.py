"""The ways to be bad: each changes one thing in a good draft and names the rules that may answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from govbus.cli.demo.drafts import Draft, Workbench
from govbus.document.encoding import base64url, from_base64url
from govbus.document.finding import Outcome
from govbus.document.record import HEADER_BYTES_MAX, HEADER_COUNT_MAX, SIGNATURE, STATEMENT, VALUE_BYTES_MAX
from govbus.document.topics import outbox
from govbus.signing.jws import signing_input
from govbus.transport.base import OutRecord

ENDLESS = 1 << 40
"""A count that no record can hold."""
_ENDLESS_TAXONOMY = "taxonomy-of-endless-topics"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to be bad."""

    kind: str
    description: str
    rules: frozenset[str]
    apply: Callable[[Draft, Workbench], Draft]
    """Changes one thing in a good draft."""
    outcome: Outcome = Outcome.REFUSED
    needs_first: bool = False
    """Whether the good draft itself must have been accepted before."""
    is_sendable: bool = True
    """Whether the usual Kafka clients can send it at all."""


Apply = Callable[[Draft, Workbench], Draft]


def _signed(**attributes: bytes | None) -> Apply:
    """Sign other attributes; None drops one. Dashes in names are written as double underscores."""

    def apply(draft: Draft, _: Workbench) -> Draft:
        changes = {name.replace("__", "-"): value for name, value in attributes.items()}
        kept = {name: value for name, value in draft.signed.items() if name not in changes}
        added = {name: value for name, value in changes.items() if value is not None}
        return replace(draft, signed=kept | added)

    return apply


def _tampered(tamper: Callable[[OutRecord], OutRecord]) -> Apply:
    """Change the record after it was signed."""
    return lambda draft, _: replace(draft, tamper=tamper)


def _with_header(name: str, change: Callable[[bytes], bytes]) -> Callable[[OutRecord], OutRecord]:
    """Return what changes the value of one header."""

    def tamper(record: OutRecord) -> OutRecord:
        headers = tuple(
            (header, change(value) if header == name else value) for header, value in record.headers
        )
        return record._replace(headers=headers)

    return tamper


def _added(*headers: tuple[str, bytes]) -> Callable[[OutRecord], OutRecord]:
    """Return what adds headers."""
    return lambda record: record._replace(headers=(*record.headers, *headers))


def _dropped(name: str) -> Callable[[OutRecord], OutRecord]:
    """Return what drops a header."""
    return lambda record: record._replace(
        headers=tuple((header, value) for header, value in record.headers if header != name)
    )


def _said_twice(name: str) -> Callable[[OutRecord], OutRecord]:
    """Return what repeats a header with the same value."""
    return lambda record: _added((name, dict(record.headers)[name]))(record)


def _first_bit_flipped(octets: bytes) -> bytes:
    return bytes([octets[0] ^ 1]) + octets[1:]


def _last_bit_flipped(record: OutRecord) -> OutRecord:
    value = record.value or b""
    return record._replace(value=value[:-1] + bytes([value[-1] ^ 1]))


def _other_algorithm(name: str) -> Apply:
    """Sign under a header that names another algorithm than the key's."""

    def apply(draft: Draft, _: Workbench) -> Draft:
        def tamper(record: OutRecord) -> OutRecord:
            found = dict(record.headers)
            header = json.loads(from_base64url(found[SIGNATURE].split(b".")[0].decode("ascii")))
            text = json.dumps(header | {"alg": name}, separators=(",", ":"))
            protected = base64url(text.encode("utf-8")).encode("ascii")
            signature = draft.signer.sign(signing_input(protected, found[STATEMENT]))
            signed = protected + b".." + base64url(signature).encode("ascii")
            return _with_header(SIGNATURE, lambda _: signed)(record)

        return replace(draft, tamper=tamper)

    return apply


def _signature_over_other_bytes(draft: Draft, _: Workbench) -> Draft:
    """Put the agency's own good signature over another of its documents there."""
    other = dict(replace(draft, time_ms=draft.time_ms + 1).to_record().headers)[SIGNATURE]
    return replace(draft, tamper=_with_header(SIGNATURE, lambda _: other))


def _other_agency(draft: Draft, workbench: Workbench) -> Draft:
    origin = replace(draft.origin, agency=workbench.unknown_agency)
    return replace(
        draft, origin=origin, signed={**draft.signed, "ce_source": origin.source_uri.encode("ascii")}
    )


def _long(number: int) -> bytes:
    """Return an Avro long: zigzag, then seven bits a byte, lowest first."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    octets = bytearray()
    while rest > 0x7F:  # noqa: PLR2004  # seven bits a byte
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*octets, rest])


def _endless_text(draft: Draft, workbench: Workbench) -> Draft:
    """Announce a record id of a terabyte; it is the first field of every document."""
    announced = len(_long(len(str(workbench.metadata["record_id"]).encode("utf-8"))))
    return replace(draft, avro=_long(ENDLESS) + draft.avro[announced:])


def _endless_array(draft: Draft, workbench: Workbench) -> Draft:
    """Announce a block of a million million topics where there is one."""
    avro = workbench.avro(topics=[{"taxonomy": _ENDLESS_TAXONOMY, "topic": "t"}])
    first = _long(len(_ENDLESS_TAXONOMY)) + _ENDLESS_TAXONOMY.encode("ascii")
    return replace(draft, avro=avro.replace(_long(1) + first, _long(ENDLESS) + first))


def _one(rule: str) -> frozenset[str]:
    return frozenset({rule})


_HEADER_FAULTS = (
    Fault(
        "header-name-malformed",
        "An attribute name with capitals and a dash.",
        _one("CE-2"),
        _signed(ce_Case__Number=b"17"),
    ),
    Fault(
        "header-name-not-utf8",
        "An attribute name that is not text.",
        _one("CE-2"),
        lambda draft, _: replace(draft, tamper=_added(("ce_\udcff", b"17"))),
        is_sendable=False,
    ),
    Fault(
        "headers-oversized",
        "A header beyond the limit on size.",
        _one("LIM-1"),
        _tampered(_added(("x-padding", bytes(HEADER_BYTES_MAX)))),
    ),
    Fault(
        "headers-too-many",
        "More headers than the limit on their number.",
        _one("LIM-1"),
        _tampered(_added(*((f"x-{number}", b"") for number in range(HEADER_COUNT_MAX)))),
    ),
    Fault(
        "attribute-twice", "An attribute that stands twice.", _one("CE-2"), _tampered(_said_twice("ce_id"))
    ),
    Fault(
        "attribute-missing",
        "No data classification.",
        _one("CE-1"),
        _signed(ce_dataclassification=None),
    ),
    Fault("attribute-empty", "An empty event type.", _one("CE-1"), _signed(ce_type=b"")),
    Fault(
        "attribute-not-utf8",
        "An attribute value that is not text.",
        _one("CE-6"),
        _signed(ce_subject=b"\xff"),
    ),
    Fault(
        "attribute-with-control-character",
        "An attribute value with a line feed in it.",
        _one("CE-2"),
        _signed(ce_subject=b"one\ntwo"),
    ),
    Fault(
        "specversion-unknown",
        "CloudEvents in a version of the past.",
        _one("CE-1"),
        _signed(ce_specversion=b"0.3"),
    ),
    Fault(
        "content-type-foreign",
        "JSON instead of Avro.",
        _one("CE-5"),
        _signed(content__type=b"application/json"),
    ),
    Fault(
        "dataschema-relative",
        "A schema that is no absolute URI.",
        _one("CE-5"),
        _signed(ce_dataschema=b"person/1"),
    ),
)

_SENDER_FAULTS = (
    Fault("agency-unknown", "A sender that is not registered.", _one("ID-1"), _other_agency),
    Fault(
        "source-foreign",
        "A source that is another outbox than the one that it came from.",
        _one("ID-1"),
        _signed(ce_source=b"https://elsewhere.example/main"),
    ),
    Fault(
        "key-of-another-agency",
        "Signed with the key of another registered agency.",
        _one("SEC-6"),
        lambda draft, bench: replace(draft, signer=bench.foreign_signer),
    ),
    Fault(
        "certificate-unknown",
        "Signed with a key that is not in the directory.",
        _one("SEC-6"),
        lambda draft, bench: replace(draft, signer=bench.unknown_signer),
    ),
    Fault(
        "certificate-expired",
        "Signed under a certificate that had expired.",
        _one("SEC-6"),
        lambda draft, bench: replace(draft, signer=bench.expired_signer),
    ),
    Fault(
        "certificate-not-yet-valid",
        "Signed under a certificate that was not valid yet.",
        _one("SEC-6"),
        lambda draft, bench: replace(draft, signer=bench.future_signer),
    ),
)

_SIGNATURE_FAULTS = (
    Fault(
        "signature-over-other-bytes",
        "A good signature, but over another statement.",
        _one("SEC-3"),
        _signature_over_other_bytes,
    ),
    Fault(
        "signature-malformed",
        "A signature that is not even one.",
        _one("SEC-3"),
        _tampered(_with_header(SIGNATURE, lambda _: b"not a signature")),
    ),
    Fault("signature-missing", "No signature.", _one("SEC-3"), _tampered(_dropped(SIGNATURE))),
    Fault(
        "algorithm-not-pinned",
        "An algorithm that nobody agreed on.",
        _one("SEC-4"),
        _other_algorithm("HS256"),
    ),
    Fault(
        "algorithm-of-another-key",
        "A pinned algorithm, but not the one of the certificate's key.",
        _one("SEC-4"),
        _other_algorithm("ML-DSA-65"),
    ),
    Fault(
        "value-changed",
        "A value that was changed after it was signed.",
        _one("SEC-3"),
        _tampered(_last_bit_flipped),
    ),
    Fault(
        "header-changed",
        "An access level that was changed after it was signed.",
        _one("SEC-3"),
        _tampered(_with_header("ce_accesslevel", lambda _: b"public")),
    ),
    Fault(
        "statement-malformed",
        "A statement with a leading zero, well signed.",
        _one("SEC-3"),
        lambda draft, _: replace(
            draft, rewrite=lambda statement: statement.replace(b"\nlength ", b"\nlength 0")
        ),
    ),
    Fault("statement-missing", "No statement.", _one("SEC-3"), _tampered(_dropped(STATEMENT))),
    Fault(
        "replayed-on-another-topic",
        "A good document, put on the outbox of another agency.",
        _one("SEC-3"),
        lambda draft, bench: replace(
            draft, tamper=lambda record: record._replace(topic=outbox(bench.foreign_agency))
        ),
    ),
    Fault(
        "kafka-key-foreign",
        "A Kafka key that is not the origin.",
        _one("SEC-3"),
        _tampered(lambda record: record._replace(key=b"elsewhere.example/main")),
    ),
)

_SEQUENCE_FAULTS = (
    Fault(
        "index-gap",
        "An index that leaves others out.",
        _one("SEQ-1"),
        lambda draft, _: replace(draft, index=draft.index + 1000),
        outcome=Outcome.QUARANTINED,
    ),
    Fault(
        "index-used-again",
        "An index that another document of the outbox has used.",
        _one("SEQ-1"),
        lambda draft, bench: replace(draft, signed={**draft.signed, "ce_id": bench.new_id()}),
        needs_first=True,
    ),
    Fault(
        "id-with-other-content",
        "An id that was accepted with other content.",
        _one("CE-4"),
        lambda draft, _: replace(draft, index=draft.index + 1),
        needs_first=True,
    ),
)

_VALUE_FAULTS = (
    Fault(
        "value-null", "No value at all.", _one("CE-6"), _tampered(lambda record: record._replace(value=None))
    ),
    Fault(
        "value-over-limit",
        "A value over the limit on size.",
        _one("LIM-2"),
        lambda draft, bench: replace(draft, avro=bench.avro(description="x" * VALUE_BYTES_MAX)),
    ),
    Fault(
        "avro-truncated",
        "A value that ends too soon, well signed.",
        _one("AVR-1"),
        lambda draft, _: replace(draft, avro=draft.avro[:-1]),
    ),
    Fault(
        "avro-with-more-behind",
        "A value with bytes left over, well signed.",
        _one("AVR-1"),
        lambda draft, _: replace(draft, avro=draft.avro + b"\x00"),
    ),
    Fault(
        "avro-array-endless",
        "An array that announces a million million entries.",
        _one("AVR-1"),
        _endless_array,
    ),
    Fault("avro-text-endless", "A text that announces a terabyte.", _one("AVR-1"), _endless_text),
    Fault(
        "schema-unknown",
        "A schema id that nobody registered.",
        _one("AVR-4"),
        lambda draft, _: replace(draft, schema_id=999_999),
    ),
    Fault(
        "schema-of-another-statement",
        "A statement that names another schema than the value's.",
        _one("AVR-4"),
        lambda draft, _: replace(draft, schema_hash="0" * 64),
    ),
)

_AGREEMENT_FAULTS = (
    Fault(
        "agreement-unknown",
        "An agreement that nobody registered.",
        _one("DRM-1"),
        _signed(ce_agreementid=b"agreement-of-nobody"),
    ),
    Fault(
        "agreement-expired",
        "An agreement that is over.",
        _one("DRM-1"),
        lambda draft, bench: _signed(ce_agreementid=bench.expired_agreement.encode("utf-8"))(draft, bench),
    ),
    Fault(
        "agreement-of-another-supplier",
        "An agreement between others.",
        _one("DRM-2"),
        lambda draft, bench: _signed(ce_agreementid=bench.foreign_agreement.encode("utf-8"))(draft, bench),
    ),
    Fault(
        "type-outside-package",
        "A type of document that the agreement's package does not have.",
        _one("DRM-1"),
        _signed(ce_type=b"example.elsewhere.v1"),
    ),
)

FAULTS: tuple[Fault, ...] = (
    *_HEADER_FAULTS,
    *_SENDER_FAULTS,
    *_SIGNATURE_FAULTS,
    *_SEQUENCE_FAULTS,
    *_VALUE_FAULTS,
    *_AGREEMENT_FAULTS,
)
"""Every kind of bad document."""
