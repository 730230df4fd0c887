"""The embedded Kafka on the real thing: start, crash, take-over and failure."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from govbus.cli import kafka as kafka_command
from govbus.errors import ConfigError
from govbus.service.embedded_kafka import EmbeddedKafka, probe

pytestmark = pytest.mark.kafka

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30


def ask(bootstrap_servers: str) -> probe.ClusterMetadata:
    host, port = bootstrap_servers.split(":")
    return probe.ask_metadata(host, int(port), timeout_s=5)


def test_broker_serves_from_start_to_stop(embedded_kafka_factory):
    """A started broker answers as its own controller at the address it gave; a stopped one is gone."""
    kafka = embedded_kafka_factory()

    bootstrap_servers = kafka.start(START_TIMEOUT_S)

    host, port = bootstrap_servers.split(":")
    assert probe.ClusterMetadata(brokers=((1, host, int(port)),), controller_id=1) == ask(bootstrap_servers)
    status = kafka.status()
    assert (True, True, bootstrap_servers) == (status.is_running, status.is_ready, status.bootstrap_servers)
    assert os.getpgid(status.pid) == status.pid, "the broker must lead its own process group"

    kafka.stop(STOP_TIMEOUT_S)

    assert (False, False, None) == (kafka.status().is_running, kafka.status().is_ready, kafka.pid)
    with pytest.raises(OSError, match="refused"):
        ask(bootstrap_servers)


def test_killed_broker_starts_again_at_the_same_address(embedded_kafka_factory):
    """After kill -9 the stale lock does not hold, and clients find the broker where it was."""
    kafka = embedded_kafka_factory()
    before = kafka.start(START_TIMEOUT_S)
    os.kill(kafka.pid, signal.SIGKILL)
    while kafka.pid is not None:  # a process takes a moment to die
        time.sleep(0.01)

    after = kafka.start(START_TIMEOUT_S)

    assert before == after
    assert ask(after).is_ready


def test_broker_moves_when_its_ports_were_taken(embedded_kafka_factory):
    """A folder whose ports went to somebody else starts on new ones, with the same cluster."""
    kafka = embedded_kafka_factory()
    kafka.start(START_TIMEOUT_S)
    identity = kafka._read_identity()
    kafka.stop(STOP_TIMEOUT_S)

    with socket.create_server(("127.0.0.1", identity.broker_port)):
        bootstrap_servers = kafka.start(START_TIMEOUT_S)

    assert identity.broker_port != int(bootstrap_servers.split(":")[1])
    assert identity.cluster_id == kafka._read_identity().cluster_id
    assert ask(bootstrap_servers).is_ready


def test_second_start_on_a_held_folder_is_refused(embedded_kafka_factory):
    """A folder has one broker: the second start names the first one's process and leaves it alone."""
    first, second = embedded_kafka_factory(), embedded_kafka_factory()
    bootstrap_servers = first.start(START_TIMEOUT_S)

    with pytest.raises(ConfigError, match=f"held by the broker with process id {first.pid}"):
        second.start(START_TIMEOUT_S)

    assert ask(bootstrap_servers).is_ready


def test_broker_outlives_its_starter_and_another_process_stops_it(embedded_kafka_factory, tmp_path):
    """A starter killed at once leaves a broker that is known from its folder alone."""
    script = (
        "import os, pathlib, signal, sys; from govbus.service.embedded_kafka import EmbeddedKafka;"
        f"EmbeddedKafka(pathlib.Path(sys.argv[1]), fast_start=True).start({START_TIMEOUT_S});"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.run([sys.executable, "-c", script, str(tmp_path / "kafka")], check=False)
    kafka = embedded_kafka_factory()

    assert -signal.SIGKILL == starter.returncode
    assert kafka.status().is_ready
    kafka.stop(STOP_TIMEOUT_S)
    assert not kafka.status().is_running


def test_failing_broker_shows_what_it_said_last(embedded_kafka_factory):
    """A broker that refuses a property after formatting is reported with its own words and its log's path."""
    kafka = embedded_kafka_factory(settings={"log.cleaner.dedupe.buffer.size": "99999999999999"})

    with pytest.raises(ConfigError, match="could not start") as failure:
        kafka.start(START_TIMEOUT_S)

    assert "OutOfMemoryError" in str(failure.value) or "dedupe" in str(failure.value)
    assert str(kafka.log_file) in str(failure.value)
    assert kafka.pid is None


def test_failed_format_leaves_the_folder_usable(embedded_kafka_factory):
    """A property that formatting refuses is named; the next start without it works in the same folder."""
    with pytest.raises(ConfigError, match=r"Invalid value many for configuration log\.retention\.bytes"):
        embedded_kafka_factory(settings={"log.retention.bytes": "many"}).start(START_TIMEOUT_S)

    assert ask(embedded_kafka_factory().start(START_TIMEOUT_S)).is_ready


def test_silent_broker_is_ended(embedded_kafka_factory):
    """A start that takes too long is an error that leaves no process behind and frees the folder."""
    kafka = embedded_kafka_factory()

    with pytest.raises(ConfigError, match="did not serve within 0 s"):
        kafka.start(timeout_s=0.1)

    assert kafka.pid is None
    assert ask(kafka.start(START_TIMEOUT_S)).is_ready


def test_commands_start_show_and_stop(tmp_path):
    """The commands run a broker, say where it is, refuse nothing twice, and end it."""
    folder = ["--data", str(tmp_path / "a b ü")]
    runner = CliRunner()

    assert 1 == runner.invoke(kafka_command.app, ["status", *folder]).exit_code
    started = runner.invoke(kafka_command.app, ["start", *folder, "--set", "num.io.threads=2"])
    try:
        assert 0 == started.exit_code, started.output
        kafka = EmbeddedKafka(tmp_path / "a b ü")
        assert kafka.bootstrap_servers in started.output
        assert "broker.log" in started.output
        assert "num.io.threads=2\n" in (tmp_path / "a b ü" / "server.properties").read_text()
        assert 0 == runner.invoke(kafka_command.app, ["status", *folder]).exit_code
    finally:
        stopped = runner.invoke(kafka_command.app, ["stop", *folder])
    assert "stopped\n" == stopped.output
    assert "it was not running\n" == runner.invoke(kafka_command.app, ["stop", *folder]).output


def test_commands_use_the_data_folder_of_the_settings(tmp_path, monkeypatch):
    """Without --data the broker lives in the folder that every other command keeps its state in."""
    monkeypatch.setenv("GOVBUS_DATA_FOLDER", str(tmp_path))

    shown = CliRunner().invoke(kafka_command.app, ["status"], env={"COLUMNS": "300"})

    assert str(tmp_path / "kafka" / "broker.log") in shown.output


def test_session_broker_answers(kafka_bootstrap: str):
    """The broker that the other integration tests share serves."""
    assert ask(kafka_bootstrap).is_ready


def test_data_folder_is_created_with_its_parents(tmp_path: Path):
    """Nothing is created before the first start, and asking about such a folder is no error."""
    kafka = EmbeddedKafka(tmp_path / "not" / "yet")

    assert not kafka.status().is_running
    assert not (tmp_path / "not").exists()
