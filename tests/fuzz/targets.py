"""Every place where bytes of strangers enter, each a function of bytes that raises only what callers await."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, NamedTuple, get_origin

from aiokafka.errors import CorruptRecordException
from pydantic import TypeAdapter, ValidationError

from govbus.document.encoding import from_base64url, time_ms_from_text, time_text
from govbus.document.ids import AgencyId, Origin, PackageId
from govbus.document.record import Envelope, frame
from govbus.document.statement import Statement
from govbus.errors import (
    ConfigError,
    GovbusError,
    LogIntegrityError,
    MetadataError,
    NoteError,
    RuleError,
    SchemaError,
    TimestampError,
)
from govbus.message_log.checkpoint import Checkpoint, open_checkpoint
from govbus.message_log.cosignature import cosigned_at_s
from govbus.message_log.keys import LogKeys, verifier_from_vkey
from govbus.message_log.note import Note, vkey_text
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.message_log.witness import AddCheckpoint, SignSubtree
from govbus.routing.codes import CodeLists
from govbus.routing.directory import fields as directory_fields
from govbus.routing.rules.agency_ids import SCHEMES, ParticipantUrn, external_id_breaches
from govbus.routing.rules.cloudevents import parse_time_ms
from govbus.routing.rules.cui_banner import banner_of, classified_word
from govbus.routing.rules.flow import interval_ms
from govbus.routing.rules.language_tags import is_well_formed, language_iso639_1
from govbus.routing.trust.status import Known, RevocationRecords
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compatibility import Compatibility, compatibility_breaches
from govbus.schemas.core import decode_log_entry, decode_receipt, encode_log_entry
from govbus.schemas.governance import documentation_breaches, schema_breaches
from govbus.schemas.single_object import unwrap_single_object
from govbus.signing.batch import BatchText
from govbus.signing.certificates import Certificate
from govbus.signing.jws import DetachedSignature
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BASE_SCHEMA, TAX
from govbus.testing.record_batches import RawRecord, record_batch
from govbus.transport.base import TopicPartition
from govbus.transport.kafka.tolerant import read_batches

from . import bundles, directories, documents, evidence, services
from .material import Choices, bundled_definitions, changed, edited, value_of

MESSAGE_CHARACTERS_MAX: Final = 2_000
"""Of an error about input, however large that is."""
BREACHES_MAX: Final = 200


class Target(NamedTuple):
    """One entry point."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    allowed: tuple[type[Exception], ...] = ()
    """Errors that callers of the entry point await."""
    runs: int = 3_000
    """Executions in the bounded campaign of the tests."""
    words: tuple[bytes, ...] = ()
    """Words that the fuzzer puts in."""

    def __call__(self, octets: bytes) -> None:
        """Try an input; whatever else comes out is a defect."""
        try:
            self.run(octets)
        except self.allowed as err:
            message = str(err)
            message.encode("utf-8")
            if len(message) > MESSAGE_CHARACTERS_MAX:
                raise AssertionError(f"an error of {len(message)} characters") from err


def _statement(octets: bytes) -> None:
    if Statement.from_bytes(octets).to_bytes() != octets:
        raise AssertionError("two texts of one statement")


def _batch(octets: bytes) -> None:
    if BatchText.from_bytes(octets).to_bytes() != octets:
        raise AssertionError("two texts of one batch")


def _envelope(octets: bytes) -> None:
    """Read headers: of each three bytes say how long name and value are."""
    choices = Choices(octets)
    headers = []
    while not choices.is_used_up:
        name = choices.octets(choices.number(256)).decode("utf-8", "surrogateescape")
        value = choices.octets(choices.number(2**16))
        headers.append((name, value))
    Envelope.from_headers(tuple(headers))


def _signature(octets: bytes) -> None:
    DetachedSignature.from_bytes(octets)


def _note(octets: bytes) -> None:
    note = Note.from_bytes(octets)
    if note.to_text().encode("utf-8") != octets:
        raise AssertionError("two texts of one note")
    if Checkpoint.from_text(note.text).to_text() != note.text:
        raise AssertionError("two texts of one checkpoint")


