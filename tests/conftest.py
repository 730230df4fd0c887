"""Fixtures of every test: a real Kafka broker, brokers of one's own, and the vectors of others."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from govbus.service.embedded_kafka import EmbeddedKafka

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
CONFORMANCE_VARIABLE = "GOVBUS_CONFORMANCE_DATA"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder of vectors independent of the folder that a test runs in.

    Loads what pytest's plugin of hypothesis would load at the very end, for the reason that stands below.
    """
    importlib.import_module("hypothesis.internal.observability")
    folder = os.environ.get(CONFORMANCE_VARIABLE)
    if folder:
        os.environ[CONFORMANCE_VARIABLE] = str((config.rootpath / folder).resolve())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Clears up before a failure is put into words.

    Words about a failure parse source. A collection in the middle of that may run finalizers that parse source too,
    such as asyncio's about an exception that a Kafka client never fetched, and CPython 3.11 then ends the whole run
    with "AST constructor recursion depth mismatch" (python/cpython#106905).
    """
    if call.excinfo is not None:
        gc.collect()
    return (yield)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of the session's broker; topics in it are shared, so name yours after the test.

    ``GOVBUS_TEST_BOOTSTRAP_SERVERS`` names a broker that runs already. Otherwise
    ``GOVBUS_TEST_KAFKA=testcontainers`` starts one in Docker, and the default, ``embedded``, as a child
    process.
    """
    running = os.environ.get("GOVBUS_TEST_BOOTSTRAP_SERVERS")
    kind = os.environ.get("GOVBUS_TEST_KAFKA", "embedded")
    if running:
        yield running
    elif kind == "embedded":
        broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), fast_start=True)
        try:
            yield broker.start(START_TIMEOUT_S)
        finally:
            broker.stop(STOP_TIMEOUT_S)
    elif kind == "testcontainers":
        yield from _container_bootstrap()
    else:
        raise pytest.UsageError(f"GOVBUS_TEST_KAFKA: expected embedded or testcontainers, found {kind!r}")


def _container_bootstrap() -> Iterator[str]:
    from docker.errors import DockerException
    from testcontainers.community.kafka import KafkaContainer

    try:
        container = KafkaContainer().with_kraft()
        container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
        container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        container.start()
    except DockerException as err:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"GOVBUS_TEST_KAFKA=testcontainers, but Docker does not answer: {err}")
    try:
        yield container.get_bootstrap_server()
    finally:
        container.stop()


@pytest.fixture
def embedded_kafka_factory(tmp_path: Path) -> Iterator[Callable[..., EmbeddedKafka]]:
    """Makes brokers that a test may kill; each gets the folder ``tmp_path / name`` and is stopped after it."""
    brokers: list[EmbeddedKafka] = []

    def make(name: str = "kafka", **options: Any) -> EmbeddedKafka:
        brokers.append(EmbeddedKafka(tmp_path / name, **({"fast_start": True} | options)))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.stop(STOP_TIMEOUT_S)


@pytest.fixture(scope="session")
def conformance_data() -> Path:
    """Folder of third-party test vectors."""
    folder = os.environ.get(CONFORMANCE_VARIABLE)
    if not folder:
        pytest.skip(f"{CONFORMANCE_VARIABLE} does not name a folder of third-party vectors")
    assert Path(folder).is_dir(), f"{CONFORMANCE_VARIABLE} names {folder}, which is not a folder"
    return Path(folder)
