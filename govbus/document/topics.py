"""The only place where a topic name is built or parsed."""

from __future__ import annotations

from govbus.document.ids import AgencyId, PackageId
from govbus.errors import MetadataError

OUT_PREFIX = "govbus.out."
IN_PREFIX = "govbus.in."
PUB_PREFIX = "govbus.pub."
TEST_PREFIX = "govbus.test."
"""Topics of documents that are not meant (rule TST-1)."""
TEST_IN_PREFIX = TEST_PREFIX + "in."
TEST_PUB_PREFIX = TEST_PREFIX + "pub."
MESSAGE_LOG = "govbus.log"
CHECKPOINTS = "govbus.checkpoints"
QUARANTINE = "govbus.quarantine"
DIRECTORY = "govbus.directory"
REVOCATIONS = "govbus.revocations"
"""Certificate revocation lists and OCSP responses, in the order in which the bus took them into account."""

OUT_PATTERN = r"^govbus\.out\..+$"
"""What a router subscribes to: every agency's outbox, those to come included."""


def outbox(agency: AgencyId) -> str:
    """Return the topic that the agency alone writes to."""
    return OUT_PREFIX + agency.text


def inbox(agency: AgencyId, *, is_test: bool = False) -> str:
    """Return the topic that the agency alone reads: documents and receipts; test documents have one of their own."""
    return (TEST_IN_PREFIX if is_test else IN_PREFIX) + agency.text


def publication(package: PackageId, *, is_test: bool = False) -> str:
    """Return the topic on which a package is published to its subscribers; tests have one of their own."""
    return (TEST_PUB_PREFIX if is_test else PUB_PREFIX) + package.text


def agency_of_outbox(topic: str) -> AgencyId:
    """Return the agency that owns an outbox topic.

    Raises:
        MetadataError: if the topic is not an outbox.
    """
    if not topic.startswith(OUT_PREFIX):
        raise MetadataError(f"expected an outbox topic {OUT_PREFIX}<agency>, found {topic!r}")
    return AgencyId.from_text(topic[len(OUT_PREFIX) :])


def message_log_partition(source_partition: int, partition_count: int) -> int:
    """Return the message log partition for decisions about one outbox partition.

    All decisions about one outbox partition stand in one log partition in the order of their offsets, so that
    the auditor reads both side by side with flat memory.
    """
    return source_partition % partition_count
