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
CHECKPOINTS_SIGNED = Counter("govbus_checkpoints_signed", "Checkpoints signed.", registry=METRICS)


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
