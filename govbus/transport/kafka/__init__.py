"""Apache Kafka through aiokafka: the only place that knows the Kafka client."""

from govbus.transport.kafka.client import KafkaConnection, KafkaTransport

__all__ = ["KafkaConnection", "KafkaTransport"]
