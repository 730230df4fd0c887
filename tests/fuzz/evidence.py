"""Evidence as strangers might write it: archives, erasure orders, renewals, timestamps, log entries, key references.

What follows a grammar has one text, so what is read is written again and compared. What is signed is signed here
after it was changed: an authority's own mistakes must not stop a reader either.
"""

from __future__ import annotations

import functools
import hashlib
import ssl
import warnings
from collections.abc import Callable
from typing import Any, Final

from asn1crypto import core, parser, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from govbus.audit.archive.checkpoint_records import read_checkpoint, timestamped_size
from govbus.audit.archive.documents import pack_document, record_of, unpack_document
from govbus.audit.archive.evidence import pack_proof, parse_proof
from govbus.audit.archive.manifest import Manifest, Range, TreeRange
from govbus.audit.archive.reader import pack_positions, parse_positions
from govbus.audit.archive.records import pack_records, unpack_records
from govbus.audit.archive.values import frames_of, pack_frame, pack_value, unpack_value
from govbus.audit.evidence.entry_reader import EntryFields, fields_of, read_entry
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import BATCH, PATH, SALT, SIGNATURE, STATEMENT, Record
from govbus.errors import ConfigError, GovbusError, LogIntegrityError, RuleError, TimestampError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.erasure import ErasureOrder
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, TIMESTAMPED_HEADER, TSA_HEADER, head_origin
from govbus.message_log.keys import LogKeys
from govbus.message_log.renewal import Digests, RenewalStatement
from govbus.message_log.second_tree import LogRoots, RehashStatement
from govbus.message_log.tiles import pack_entries, parse_path, unpack_entries
from govbus.message_log.timestamp import Timestamp
from govbus.routing.trust.path import issuers_of
from govbus.schemas.codec import AvroCodec
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.signing.certificates import CertificateRole
from govbus.signing.key_uri import parse_key_reference
from govbus.testing.example_archive import decided, senders
from govbus.testing.tsa import Authority, FakeTsa, issue, root

from .material import Choices, bundled_definitions, edited, value_of

BUS: Final = AgencyId("bus.example")
AT_MS: Final = 1_790_000_000_000
TEXT: Final = "bus.example/log/heads\n7\n" + "A" * 43 + "=\n"
DIGEST: Final = hashlib.sha256(b"").hexdigest()
DIGESTS: Final = Digests.of(b"")


def _require(condition: bool, what: str) -> None:  # reads as the sentence that it is
    if not condition:
        raise AssertionError(what)


# Texts with one spelling.


def manifest(octets: bytes) -> None:
    """Read a manifest; what is read has one text."""
    _require(Manifest.from_bytes(octets).to_text().encode("ascii") == octets, "two texts of one manifest")


def renewal(octets: bytes) -> None:
    """Read a statement of renewal and one of a second hash."""
    for read in (RenewalStatement.from_bytes, RehashStatement.from_bytes):
        try:
            statement = read(octets)
        except TimestampError as err:
            str(err).encode("utf-8")
            continue
        _require(statement.to_bytes() == octets, "two texts of one statement")


def erasure(octets: bytes) -> None:
    """Read an order to erase; what is read has one text."""
    _require(ErasureOrder.from_bytes(octets).to_bytes() == octets, "two texts of one order")


def key_reference(octets: bytes) -> None:
    """Read a key reference; its text names the same key."""
    reference = parse_key_reference(octets.decode("utf-8", "surrogateescape"))
    try:
        again = parse_key_reference(str(reference))
    except ConfigError as err:
        raise AssertionError("the text of a key reference is none") from err
    _require(again == reference, "the text of a key reference names another key")


def tiles(octets: bytes) -> None:
    """Read the path of a tile and an entry bundle."""
    for read, write in (
        (lambda: parse_path(octets.decode("utf-8", "surrogateescape")), lambda one: one.to_text().encode()),
        (lambda: unpack_entries(octets), pack_entries),
        (lambda: parse_proof(octets), pack_proof),
        (lambda: parse_positions(octets), pack_positions),
    ):
        _inverse(read, write, octets)


