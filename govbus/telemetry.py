"""Diagnostics: how logging is set up, and every metric by its name.

The logger never sees payload or personal data; labels come from closed sets (agencies, outcomes, rule ids).
"""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

METRICS = CollectorRegistry()
"""Everything that a govbus process exports."""

DOCUMENTS_DECIDED = Counter(
    "govbus_documents_decided",
    "Documents decided about by the router.",
    ["agency", "outcome"],
    registry=METRICS,
)
FINDINGS = Counter("govbus_findings", "Findings by rule.", ["rule"], registry=METRICS)
DOCUMENTS_DELIVERED = Counter(
    "govbus_documents_delivered", "Records put on inbox and publication topics.", registry=METRICS
)
RECEIPTS_SENT = Counter("govbus_receipts_sent", "Receipts put on inboxes.", registry=METRICS)
TRANSACTION_SECONDS = Histogram(
    "govbus_router_transaction_seconds",
    "Time from the first record taken to the commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    registry=METRICS,
)
TRANSACTION_DOCUMENTS = Histogram(
    "govbus_router_transaction_documents",
    "Documents in one transaction.",
    buckets=(1, 5, 10, 50, 100, 250, 500, 1000, 2000, 5000),
    registry=METRICS,
)
PRODUCERS_REPLACED = Counter(
    "govbus_router_producers_replaced",
    "Router sessions that ended in an error and were started again.",
    registry=METRICS,
)
ROUTER_PARTITIONS = Gauge(
    "govbus_router_partitions", "Outbox partitions that this router serves.", registry=METRICS
)
DOCUMENTS_PUBLISHED = Counter(
    "govbus_documents_published", "Documents acknowledged by the broker.", ["agency"], registry=METRICS
)
SPOOL_DOCUMENTS = Gauge(
    "govbus_spool_documents", "Documents in the spool, not yet published.", ["origin"], registry=METRICS
)
DOCUMENTS_APPLIED = Counter(
    "govbus_documents_applied", "Documents applied by a consumer.", ["consumer"], registry=METRICS
)
DIRECTORY_EXPIRES_SECONDS = Gauge(
    "govbus_directory_expires_seconds",
    "Time until the directory in force expires; negative once it has.",
    registry=METRICS,
)
CERTIFICATE_EXPIRES_DAYS = Gauge(
    "govbus_certificate_expires_days",
    "Days until the certificate of a key that this process signs with expires; negative once it has.",
    ["kid", "thumbprint"],
    registry=METRICS,
)
CHECKPOINTS_SIGNED = Counter("govbus_checkpoints_signed", "Checkpoints signed.", registry=METRICS)
CHECKPOINT_AGE_SECONDS = Gauge(
    "govbus_log_checkpoint_age_seconds",
    "Time since the newest head checkpoint was signed; grows while nothing is decided.",
    registry=METRICS,
)
HEAD_SIZE = Gauge("govbus_log_head_size", "Entries of the head tree.", registry=METRICS)
COSIGNATURES_MISSING = Gauge(
    "govbus_log_cosignatures_missing",
    "Witnesses of the policy that have not cosigned the newest head checkpoint.",
    registry=METRICS,
)
QUORUM_AGE_SECONDS = Gauge(
    "govbus_log_quorum_age_seconds",
    "How long the newest head checkpoint has been without a quorum of witnesses; 0 with one.",
    registry=METRICS,
)
TIMESTAMP_AGE_SECONDS = Gauge(
    "govbus_log_timestamp_age_seconds",
    "How long the newest head checkpoint has been without a timestamp of this authority; 0 with one.",
    ["authority"],
    registry=METRICS,
)
WITNESS_UP = Gauge(
    "govbus_log_witness_up",
    "1 if the witness answered the last time, 0 if not.",
    ["witness"],
    registry=METRICS,
)
AUTHORITY_UP = Gauge(
    "govbus_log_timestamp_authority_up",
    "1 if the time stamping authority answered the last time, 0 if not.",
    ["authority"],
    registry=METRICS,
)

WITNESS_REQUESTS = Counter(
    "govbus_witness_requests", "Requests to this witness by answer.", ["call", "status"], registry=METRICS
)
WITNESS_LOG_SIZE = Gauge(
    "govbus_witness_log_size",
    "Entries in the latest checkpoint of a log that this witness cosigned.",
    ["origin"],
    registry=METRICS,
)
WITNESS_FORKS = Counter(
    "govbus_witness_forks",
    "Checkpoints that prove two histories of a log, since this witness started.",
    ["origin"],
    registry=METRICS,
)
WITNESS_COSIGNED_TIME_SECONDS = Gauge(
    "govbus_witness_cosigned_time_seconds",
    "When this witness last cosigned a checkpoint of a log, seconds since 1970.",
    ["origin"],
    registry=METRICS,
)

REVOCATION_RECORDS = Gauge(
    "govbus_revocation_records",
    "Records of revocation material that this process decides by.",
    registry=METRICS,
)
REVOCATIONS_UNREADABLE = Counter(
    "govbus_revocations_unreadable", "Records of the revocation topic that are none.", registry=METRICS
)
REVOCATIONS_PUBLISHED = Counter(
    "govbus_revocations_published", "Revocation material published by this watch.", ["kind"], registry=METRICS
)
REVOCATION_SOURCE_UP = Gauge(
    "govbus_revocation_source_up",
    "1 if the source gave good material the last time, 0 if not.",
    ["source"],
    registry=METRICS,
)
REVOCATION_AGE_SECONDS = Gauge(
    "govbus_revocation_age_seconds",
    "How long ago the latest material of a source was made (thisUpdate).",
    ["source"],
    registry=METRICS,
)
REVOCATION_NEXT_UPDATE_SECONDS = Gauge(
    "govbus_revocation_next_update_seconds",
    "Seconds until the latest material of a source is out of date; negative once it is.",
    ["source"],
    registry=METRICS,
)


def configure_logging(*, is_json: bool | None = None, level: int = logging.INFO) -> None:
    """Set up structlog on standard error: JSON lines, or readable ones on a terminal.

    Args:
        is_json: None chooses by whether standard error is a terminal.
        level: lowest level that is written.
    """
    as_json = not sys.stderr.isatty() if is_json is None else is_json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def serve_metrics(port: int) -> None:
    """Serve the metrics over HTTP on loopback; port 0 serves none."""
    if port:
        start_http_server(port, addr="127.0.0.1", registry=METRICS)


ARCHIVED_ENTRIES = Counter("govbus_archive_entries", "Log entries archived.", registry=METRICS)
ARCHIVE_SEGMENT = Gauge(
    "govbus_archive_segment", "Number of the newest segment of the archive.", registry=METRICS
)
ARCHIVE_MISSING = Counter(
    "govbus_archive_records_missing",
    "Entries archived without their outbox record, because the broker no longer had it.",
    registry=METRICS,
)
ARCHIVE_UNPROVEN = Counter(
    "govbus_archive_segments_unproven",
    "Segments written before a head checkpoint with a timestamp covered them.",
    registry=METRICS,
)
