"""The broker: ports in `base`, an in-process implementation in `memory`, Apache Kafka in `kafka`."""
