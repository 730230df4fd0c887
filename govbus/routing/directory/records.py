"""The directory as records of the topic ``govbus.directory``, and the reader that believes only the authority.

Entries are named by their content; a manifest lists the entries of one version, names the manifest before it, and
is signed by the governing authority (``docs/specs/directory.md``). So a reader needs one certificate, given out of
band, and nobody else can add, drop, alter or roll back anything unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from govbus.document import topics
from govbus.document.encoding import base64url
from govbus.document.record import SIGNATURE, VALUE_BYTES_MAX, Record
from govbus.errors import DirectoryError, RuleError
from govbus.routing.directory.build import build_directory
from govbus.routing.directory.entries import DirectoryContent, entry_from_json, entry_json, place_of
from govbus.routing.directory.fields import AgencyText, Model, StartMoment
from govbus.routing.directory.model import Directory
from govbus.routing.directory.problems import problems_of, require_none
from govbus.routing.directory.registration import problems_in
from govbus.schemas.canonical import canonical_json
from govbus.signing.certificates import Certificate
from govbus.signing.jws import DIRECTORY_TYP, DetachedSignature, sign_detached
from govbus.signing.signer import Signer
from govbus.transport.base import OutRecord

FORMAT = "govbus/directory/v1"
ENTRIES_MAX = 4_000
"""So that a manifest stays below the limit of a record."""
ENTRY_BYTES_MAX = VALUE_BYTES_MAX
PENDING_BYTES_MAX = 256_000_000
"""Entries kept that no version of the directory names yet."""
PENDING_MANIFESTS_MAX = 1_000

_ENTRY_KEY = re.compile(
    r"((?:bus|agency|taxonomy|package|agreement|codes)/[a-z0-9.-]{1,100}|asset/[a-z0-9.-]{1,100}/[a-z0-9.-]{1,118})"
    r"/([0-9a-f]{64})"
)
"""``<kind>/<id>/<hash>``; the id of an asset has a slash of its own."""
_MANIFEST_KEY = re.compile(r"version/([1-9][0-9]{0,9})")
_HASH = StringConstraints(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")
_KEY = StringConstraints(pattern=f"^{_ENTRY_KEY.pattern}$")


class Manifest(Model):
    """What one version of the directory consists of: the thing that is signed."""

    format: Literal["govbus/directory/v1"]
    bus: AgencyText
    version: Annotated[int, Field(ge=1)]
    issued: StartMoment
    expires: StartMoment
    previous: Annotated[str, _HASH] | None
    """base64url SHA-256 of the manifest before; null in version 1."""
    entries: Annotated[tuple[Annotated[str, _KEY], ...], Field(min_length=1, max_length=ENTRIES_MAX)]


@dataclass(frozen=True, slots=True)
class Head:
    """The last manifest of the chain."""

    version: int
    digest: str
    """base64url SHA-256 of its bytes."""
    bus: str
    issued_ms: int
    expires_ms: int
    entries: tuple[str, ...]


def entry_key(octets: bytes, place: str) -> str:
    """Return the key of an entry: ``<kind>/<id>/<hex SHA-256 of the value>``."""
    return f"{place}/{hashlib.sha256(octets).hexdigest()}"


def entry_values(content: DirectoryContent) -> dict[str, bytes]:
    """Return every entry of a directory by its key.

    Raises:
        DirectoryError: if there are too many, or one is too large for a record.
    """
    values: dict[str, bytes] = {}
    for entry in content.entries():
        octets = entry_json(entry)
        if len(octets) > ENTRY_BYTES_MAX:
            raise DirectoryError(
                f"{place_of(entry)} takes {len(octets)} bytes, at most {ENTRY_BYTES_MAX} are allowed",
                remedy="retire old schema versions or certificates",
            )
        values[entry_key(octets, place_of(entry))] = octets
    if len(values) > ENTRIES_MAX:
        raise DirectoryError(f"at most {ENTRIES_MAX} entries are allowed, found {len(values)}")
    return values


def directory_records(
    content: DirectoryContent, *, signer: Signer, head: Head | None, at_ms: int, expires_ms: int
) -> list[OutRecord]:
    """Return the records that publish the next version: the entries that are new, then the manifest.

    They belong into one transaction, or must be sent in order; sent twice they do no harm.

    Args:
        content: everything that the version says.
        signer: with the governing authority's key.
        head: the version before, None for the first.
        at_ms: when it is signed, milliseconds since 1970.
        expires_ms: after this nobody may rely on it.

    Raises:
        DirectoryError: if the entries do not fit together, or are for another bus than the version before.
    """
    version = 1 if head is None else head.version + 1
    if head is not None and head.bus != content.bus.id:
        raise DirectoryError(f"this topic holds the directory of {head.bus}, not of {content.bus.id}")
    if head is not None and at_ms < head.issued_ms:
        raise DirectoryError(f"version {head.version} was issued later than this machine's clock")
    require_none(problems_in(content, at_ms=at_ms))
    values = entry_values(content)
    manifest = Manifest.model_construct(
        format=FORMAT,
        bus=content.bus.id,
        version=version,
        issued=at_ms,
        expires=expires_ms,
        previous=None if head is None else head.digest,
        entries=tuple(sorted(values)),
    )
    octets = canonical_json(manifest.model_dump(mode="json"))
    signature = sign_detached(signer, octets, typ=DIRECTORY_TYP, at_ms=at_ms)
    known = frozenset(() if head is None else head.entries)
    return [
        *(_out(key, value, ()) for key, value in sorted(values.items()) if key not in known),
        _out(f"version/{version}", octets, ((SIGNATURE, signature),)),
    ]


def _out(key: str, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> OutRecord:
    return OutRecord(topics.DIRECTORY, 0, key.encode("ascii"), value, headers, None)


class DirectoryReader:
    """Follows the records of the topic and keeps every version that holds.

    Nothing is believed but what the governing authority signed: a manifest by one of its certificates, and through
    the manifest's list the entries. A record that breaks the chain raises and changes nothing.
    """

    def __init__(self, authority: Iterable[Certificate]) -> None:
        """Start with nothing read.

        Args:
            authority: the governing authority's certificates, got from it and not from the bus; after a change
                of key the old one is still needed for the versions that it signed.
        """
        self._authority: Mapping[str, Certificate] = {
            certificate.thumbprint: certificate for certificate in authority
        }
        self._values: dict[str, bytes] = {}
        self._unnamed_bytes = 0
        self._named: set[str] = set()
        self._waiting: dict[int, tuple[Manifest, str]] = {}
        self._manifests: dict[int, tuple[bytes, bytes]] = {}
        self._digests: dict[int, str] = {}
        self._versions: dict[int, Directory] = {}
        self.head: Head | None = None
        """The last manifest whose entries are all there."""
        self.current: Directory | None = None
        """The latest version that holds together."""

    def at(self, version: int) -> Directory | None:
        """Return the directory as it was at a version, or None where that was not read."""
        return self._versions.get(version)

    def digest(self, version: int) -> str | None:
        """Return the base64url SHA-256 of a version's manifest, or None where none was read."""
        return self._digests.get(version)

    def records(self) -> Iterator[OutRecord]:
        """Yield the records that another reader needs to come to the same versions: a copy to keep."""
        written: set[str] = set()
        for version in range(1, 1 + (0 if self.head is None else self.head.version)):
            octets, signature = self._manifests[version]
            entries = [key for key in json.loads(octets)["entries"] if key not in written]
            written.update(entries)
            yield from (_out(key, self._values[key], ()) for key in entries)
            yield _out(f"version/{version}", octets, ((SIGNATURE, signature),))

    @property
    def waiting(self) -> str:
        """What the next version waits for, in words for people; empty where nothing is outstanding."""
        if not self._waiting:
            return ""
        due = 1 if self.head is None else self.head.version + 1
        if due not in self._waiting:
            return f"the manifest of version {due}, before that of version {min(self._waiting)}"
        missing = self._missing(self._waiting[due][0])
        return f"{len(missing)} entries of version {due}, such as {missing[0]}" if missing else ""

    def apply(self, record: Record) -> Directory | None:
        """Take in the next record.

        Args:
            record: of the topic ``govbus.directory``, in the order of offsets.

        Returns:
            The latest directory where this record completed a version, else None.

        Raises:
            DirectoryError: if the record is neither entry nor manifest, is not what its key says, is not signed by
                the authority, contradicts a manifest seen before, leaves a gap, or completes a version that does
                not hold together. The reader stays at its last good version, and may be given the next record.
        """
        key = (record.key or b"").decode("ascii", "replace")
        value = record.value or b""
        if (match := _MANIFEST_KEY.fullmatch(key)) is not None:
            self._take_manifest(record, int(match[1]), value)
        elif (match := _ENTRY_KEY.fullmatch(key)) is not None:
            self._take_entry(key, match[2], value)
        else:
            raise _broken(record, "its key is neither <kind>/<id>/<sha256> nor version/<number>")
        return self._advance(record)

    def _take_entry(self, key: str, digest: str, value: bytes) -> None:
        if key in self._values:
            return
        if hashlib.sha256(value).hexdigest() != digest:
            raise DirectoryError(f"directory entry {key}: the content is not the one that the key names")
        self._unnamed_bytes += len(value)
        if self._unnamed_bytes > PENDING_BYTES_MAX:
            self._unnamed_bytes -= len(value)
            raise DirectoryError(
                f"over {PENDING_BYTES_MAX} bytes of directory entries that no version names",
                remedy="find out who else writes to govbus.directory",
            )
        self._values[key] = value

    def _take_manifest(self, record: Record, version: int, octets: bytes) -> None:
        """Check a manifest and keep it until its turn.

        Steps: (1) signed by the authority, (2) well formed and for this version, (3) certificate valid when it was
        issued, (4) same as before where the version is known, (5) next in the chain, or else kept and reported.
        """
        # Step 1.
        certificate = self._check_signature(record, octets)
        # Step 2.
        manifest = _manifest(record, octets)
        if manifest.version != version:
            raise _broken(record, f"it is of version {manifest.version}")
        # Step 3.
        if not certificate.not_before_ms <= manifest.issued <= certificate.not_after_ms:
            raise _broken(record, "the authority's certificate was not valid when it was issued")
        # Step 4.
        digest = _digest(octets)
        known = self._digests.setdefault(version, digest)
        if known != digest:
            raise _broken(record, "another manifest of this version was signed before")
        # Step 5.
        due = 1 if self.head is None else self.head.version + 1
        if version < due:
            return
        if len(self._waiting) >= PENDING_MANIFESTS_MAX:
            raise _broken(record, f"over {PENDING_MANIFESTS_MAX} manifests wait for version {due}")
        self._waiting[version] = (manifest, digest)
        self._manifests[version] = (octets, dict(record.headers)[SIGNATURE])
        if due not in self._waiting:
            raise _broken(record, f"version {due} is missing before it")

    def _check_signature(self, record: Record, octets: bytes) -> Certificate:
        signatures = [value for name, value in record.headers if name == SIGNATURE]
        if len(signatures) != 1:
            raise _broken(record, f"expected one signature, found {len(signatures)}")
        try:
            signature = DetachedSignature.from_bytes(signatures[0])
            if signature.typ != DIRECTORY_TYP:
                raise _broken(record, f"the signature is for a {signature.typ}")
            certificate = self._authority.get(signature.thumbprint)
            if certificate is None:
                raise _broken(record, "it is not signed by the governing authority's certificate")
            signature.verify(certificate, octets)
        except RuleError as err:
            raise _broken(record, err.message) from err
        return certificate

    def _advance(self, record: Record) -> Directory | None:
        """Move to the last version whose manifest and entries are all there."""
        reached: Directory | None = None
        while True:
            due = 1 if self.head is None else self.head.version + 1
            if due not in self._waiting or self._missing(self._waiting[due][0]):
                return reached
            manifest, digest = self._waiting.pop(due)
            try:
                self._check_chain(record, manifest)
            except DirectoryError:
                del self._digests[due]  # so that the authority can still sign one that follows
                raise
            self.head = Head(due, digest, manifest.bus, manifest.issued, manifest.expires, manifest.entries)
            reached = self.current = self._versions[due] = self._directory(manifest)

    def _check_chain(self, record: Record, manifest: Manifest) -> None:
        head = self.head
        if manifest.previous != (None if head is None else head.digest):
            raise _broken(record, f"version {manifest.version} does not follow the version before it")
        if head is not None and manifest.bus != head.bus:
            raise _broken(record, f"version {manifest.version} is for {manifest.bus}, not for {head.bus}")
        if head is not None and manifest.issued < head.issued_ms:
            raise _broken(record, f"version {manifest.version} was issued before the version before it")

    def _missing(self, manifest: Manifest) -> list[str]:
        return [key for key in manifest.entries if key not in self._values]

    def _directory(self, manifest: Manifest) -> Directory:
        try:
            entries = [entry_from_json(key.split("/", 1)[0], self._values[key]) for key in manifest.entries]
            content = DirectoryContent.of(entries)
        except ValueError as err:
            raise DirectoryError(f"version {manifest.version} of the directory: {err}") from err
        for key, entry in zip(manifest.entries, entries, strict=True):
            if not key.startswith(place_of(entry) + "/"):
                raise DirectoryError(f"directory entry {key} is about {place_of(entry)}")
        if content.bus.id != manifest.bus:
            raise DirectoryError(f"version {manifest.version} of the directory names two buses")
        directory = build_directory(
            content, version=manifest.version, issued_ms=manifest.issued, expires_ms=manifest.expires
        )
        for key in manifest.entries:
            if key not in self._named:
                self._named.add(key)
                self._unnamed_bytes -= len(self._values[key])
        return directory


def _manifest(record: Record, octets: bytes) -> Manifest:
    try:
        fields: Any = json.loads(octets)
        manifest = Manifest.model_validate(fields)
    except ValidationError as err:
        raise _broken(record, str(problems_of(err, "", Manifest)[0])) from err
    except (ValueError, RecursionError) as err:
        raise _broken(record, "it is not JSON") from err
    if canonical_json(fields) != octets:
        raise _broken(record, "it is not in RFC 8785 form")
    return manifest


def _digest(octets: bytes) -> str:
    return base64url(hashlib.sha256(octets).digest())


def _broken(record: Record, detail: str) -> DirectoryError:
    key = ascii((record.key or b"").decode("utf-8", "replace"))[1:81]
    return DirectoryError(f"directory record {key} at offset {record.offset}: {detail}")