@functools.cache
def _log_keys() -> LogKeys:
    return LogKeys.generate()


def _checkpoint(octets: bytes) -> None:
    """Open a checkpoint that the log signed, with some bytes changed before or after."""
    choices = Choices(octets)
    checkpoint = Checkpoint("bus.example/log/0", 7, bytes(32))
    text = checkpoint.to_text()
    if choices.number(2):
        text = edited(text.encode("utf-8"), choices).decode("utf-8", "replace")
    signers = _log_keys().signers("bus.example/log/0")
    note = Note(text, tuple(signer.sign(text, at_s=choices.number(2**31)) for signer in signers)).to_text()
    signed = edited(note.encode("utf-8"), choices) if choices.number(2) else note.encode("utf-8")
    open_checkpoint(signed, _log_keys().public.verifiers("bus.example/log/0"))
    for line in Note.from_bytes(signed).signatures:
        cosigned_at_s(line.signature.ljust(8, b"\x00"))


def _policy(octets: bytes) -> None:
    policy = Policy.from_bytes(octets)
    if Policy.from_text(policy.to_text()) != policy:
        raise AssertionError("a policy that reads back as another one")


def _c2sp_texts(octets: bytes) -> None:
    """Read a proof of logging and both requests to a witness; what is read has one text."""
    for read in (TlogProof.from_bytes, AddCheckpoint.from_bytes, SignSubtree.from_bytes):
        try:
            found = read(octets)
        except NoteError:
            continue
        if found.to_text().encode("utf-8") != octets:
            raise AssertionError("two texts of one request or proof")


def _vkey(octets: bytes) -> None:
    verifier_from_vkey(octets.decode("utf-8", "replace"))


@functools.cache
def _codecs() -> tuple[AvroCodec, ...]:
    return (*map(AvroCodec, bundled_definitions()), documents.schema().codec)


def _avro(octets: bytes) -> None:
    """Decode bytes of strangers, and good values with a few bytes changed, by a shipped schema."""
    choices = Choices(octets)
    codec = choices.pick(_codecs())
    if choices.number(2):
        codec.decode(choices.rest())
        return
    avro = codec.encode(value_of(codec.definition, choices))
    codec.decode(avro)
    codec.decode(edited(avro, choices))


def _single_object(octets: bytes) -> None:
    schemas = documents.directory().schemas
    unwrap_single_object(octets, schemas.by_fingerprint)


@functools.cache
def _schema_bases() -> tuple[Any, ...]:
    return (*bundled_definitions(), BASE_SCHEMA, documents.SCHEMA)


def _schema(octets: bytes) -> None:
    """Judge a schema: one of ours with a few places changed, or any JSON."""
    choices = Choices(octets)
    base = choices.pick(_schema_bases())
    if choices.number(4) == 3:
        try:
            definition = json.loads(choices.rest())
        except (ValueError, RecursionError):
            return
    else:
        definition = changed(base, choices)
    own = schema_breaches(definition, "schemas.0")
    services.check_breaches([*own, *documentation_breaches(definition)], BREACHES_MAX)
    if not own:
        services.check_breaches(
            compatibility_breaches(definition, [base], Compatibility.FULL_TRANSITIVE), BREACHES_MAX
        )
    codec = AvroCodec(definition)
    try:
        avro = codec.encode(value_of(definition, choices))
    except (SchemaError, KeyError, TypeError, IndexError):
        return  # a value that this harness cannot make
    codec.decode(avro)