def _inverse(read: Callable[[], Any], write: Callable[[Any], bytes], octets: bytes) -> None:
    try:
        found = read()
    except LogIntegrityError as err:
        str(err).encode("utf-8")
        return
    _require(write(found) == octets, "two spellings of one part")


# Frames of archives.


def archive_frames(octets: bytes) -> None:
    """Read frames of values, records and documents; what is read is packed again to the same octets."""
    choices = Choices(octets)
    kind, content = choices.number(4), choices.rest()
    if kind == 0:
        _require(b"".join(map(pack_frame, frames_of(content))) == content, "two spellings of frames")
    elif kind == 1:
        kept = unpack_value(content)
        if kept is not None:
            _require(pack_value(kept.salts, kept.value) == content, "two spellings of one value")
    elif kind == 2:  # one of four
        records = list(unpack_records(content, topics.DIRECTORY))
        _require(pack_records(records) == content, "two spellings of records")
    else:
        entry = _entry(b"s", (b"1", b"2"), b"b", b"p")
        record_of(entry, unpack_document(content), unpack_value(pack_value([bytes(16)], b"v")))


def archived_record(octets: bytes) -> None:
    """Any record comes back from its frames as it was; frames that were changed are refused or are a record."""
    choices = Choices(octets)
    names = (STATEMENT, SALT, SIGNATURE, BATCH, PATH, "ce_id", "ce_type", "content-type", "x", "ce_\udcff")
    headers = tuple(
        (choices.pick(names), choices.pick((None, choices.octets(choices.number(20)))))
        for _ in range(choices.number(9))
    )
    record = Record(
        "govbus.out.tax.example",
        0,
        choices.number(2**31),
        choices.number(2**31),
        choices.pick((None, b"key")),
        choices.pick((None, choices.octets(9))),
        headers,  # type: ignore[arg-type]  # a stranger's header may be null
    )
    found = dict(headers)
    signatures = tuple(value for name, value in headers if name == SIGNATURE and value is not None)
    entry = _entry(found.get(STATEMENT), signatures, found.get(BATCH), found.get(PATH) or b"")
    entry = entry._replace(source=SourcePosition(record.topic, record.partition, record.offset))
    document, value = pack_document(record, entry)
    _require(record_of(entry, unpack_document(document), unpack_value(value)) == record, "another record")
    record_of(entry, unpack_document(edited(document, choices)), unpack_value(edited(value, choices)))


def _entry(
    statement: bytes | None, signatures: tuple[bytes, ...], batch: bytes | None, path: bytes
) -> LogEntry:
    return LogEntry(
        decision=Outcome.ACCEPTED,
        time_ms=AT_MS,
        source=SourcePosition("govbus.out.tax.example", 0, 7),
        document_id=None,
        statement=statement,
        signatures=signatures,
        batch=batch,
        path=path,
        record_hash=None,
        directory_version=1,
        findings=(),
        recipients=(),
        receipt_first=None,
    )


# Log entries: two readers.


@functools.cache
def _entries() -> tuple[bytes, ...]:
    makers = senders().makers[:2]
    several = (*zip(range(6), decided(makers, 3), strict=False),)
    return tuple(encode_log_entry(entry) for _, (entry, _) in several)


def entry_readers(octets: bytes) -> None:
    """The fast reader says what the codec says of any entry, on the error too."""
    choices = Choices(octets)
    kind = choices.number(4)
    if kind == 0:
        entry = choices.rest()
    elif kind == 1:
        avro = _log_entry_codec().encode(value_of(_log_entry_codec().definition, choices))
        entry = edited(b"\x00\x00\x00\x00\x01" + avro, choices)
    else:
        entry = edited(choices.pick(_entries()), choices)
    _require(_read_by(_fast, entry) == _read_by(_slow, entry), "two readers say two things of one entry")


@functools.cache
def _log_entry_codec() -> Any:
    return AvroCodec(bundled_definitions()[0])


def _fast(entry: bytes) -> EntryFields:
    return read_entry(entry)._replace(layout=None)


