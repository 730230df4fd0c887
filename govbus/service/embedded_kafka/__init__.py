"""A real single-node Apache Kafka as a child process: for a first look, the demo, development and the tests.

Production points ``bootstrap_servers`` at a cluster instead; nothing else in govbus knows the difference.
"""

from govbus.service.embedded_kafka.broker import BrokerStatus, EmbeddedKafka

__all__ = ["BrokerStatus", "EmbeddedKafka"]
