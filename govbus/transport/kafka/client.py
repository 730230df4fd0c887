"""One Kafka cluster: how it is reached, and what can be made for it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from govbus.transport.base import AssignmentCallback, IsolationLevel, TopicPartition
from govbus.transport.kafka.administrator import KafkaAdministrator
from govbus.transport.kafka.producers import KafkaPublisher, KafkaTransactionalPublisher
from govbus.transport.kafka.subscriber import KafkaSubscriber, SubscriptionRequest

REQUEST_TIMEOUT_MS = 20_000
RETRY_BACKOFF_MS = 50


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """How the cluster is reached."""

    bootstrap_servers: str
    """``host:port[,host:port]``."""
    client_id: str = "govbus"
    tls: ssl.SSLContext | None = None
    """Given, every connection is TLS; with a certificate loaded, mutual."""

    def settings(self) -> dict[str, Any]:
        """Return the settings that every client object takes."""
        return {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "security_protocol": "SSL" if self.tls is not None else "PLAINTEXT",
            "ssl_context": self.tls,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": RETRY_BACKOFF_MS,
        }


class KafkaTransport:
    """Makes publishers, subscribers and administrators of one cluster."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    def publisher(self) -> KafkaPublisher:
        """Return a new idempotent publisher, not started."""
        return KafkaPublisher(self._connection.settings())

    def transactional_publisher(
        self, transactional_id: str, *, transaction_timeout_s: float = 20.0
    ) -> KafkaTransactionalPublisher:
        """Return a new transactional publisher, not started."""
        return KafkaTransactionalPublisher(
            self._connection.settings(),
            transactional_id=transactional_id,
            transaction_timeout_s=transaction_timeout_s,
        )

    def subscriber(
        self,
        *,
        assign: Sequence[TopicPartition] = (),
        topics: Sequence[str] = (),
        pattern: str | None = None,
        group: str | None = None,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
        session_timeout_s: float = 10.0,
        metadata_interval_s: float = 30.0,
        on_assigned: AssignmentCallback | None = None,
        on_revoked: AssignmentCallback | None = None,
    ) -> KafkaSubscriber:
        """Return a new subscriber, not started; arguments as in `govbus.transport.base.Transport`."""
        return KafkaSubscriber(
            self._connection.settings(),
            SubscriptionRequest(
                assign=tuple(assign),
                topics=tuple(topics),
                pattern=pattern,
                group=group,
                isolation=isolation,
                session_timeout_s=session_timeout_s,
                metadata_interval_s=metadata_interval_s,
                on_assigned=on_assigned,
                on_revoked=on_revoked,
            ),
        )

    def administrator(self) -> KafkaAdministrator:
        """Return a new administrator, not started."""
        return KafkaAdministrator(self._connection.settings())