def _slow(entry: bytes) -> EntryFields:
    return fields_of(decode_log_entry(entry))


def _read_by(reader: Callable[[bytes], EntryFields], entry: bytes) -> EntryFields | type[RuleError]:
    try:
        return reader(entry)
    except RuleError as err:
        return type(err)


# Checkpoints, and what vouches for them.


@functools.cache
def _log_keys() -> LogKeys:
    return LogKeys.generate()


@functools.cache
def _head_note() -> bytes:
    checkpoint = Checkpoint(head_origin(BUS), 7, bytes(32))
    return sign_checkpoint(checkpoint, _log_keys().signers(checkpoint.origin), at_s=AT_MS // 1000).encode()


def head_records(octets: bytes) -> None:
    """Take records of the topic of checkpoints that any key, value and header may be in."""
    choices = Choices(octets)
    text = choices.pick((None, b"", TEXT.encode(), edited(TEXT.encode(), choices), choices.octets(40)))
    name = choices.pick((None, b"tsa", b"\xff\x1b[2J"))
    headers = choices.pick(
        ((), ((TIMESTAMPED_HEADER, text), (TSA_HEADER, name)), ((TIMESTAMPED_HEADER, text),) * 2)
    )
    key = choices.pick((None, b"0", HEADS_KEY, TIMESTAMP_KEY, choices.octets(12)))
    value = choices.pick((None, b"", _head_note(), edited(_head_note(), choices), stamped(TEXT.encode())))
    record = Record(topics.CHECKPOINTS, 0, 0, AT_MS, key, value, headers)  # type: ignore[arg-type]
    timestamped_size(record, BUS)
    try:
        read_checkpoint(record, BUS, _log_keys().public)
    except GovbusError as err:
        str(err).encode("utf-8")


@functools.cache
def tsa() -> FakeTsa:
    """Return an authority of this run."""
    return FakeTsa.make(key=ed25519.Ed25519PrivateKey.generate())  # signatures of one length


@functools.cache
def stamped(text: bytes) -> bytes:
    """Return a good response over a text."""
    return tsa().response(text, AT_MS)


def timestamp(octets: bytes) -> None:
    """Read and verify a response: changed, or with changed content that the authority signed."""
    choices = Choices(octets)
    match choices.number(4):
        case 0:
            der = choices.rest()
        case 1:
            der = edited(stamped(b"text"), choices)
        case 2:
            der = _odd_info(choices)
        case _:
            der = _odd_attributes(choices)
    found = Timestamp.from_response(der)
    _ = found.not_after_ms, found.certificates
    f"{found.serial:x} {found.policy} {found.time_ms}".encode()
    time_ms = found.verify(b"text", tsa().anchors)
    _require(time_ms == found.time_ms, "two times of one token")


def _odd_info(choices: Choices) -> bytes:
    """Return a response around a TSTInfo in which some octets are others, signed by the authority."""
    number = choices.pick((0, -1, 2**64, 2**20_000, choices.number(2**31)))
    policy = "1.2" + ".5" * choices.pick((1, 200, 5_000, 30_000))

    def edit(info: dict[str, Any]) -> None:
        match choices.number(6):
            case 0:
                info["serial_number"] = number
            case 1:
                info["policy"] = policy
            case 2:
                info["accuracy"] = {"seconds": abs(number), "millis": 1, "micros": 999}
            case 3:
                info["nonce"] = number
            case 4:
                info["message_imprint"] = {
                    "hash_algorithm": {"algorithm": policy},
                    "hashed_message": choices.octets(64),
                }
            case _:
                info["gen_time"] = core.GeneralizedTime(contents=choices.octets(20))

    return tsa().response(b"text", AT_MS, edit_info=edit)


def _odd_attributes(choices: Choices) -> bytes:
    """Return a response in whose signed attributes some octets are others, signed by the authority after that."""
    der = stamped(b"text")
    token = tsp.TimeStampResp.load(der)["time_stamp_token"]["content"]["signer_infos"][0]
    attributes, signature = token["signed_attrs"].contents, token["signature"].native
    changed = attributes
    for _ in range(1 + choices.number(3)):
        at = choices.number(len(changed))
        changed = changed[:at] + (choices.octets(1) or b"\x00") + changed[at + 1 :]
    own = tsa().own.key.sign(parser.emit(0, 1, 17, changed))
    return der.replace(attributes, changed).replace(signature, own)


# Chains.


def chain(octets: bytes) -> None:
    """Validate a certificate in which a few octets are others, signed by its issuer after that."""
    choices = Choices(octets)
    pem, issuer = _leaf()
    parsed = asn1_x509.Certificate.load(pem)
    content = parsed["tbs_certificate"].dump()
    for _ in range(1 + choices.number(4)):
        at = choices.number(len(content))
        octet = choices.octets(1) or b"\x00"
        content = content[:at] + octet + content[at + 1 :]
    key = issuer.key
    signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    bits = core.OctetBitString(signature).dump()
    body = content + parsed["signature_algorithm"].dump() + bits
    der = parser.emit(0, 1, 16, body)
    anchor = issuer.certificate.public_bytes(Encoding.PEM).decode("ascii")
    role = choices.pick((CertificateRole.SEAL, CertificateRole.OFFICER))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # of a serial number below 1
        issuers_of(ssl.DER_cert_to_PEM_cert(der), (), (anchor,), role)


@functools.cache
def _leaf() -> tuple[bytes, Authority]:
    """Return the DER of a certificate with every extension that is looked at, and its issuer."""
    usage = x509.KeyUsage(
        True,
        True,
        False,
        False,
        False,
        False,
        False,
        False,
        False,  # the library's order
    )
    place = x509.DistributionPoint(
        [x509.UniformResourceIdentifier("http://ca.example/a.crl")], None, None, None
    )
    extensions = [
        (usage, True),
        (x509.CRLDistributionPoints([place]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.DNSName("tax.example")]), False),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), False),
        (
            x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(
                        x509.OID_OCSP, x509.UniformResourceIdentifier("http://ca.example/ocsp")
                    )
                ]
            ),
            False,
        ),
    ]
    authority = root()
    return issue("tax.example", issuer=authority, extensions=extensions).certificate.public_bytes(
        Encoding.DER
    ), authority


