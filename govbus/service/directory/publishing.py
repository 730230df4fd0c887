"""The directory on a running bus: read from a folder, published by the authority, followed by everyone else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from govbus.document import topics
from govbus.errors import ConfigError, DirectoryError, TransportConfigError
from govbus.routing.directory.files import DirectoryFiles
from govbus.routing.directory.model import Directory
from govbus.routing.directory.records import DirectoryReader, directory_records, entry_values
from govbus.service.processes import clock_ms
from govbus.signing.certificates import Certificate
from govbus.signing.signer import Signer
from govbus.transport.base import Subscriber, TopicPartition, Transport, partition_counts

logger = structlog.get_logger(__name__)

PARTITION = TopicPartition(topics.DIRECTORY, 0)
TRANSACTIONAL_ID = "govbus-directory"
"""One for all who publish: the second one fences the first, so that no two versions get one number."""
FILES_MAX = 20_000
FILE_BYTES_MAX = 1_000_000
POLL_TIMEOUT_S = 0.2
POLL_RECORDS_MAX = 1_000
READ_BACK_TIMEOUT_S = 15.0
READ_BACK_PAUSE_S = 0.05
RETRY_PAUSE_S = 1.0
EXPIRY_WARNING_MS = 30 * 86_400_000
_DAY_MS = 86_400_000
_SUFFIXES = frozenset({".yaml", ".yml", ".pem", ".crt", ".avsc", ".xsd", ".json", ".jschema"})
_KEYS = "keys"
_PEM_END = b"-----END CERTIFICATE-----"


def read_folder(folder: Path, *, at_ms: int | None = None) -> DirectoryFiles:
    """Read a folder of directory files; folders named ``keys`` and hidden ones are left alone.

    Args:
        folder: that holds ``bus.yaml``.
        at_ms: when its entries are to be registered, milliseconds since 1970; now unless given.

    Raises:
        ConfigError: if the folder or a file in it cannot be read, or is beyond the limits.
    """
    files: dict[str, bytes] = {}
    try:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder} is not a folder", remedy="govbus directory init FOLDER writes a sample"
            )
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.suffix not in _SUFFIXES or _KEYS in parts or any(part.startswith(".") for part in parts):
                continue
            if not path.is_file():
                continue
            if path.stat().st_size > FILE_BYTES_MAX:
                raise ConfigError(f"{path} is over {FILE_BYTES_MAX} bytes")
            if len(files) >= FILES_MAX:
                raise ConfigError(f"{folder} has over {FILES_MAX} files")
            files["/".join(parts)] = path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{err.filename or folder} cannot be read: {err.strerror}") from err
    return DirectoryFiles(files, at_ms=clock_ms() if at_ms is None else at_ms)


def read_certificates(path: Path) -> tuple[Certificate, ...]:
    """Read every certificate of a PEM file.

    Raises:
        ConfigError: if the file cannot be read or has none.
        UntrustedKeyError: if one cannot be parsed.
        AlgorithmError: if the key of one is outside the pinned list (rule SEC-4).
    """
    try:
        octets = path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err
    parts = octets.split(_PEM_END)[:-1]
    if not parts:
        raise ConfigError(f"{path} holds no PEM certificate")
    return tuple(Certificate.from_pem(part + _PEM_END + b"\n") for part in parts)


@dataclass(frozen=True, slots=True)
class Publication:
    """What `publish_directory` did."""

    directory: Directory
    entries_new: int
    """Entries that the version before did not have."""
    is_new: bool
    """False where the folder says what the published version says."""


async def publish_directory(
    transport: Transport,
    files: DirectoryFiles,
    signer: Signer,
    *,
    authority: Sequence[Certificate],
    at_ms: int,
) -> Publication:
    """Sign a folder's directory as the next version and publish it in one transaction.

    Does nothing where the folder says what the published version says and half of its validity is still to come,
    so it may be called as often as one likes.

    Args:
        transport: the broker.
        files: from `read_folder`.
        signer: with the governing authority's key.
        authority: certificates that the versions so far may be signed with; the signer's is one of them.
        at_ms: milliseconds since 1970.

    Raises:
        DirectoryError: if the files have a mistake, or what is published already does not hold together.
        FencedError: if somebody else publishes at the same moment; look at the result before trying again.
        TransportConfigError: if the topic is missing.
        TransportError: if the broker fails.
    """
    content = files.content
    publisher = transport.transactional_publisher(TRANSACTIONAL_ID)
    await publisher.start()
    try:
        reader = await read_directory(transport, [*authority, signer.certificate])
        head = reader.head
        if reader.waiting:
            raise DirectoryError(f"the published directory is incomplete: it lacks {reader.waiting}")
        new = entry_values(content).keys() - set(head.entries if head is not None else ())
        is_same = head is not None and not new and len(head.entries) == len(content.entries())
        if head is not None and is_same and at_ms < (head.issued_ms + head.expires_ms) // 2:
            current = reader.at(head.version)
            if current is not None:
                return Publication(current, 0, is_new=False)
        records = directory_records(
            content,
            signer=signer,
            head=head,
            at_ms=at_ms,
            expires_ms=at_ms + files.validity_days * _DAY_MS,
        )
        await publisher.transact(records, offsets={}, group="")
    finally:
        await publisher.stop()
    version = head.version + 1 if head is not None else 1
    return Publication(
        await _read_back(transport, [*authority, signer.certificate], version), len(new), is_new=True
    )


async def _read_back(transport: Transport, authority: Sequence[Certificate], version: int) -> Directory:
    """Return the version just published; the broker acknowledges a commit a little before readers see it."""
    until_s = time.monotonic() + READ_BACK_TIMEOUT_S
    while time.monotonic() < until_s:
        directory = (await read_directory(transport, authority)).at(version)
        if directory is not None:
            return directory
        await asyncio.sleep(READ_BACK_PAUSE_S)
    raise DirectoryError("the directory was published but cannot be read back")


async def read_directory(transport: Transport, authority: Sequence[Certificate]) -> DirectoryReader:
    """Read every version that the topic holds now; records that do not hold are reported and left out.

    Raises:
        TransportConfigError: if the topic is missing.
        TransportError: if the broker fails.
    """
    reader = DirectoryReader(authority)
    subscriber = await subscribe_directory(transport)
    try:
        await read_to_end(subscriber, reader)
    finally:
        await subscriber.stop()
    return reader


async def subscribe_directory(transport: Transport) -> Subscriber:
    """Return a subscriber at the beginning of the directory's topic.

    Raises:
        TransportConfigError: if the topic is missing.
        TransportError: if the broker fails.
    """
    counts = await partition_counts(transport)
    if topics.DIRECTORY not in counts:
        raise TransportConfigError(
            f"there is no topic {topics.DIRECTORY}", remedy="create the topics with: govbus topics apply"
        )
    subscriber = transport.subscriber(assign=[PARTITION])
    await subscriber.start()
    return subscriber


async def read_to_end(subscriber: Subscriber, reader: DirectoryReader) -> None:
    """Take in everything that the topic holds now."""
    end = (await subscriber.end_offsets([PARTITION]))[PARTITION]
    while await subscriber.position(PARTITION) < end:
        await read_some(subscriber, reader)


async def read_some(subscriber: Subscriber, reader: DirectoryReader) -> bool:
    """Take in what has come; return whether the directory moved to another version."""
    version = None if reader.current is None else reader.current.version
    batches = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
    for record in batches.get(PARTITION, ()):
        try:
            reader.apply(record)
        except DirectoryError as err:
            logger.warning("directory record left out", offset=record.offset, reason=err.message)
    return reader.current is not None and reader.current.version != version
