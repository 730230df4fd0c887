"""The files that a broker is started with: its server properties and how it writes its own log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from govbus.errors import ConfigError

HOST = "127.0.0.1"
LOG_FILE_SIZE = "10MB"
LOG_FILES_MAX = 3


def server_properties(
    *, data_folder: Path, broker_port: int, controller_port: int, settings: Mapping[str, str]
) -> str:
    """Returns the text of ``server.properties`` for a broker that is its own controller.

    Args:
        data_folder: Folder for Kafka's own data; it must not hold a comma, which separates folders there.
        broker_port: Port for clients, on the loopback address.
        controller_port: Port of the controller, on the loopback address.
        settings: Extra properties; they win over the ones written here.

    Raises:
        ConfigError: The folder's path holds a comma.
    """
    if "," in str(data_folder):
        raise ConfigError(
            f"expected a data folder without a comma in its path, found {data_folder}",
            remedy="choose another folder: Kafka reads the comma as the start of a second one",
        )
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{broker_port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{broker_port},CONTROLLER://{HOST}:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data_folder.as_posix(),
        "auto.create.topics.enable": "false",
        # One broker: every internal topic has one replica, and few partitions, which start fast.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
        # A group of one machine is complete as soon as its first member asks: 3 s saved for each group.
        "group.initial.rebalance.delay.ms": "0",
        # After a kill -9 the controller waits for the old session's end: 1.5 s instead of 9.
        "broker.session.timeout.ms": "1500",
        "broker.heartbeat.interval.ms": "300",
        "group.min.session.timeout.ms": "1000",
    }
    return properties_text(properties | dict(settings))


def properties_text(properties: Mapping[str, str]) -> str:
    """Returns a Java properties file; anything outside printable ASCII is escaped, as Kafka reads Latin-1.

    Raises:
        ConfigError: A name is empty or holds a space, ``=``, ``:``, or a line end.
    """
    for name in properties:
        if not name or any(sign in name for sign in " =:\r\n\t#!\\"):
            raise ConfigError(f"expected the name of a Kafka property, found {name!r}")
    return "".join(f"{name}={_escaped(value)}\n" for name, value in properties.items())


def _escaped(value: str) -> str:
    units = value.encode("utf-16-be")
    signs = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(
        "\\\\" if sign == ord("\\") else chr(sign) if ord(" ") < sign <= ord("~") else f"\\u{sign:04x}"
        for sign in signs
    )


def logging_properties(log_file: Path) -> str:
    """Returns a Log4j 2 configuration that keeps the newest 40 MB of the broker's own log in a file."""
    name = log_file.as_posix()
    return properties_text(
        {
            "status": "error",
            "appender.file.type": "RollingFile",
            "appender.file.name": "file",
            "appender.file.fileName": name,
            "appender.file.filePattern": f"{name}.%i",
            "appender.file.layout.type": "PatternLayout",
            "appender.file.layout.pattern": "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}{UTC} %p %c{1}: %m%n",
            "appender.file.policies.type": "Policies",
            "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
            "appender.file.policies.size.size": LOG_FILE_SIZE,
            "appender.file.strategy.type": "DefaultRolloverStrategy",
            "appender.file.strategy.max": str(LOG_FILES_MAX),
            "rootLogger.level": "info",
            "rootLogger.appenderRef.file.ref": "file",
        }
    )