# Seeds.


def manifest_seed() -> bytes:
    """Return a manifest."""
    tree = TreeRange(0, 7, bytes(32))
    return (
        Manifest(
            BUS,
            1,
            None,
            {0: tree, 1: tree},
            tree,
            Range(0, 1),
            Range(0, 0),
            Range(0, 2),
            0,
            None,
            {"tiles/bus.example/log/0/tile/0/000": DIGEST},
        )
        .to_text()
        .encode()
    )


def renewal_seeds() -> tuple[bytes, ...]:
    """Return a statement of renewal and one of a second hash."""
    second = bytes(64)
    return (
        RenewalStatement(BUS, 1, None, {"segments/00000001/manifest": DIGESTS}).to_bytes(),
        RehashStatement(
            BUS,
            1,
            DIGESTS,
            {0: LogRoots(3, bytes(32), second, second)},
            (1, bytes(32), second),
            (1, "0" * 128),
        ).to_bytes(),
    )


def erasure_seed() -> bytes:
    """Return an order to erase."""
    source = SourcePosition("govbus.out.tax.example", 0, 7)
    return ErasureOrder(
        BUS.text, "urn:x:1", "statement", bytes(32), source, AT_MS, "Court 1 of today"
    ).to_bytes()


KEY_SEEDS: Final = (
    b"file:/keys/seal.pem",
    b"pkcs11:token=a%20b;object=seal;id=%01?module-path=/lib/p11.so&pin-source=env:PIN",
    b"file:///keys/a b",
    b"//keys",
)
TILE_SEEDS: Final = (
    b"tile/0/x001/234.p/8",
    b"tile/entries/000",
    pack_entries([b"", b"ab"]),
    pack_proof([bytes(32)] * 2),
    pack_positions({("govbus.out.tax.example", 0): 7}),
)
