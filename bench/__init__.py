"""Benchmarks against bare Kafka clients: ``make bench``."""