def _banner(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    classified_word(text)
    if str(banner_of(text, CodeLists.shipped(), BASE_AT_MS)) != text:
        raise AssertionError("two texts of one banner")


def _times(octets: bytes) -> None:
    """Read times and intervals, and write what was read."""
    time_ms = parse_time_ms(octets)
    if time_ms is not None:
        time_text(time_ms)
    text = octets.decode("utf-8", "replace")
    interval_ms(text[:60])
    time_ms = time_ms_from_text(text)
    if time_ms_from_text(time_text(time_ms)) != time_ms:
        raise AssertionError("a time is another one once it is written")


_FIELDS: Final = tuple(
    TypeAdapter(one) for one in vars(directory_fields).values() if get_origin(one) is Annotated
)
"""Every kind of text that a field of the directory can have."""


def _identifiers(octets: bytes) -> None:
    """Read ids, tags and the other texts that have a grammar."""
    text = octets.decode("utf-8", "surrogateescape")
    for adapter in _FIELDS:
        try:
            adapter.dump_json(adapter.validate_python(text))
        except ValidationError as err:
            err.errors(include_url=False)
    is_well_formed(text)
    language_iso639_1(text, CodeLists.shipped().codes("iso639-1-languages", BASE_AT_MS))
    for scheme in SCHEMES:
        services.check_breaches(
            external_id_breaches(scheme, text, CodeLists.shipped(), BASE_AT_MS), BREACHES_MAX
        )
    for read in (AgencyId.from_text, PackageId.from_text, Origin.from_text, from_base64url):
        try:
            read(text)
        except MetadataError as err:
            if len(str(err)) > MESSAGE_CHARACTERS_MAX:
                raise
    urn = ParticipantUrn.from_text(text)
    if ParticipantUrn.from_text(str(urn)) != urn:
        raise AssertionError("a URN is another one once it is written")


def _revocation_seeds() -> tuple[bytes, ...]:
    authority, pem = example_keys.authority(), example_keys.issued(TAX.text).certificate_pem
    times = {"this_update_ms": BASE_AT_MS, "next_update_ms": BASE_AT_MS + 1000}
    responder = authority.issue_responder(
        not_before_ms=example_keys.VALID_FROM_MS, not_after_ms=example_keys.VALID_TO_MS
    )
    return (
        authority.crl([authority.revoked_of(pem, BASE_AT_MS)], **times),
        authority.ocsp_response(pem, **times),
        authority.ocsp_response(pem, responder=responder, **times),
    )


def _revocations(octets: bytes) -> None:
    """Whatever was read says something about a certificate without failing."""
    records = RevocationRecords()
    try:
        records.add(octets)
    finally:
        subject, issuer = (
            Certificate.from_pem(pem)
            for pem in (
                example_keys.issued(TAX.text).certificate_pem,
                example_keys.authority().certificate_pem,
            )
        )
        known = records.known_of(subject, issuer, records.count)
        assert records.count == 1
        assert known == Known() or known.next_update_ms is not None


def _log_records(octets: bytes) -> None:
    """Decode what stands on the message log and in inboxes."""
    choices = Choices(octets)
    number = choices.number(2)
    codec = _codecs()[number]
    avro = (
        choices.rest()
        if choices.number(2)
        else edited(codec.encode(value_of(codec.definition, choices)), choices)
    )
    value = frame(number + 1, avro)
    if number:
        decode_receipt(value)
    else:
        encode_log_entry(decode_log_entry(value))


def _record_batches(octets: bytes) -> None:
    """Take record batches apart that no client would send."""
    choices = Choices(octets)
    header = (choices.octets(20) or None, choices.octets(20))
    records = [RawRecord(choices.octets(8), choices.octets(30), (header,) * choices.number(4))]
    body = choices.pick((None, edited(record_batch(records)[61:], choices)))
    batch = record_batch(records, attributes=choices.pick((0, 0, 1, 2, 0x10, 0x20)), body=body)
    if choices.number(4) == 1:
        batch = edited(batch, choices)
    read_batches(batch * 2, TopicPartition("govbus.out.tax.example", 0), choices.number(3), [])


_AVSC: Final = tuple(json.dumps(one).encode("utf-8") for one in [BASE_SCHEMA, "string", ["null", "string"]])
_JSON_WORDS: Final = (
    *(
        f'"{word}"'.encode("ascii")
        for word in ("type", "record", "fields", "name", "union", "default", "items")
    ),
    *(
        f'"{word}"'.encode("ascii")
        for word in ("map", "array", "values", "logicalType", "decimal", "precision")
    ),
    *(
        f'"{word}"'.encode("ascii")
        for word in ("fixed", "size", "enum", "symbols", "aliases", "null", "long")
    ),
)
_STATEMENT: Final = (
    b"govbus/statement/v1\norigin tax.example/main\nindex 0\ntopic govbus.out.tax.example\n"
    b"headers " + b"A" * 43 + b"\nschema " + b"0" * 64 + b"\nlength 3\nvalue " + b"A" * 43 + b"\n"
    b"time 2026-11-23T20:45:00.123Z\n"
)
_BATCH: Final = b"govbus/batch/v1\norigin tax.example/main\nstart 0\nend 1\nroot " + b"A" * 43 + b"\n"
_JWS: Final = (
    b"eyJhbGciOiJFZDI1NTE5IiwiYjY0IjpmYWxzZSwiY3JpdCI6WyJiNjQiXSwiaWF0IjoxLCJraWQiOiJrIiwidHlwIjoiZ292YnVzLXN0"
    b"YXRlbWVudCIsIng1dCNTMjU2IjoiQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQSJ9.." + b"A" * 86
)
_NOTE: Final = ("bus.example/log/0\n7\n" + "A" * 43 + "=\n\n\u2014 bus.example/log/0 AAAAAAAA\n").encode()
_HASH: Final = b"A" * 43 + b"=\n"
_C2SP_TEXTS: Final = (
    b"c2sp.org/tlog-proof@v1\nextra QQ==\nindex 5\n" + _HASH + b"\n" + _NOTE,
    b"old 3\n" + _HASH + b"\n" + _NOTE,
    b"subtree 4 6\n" + 2 * _HASH + b"\n" + _NOTE,
)
_POLICY: Final = "".join(
    (
        "# comment\n",
        f"witness a {vkey_text('a.example', 0x04, bytes(range(32)))} https://a.example\n",
        f"witness b {vkey_text('b.example', 0x04, bytes(range(1, 33)))}\n",
        "group g any a b\nquorum g\n",
    )
).encode()
_WORDS_OF_BANNERS: Final = (
    b"CUI",
    b"CONTROLLED",
    b"//",
    b"SP-",
    b"REL TO USA, GBR",
    b"NOFORN",
    b"FED ONLY",
    b"DL ONLY",
)
_CHOICES: Final = (b"", bytes(64), bytes(range(256)), b"\x01\x02\x03" * 40)
_RULE: Final = (RuleError,)

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        Target("headers", _envelope, (b"\x05ce_id\x00\x00\x00\x011", *_CHOICES), _RULE),
        Target("statement", _statement, (_STATEMENT, _STATEMENT.replace(b"2026", b"0001")), _RULE),
        Target("batch", _batch, (_BATCH, _BATCH.replace(b".", b"..")), _RULE),
        Target("signature", _signature, (_JWS,), _RULE),
        Target("note", _note, (_NOTE,), (GovbusError,)),
        Target("checkpoint", _checkpoint, _CHOICES, (GovbusError,), 800),
        Target("policy", _policy, (_POLICY, _POLICY.replace(b"any", b"2")), (GovbusError,)),
        Target("c2sp_texts", _c2sp_texts, _C2SP_TEXTS),
        Target("vkey", _vkey, (b"bus.example/log/0+00000000+AQAA",), (GovbusError,)),
        Target("avro", _avro, _CHOICES, _RULE),
        Target("single_object", _single_object, (b"\xc3\x01" + bytes(20),), _RULE),
        Target(
            "schema", _schema, (*_CHOICES, *(b"\x00\x03" + one for one in _AVSC)), _RULE, 1_500, _JSON_WORDS
        ),
        Target("banner", _banner, (b"CUI//SP-TAX/PRVCY//FED ONLY",), _RULE, 5_000, _WORDS_OF_BANNERS),
        Target(
            "times",
            _times,
            (b"2026-11-23T20:45:00.123Z", b"0001-01-01T00:00:00+14:00", b"R/P1D"),
            _RULE,
            5_000,
        ),
        Target(
            "identifiers", _identifiers, (b"tax.example", b"urn:govbus:org:us-omb:015:45", b"en-US"), _RULE
        ),
        Target("log_records", _log_records, _CHOICES, _RULE),
        Target("revocations", _revocations, _revocation_seeds(), _RULE, 3_000),
        Target("record_batches", _record_batches, _CHOICES, (CorruptRecordException,)),
        Target("decide_headers", documents.headers_totally, _CHOICES),
        Target("decide", documents.decide_totally, tuple(documents.seeds()), (), 1_000),
        Target("delivered", documents.deliver_totally, tuple(documents.seeds()), (), 1_000),
        Target("judge", documents.judge_totally, tuple(documents.seeds()), (), 1_500),
        Target("yaml", directories.yaml, directories.YAML_SEEDS),
        Target("code_lists", directories.code_list, directories.YAML_SEEDS),
        Target("directory_files", directories.directory_files, _CHOICES, (), 150),
        Target("directory_entries", directories.directory_entries, _CHOICES, (), 800),
        Target("directory_records", directories.directory_records_read, _CHOICES, (), 300),
        Target("certificate", directories.certificate, _CHOICES, _RULE),
        Target("niem_xml", services.niem_xml, services.XML_SEEDS, words=services.XML_WORDS),
        Target("niem_json", services.niem_json, services.JSON_SEEDS, (), 800),
        Target("niem_formats", services.niem_formats, _CHOICES, (), 150),
        Target("contracts", services.contracts, (*directories.YAML_SEEDS, *_CHOICES), (), 300),
        Target(
            "catalogue_words",
            services.catalogue_words,
            (b"tax assess", b'"a" OR b*', b"NEAR(a b)"),
            (GovbusError,),
        ),
        Target("schema_registry", services.schema_registry, _CHOICES, (), 150),
        Target("manifest", evidence.manifest, (evidence.manifest_seed(),), (LogIntegrityError,)),
        Target("renewal", evidence.renewal, evidence.renewal_seeds()),
        Target("erasure", evidence.erasure, (evidence.erasure_seed(),), (MetadataError,)),
        Target("key_reference", evidence.key_reference, evidence.KEY_SEEDS, (ConfigError,)),
        Target("tiles", evidence.tiles, evidence.TILE_SEEDS),
        Target("archive_frames", evidence.archive_frames, _CHOICES, (LogIntegrityError,)),
        Target("archived_record", evidence.archived_record, _CHOICES, (LogIntegrityError,)),
        Target("entry_readers", evidence.entry_readers, _CHOICES),
        Target("head_records", evidence.head_records, _CHOICES, (), 1_000),
        Target("timestamp", evidence.timestamp, _CHOICES, (TimestampError,), 800),
        Target("chain", evidence.chain, _CHOICES, _RULE, 500),
        Target("bundle", bundles.bundle, _CHOICES, (), 200),
        Target("bundle_zip", bundles.bundle_zip, (*_CHOICES, bundles.zip_seed()), (ConfigError,), 800),
    )
}
"""Every entry point by its name."""


def _fail_at_exclamation_marks(octets: bytes) -> None:
    if octets.startswith(b"!"):
        raise AssertionError("found")


SELF_TEST: Final = Target("self_test", _fail_at_exclamation_marks, (b"?", b"a!"), words=(b"!",))
"""Fails on purpose, so that a test can show that a campaign notices; it runs only where it is asked for."""


def every_pattern(packages: Iterable[str]) -> dict[str, re.Pattern[Any]]:
    """Return every compiled regular expression of some packages, by module and name."""
    import importlib
    import pkgutil

    found: dict[str, re.Pattern[Any]] = {}
    for package in packages:
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, f"{package}."):
            module = importlib.import_module(info.name)
            found |= {
                f"{info.name}.{name}": one
                for name, one in vars(module).items()
                if isinstance(one, re.Pattern)
            }
    return found
