"""From settings to objects: which broker every command and process talks to."""

from __future__ import annotations

from govbus.errors import MissingPartError
from govbus.service.embedded_kafka import EmbeddedKafka
from govbus.settings import Settings
from govbus.transport.kafka import KafkaConnection, KafkaTransport

KAFKA_FOLDER = "kafka"
"""Below the data folder: where `govbus kafka start` keeps its broker."""


def bootstrap_servers(settings: Settings) -> str:
    """Return the servers that the settings name, else those of the embedded broker if it runs.

    Raises:
        MissingPartError: if neither is there.
    """
    if settings.kafka.bootstrap_servers:
        return settings.kafka.bootstrap_servers
    status = EmbeddedKafka(settings.data_folder / KAFKA_FOLDER).status()
    if not status.is_running or not status.bootstrap_servers:
        raise MissingPartError(
            "no Kafka to talk to",
            remedy="run `govbus kafka start`, or name one with --bootstrap-servers host:port",
        )
    return status.bootstrap_servers


def transport_of(settings: Settings, *, client_id: str = "govbus") -> KafkaTransport:
    """Return the transport that the settings describe; errors as for `bootstrap_servers`."""
    return KafkaTransport(KafkaConnection(bootstrap_servers(settings), client_id=client_id))
