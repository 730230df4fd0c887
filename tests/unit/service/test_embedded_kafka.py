"""What the embedded Kafka does before any broker runs: its lock, its sums, its files, its probe."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from govbus.errors import ConfigError, MissingPartError
from govbus.service.embedded_kafka import EmbeddedKafka, artifacts, configuration, folder_lock, probe


def jar_of(octets: bytes, name: str = "kafka-clients") -> artifacts.LockedJar:
    return artifacts.LockedJar(f"org.example:{name}:1", len(octets), hashlib.sha256(octets).hexdigest())


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_bundled_lock_is_complete():
    """The shipped lock names a Kafka and its log binding, each jar once, each with a whole SHA-256."""
    lock = artifacts.bundled_lock()
    names = [jar.file_name for jar in lock.jars]

    assert f"kafka_2.13-{lock.kafka_version}.jar" in names
    assert f"kafka-clients-{lock.kafka_version}.jar" in names
    assert any(name.startswith("log4j-slf4j-impl-") for name in names)
    assert len(set(names)) == len(names)
    assert {64} == {len(bytes.fromhex(jar.sha256)) * 2 for jar in lock.jars}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kafka": "4", "jars": [{}]}', '{"kafka": "4", "jars": 3}']
)
def test_unreadable_lock_is_an_error(text):
    """A lock that is not one is refused as configuration."""
    with pytest.raises(ConfigError, match="lock of the embedded Kafka is unreadable"):
        artifacts.JarLock.from_text(text)


def test_missing_jars_are_fetched_once(tmp_path):
    """A jar enters the cache checked, and is not fetched again."""
    jars = {jar_of(name.encode(), name): name.encode() for name in ("a", "b", "c")}
    lock = artifacts.JarLock("4", tuple(jars))
    fetched = []

    def fetch(jar, folder):
        fetched.append(jar)
        (folder / "x.jar").write_bytes(jars[jar])
        return folder / "x.jar"

    first = artifacts.ensure_jars(lock, tmp_path / "cache", fetch=fetch, console=quiet())
    second = artifacts.ensure_jars(lock, tmp_path / "cache", fetch=fetch, console=quiet())

    assert sorted(jars, key=repr) == sorted(fetched, key=repr)
    assert [tmp_path / "cache" / f"{name}-1.jar" for name in "abc"] == first == second
    assert [b"a", b"b", b"c"] == [path.read_bytes() for path in first]
    assert {"a-1.jar", "b-1.jar", "c-1.jar"} == {path.name for path in (tmp_path / "cache").iterdir()}


def test_fetched_jar_with_another_sum_is_refused(tmp_path):
    """What was fetched but is not what was locked never enters the cache, and the error names the file."""
    lock = artifacts.JarLock("4", (jar_of(b"as locked"),))

    def fetch(_, folder):
        (folder / "kafka-clients-1.jar").write_bytes(b"as altered")
        return folder / "kafka-clients-1.jar"

    with pytest.raises(ConfigError, match=r"kafka-clients-1\.jar does not have the sum"):
        artifacts.ensure_jars(lock, tmp_path, fetch=fetch, console=quiet())

    assert [] == list(tmp_path.iterdir())


def test_cached_jar_with_another_sum_is_refused(tmp_path):
    """A jar altered in the cache is refused by name, and nothing is fetched over it."""
    jar = jar_of(b"as locked")
    (tmp_path / jar.file_name).write_bytes(b"as altered")

    def fetch(_jar, _folder):
        pytest.fail("fetched")

    with pytest.raises(ConfigError) as refused:
        artifacts.ensure_jars(artifacts.JarLock("4", (jar,)), tmp_path, fetch=fetch)

    assert str(tmp_path / jar.file_name) in str(refused.value)
    assert jar.sha256 in str(refused.value)
    assert b"as altered" == (tmp_path / jar.file_name).read_bytes()


def test_jar_that_cannot_be_fetched_is_a_missing_part(tmp_path, monkeypatch):
    """Without a network the error says which jar, and that the same command goes on later."""
    monkeypatch.setattr("requests.request", lambda *_, **__: (_ for _ in ()).throw(OSError("no route")))

    with pytest.raises(MissingPartError, match=r"could not fetch org\.example:kafka-clients:1.*network"):
        artifacts.fetch_with_jgo(jar_of(b""), tmp_path)


def test_properties_escape_what_java_would_misread():
    """Backslashes, spaces, line ends and everything outside ASCII arrive in Kafka as they were."""
    text = configuration.properties_text({"a.b": "C:\\k ä\n😀"})

    assert "a.b=C:\\\\k\\u0020\\u00e4\\u000a\\ud83d\\ude00\n" == text


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a:b", "a\nb", "#a"])
def test_property_with_a_bad_name_is_refused(name):
    """A name that would become another property is refused."""
    with pytest.raises(ConfigError, match="expected the name of a Kafka property"):
        configuration.properties_text({name: "1"})


def test_extra_settings_win(tmp_path):
    """A setting that the caller gives replaces ours."""
    text = configuration.server_properties(
        data_folder=tmp_path, broker_port=1, controller_port=2, settings={"auto.create.topics.enable": "true"}
    )

    assert 1 == text.count("auto.create.topics.enable=")
    assert "auto.create.topics.enable=true\n" in text


def test_folder_that_kafka_would_split_is_refused(tmp_path):
    """Kafka reads a comma as the start of another folder."""
    with pytest.raises(ConfigError, match="without a comma"):
        configuration.server_properties(
            data_folder=tmp_path / "a,b", broker_port=1, controller_port=2, settings={}
        )


def test_heap_too_small_is_refused(tmp_path):
    """A heap that Kafka cannot live in is refused before anything starts."""
    with pytest.raises(ConfigError, match="at least 128 MB, found 64"):
        EmbeddedKafka(tmp_path, heap_mb=64)


@pytest.fixture
def sleeper():
    """Some process of the same user that has nothing to do with us."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def write_lock(folder: Path, **fields: object) -> None:
    (folder / folder_lock.LOCK_FILE_NAME).write_text(json.dumps(fields))


def test_reused_process_id_does_not_hold_and_is_never_ended(tmp_path, sleeper):
    """A lock whose process id went to another program neither holds the folder nor gets it stopped."""
    write_lock(tmp_path, pid=sleeper.pid, command_sha256="0" * 64, is_broker=True)
    kafka = EmbeddedKafka(tmp_path)

    kafka.stop(timeout_s=1)
    kafka.kill()

    assert kafka.pid is None
    assert sleeper.poll() is None
    folder_lock.take(tmp_path)
    assert os.getpid() == folder_lock.read_holder(tmp_path).pid


def test_starter_that_holds_a_folder_is_not_stopped(tmp_path, sleeper):
    """A process that is about to start a broker is named when asked, and never signalled."""
    folder_lock.hand_over(tmp_path, folder_lock.Holder.of_process(sleeper.pid, is_broker=False))
    kafka = EmbeddedKafka(tmp_path)

    with pytest.raises(ConfigError, match=f"held by process {sleeper.pid}, which is starting a broker"):
        kafka.start(timeout_s=1)
    kafka.stop(timeout_s=1)

    assert sleeper.poll() is None
    assert sleeper.pid == folder_lock.read_holder(tmp_path).pid


def test_command_that_is_not_there_yet(tmp_path, sleeper, monkeypatch):
    """A process seen before its command is waited for: held under no command, its broker could never be stopped."""
    answers = iter([[], []])
    cmdline = psutil.Process.cmdline
    monkeypatch.setattr(psutil.Process, "cmdline", lambda self: next(answers, None) or cmdline(self))

    folder_lock.hand_over(tmp_path, folder_lock.Holder.of_process(sleeper.pid, is_broker=True))

    assert sleeper.pid == folder_lock.read_holder(tmp_path).pid == EmbeddedKafka(tmp_path).pid


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_half_written_lock_does_not_hold(tmp_path, content):
    """A lock file that a crash left half written is taken over."""
    (tmp_path / folder_lock.LOCK_FILE_NAME).write_text(content)

    folder_lock.take(tmp_path)

    assert os.getpid() == folder_lock.read_holder(tmp_path).pid


def test_dead_process_does_not_hold(tmp_path, sleeper):
    """A process that ended lets its folder go, even before its parent took note."""
    folder_lock.hand_over(tmp_path, folder_lock.Holder.of_process(sleeper.pid, is_broker=True))
    assert sleeper.pid == folder_lock.read_holder(tmp_path).pid

    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert folder_lock.read_holder(tmp_path) is None


def test_unknown_folder_has_no_address(tmp_path):
    """A folder without a broker says that none was ever started there."""
    with pytest.raises(MissingPartError, match="no broker was ever started"):
        _ = EmbeddedKafka(tmp_path).bootstrap_servers


def test_altered_identity_is_refused(tmp_path):
    """A broker's own note of its ports and cluster is not guessed at."""
    (tmp_path / "broker.json").write_text("{}")

    with pytest.raises(ConfigError, match=r"broker\.json is not what this program wrote"):
        EmbeddedKafka(tmp_path).status()


ANSWER = struct.pack(">iiih4sihii", 1, 1, 7, 4, b"kafk", 9092, -1, 7, 0)


def test_metadata_answer_is_read():
    """Brokers and the controller come out of an answer as the protocol guide lays it out."""
    metadata = probe.parse_metadata_answer(ANSWER)

    assert probe.ClusterMetadata(brokers=((7, "kafk", 9092),), controller_id=7) == metadata
    assert metadata.is_ready


@pytest.mark.parametrize(
    "metadata",
    [probe.ClusterMetadata((), 1), probe.ClusterMetadata(((1, "h", 1),), -1)],
    ids=["no broker", "no controller"],
)
def test_broker_without_a_cluster_is_not_ready(metadata):
    """A broker serves once it is registered and there is a controller."""
    assert not metadata.is_ready


@pytest.mark.parametrize("size", range(len(ANSWER) - 4))
def test_cut_answer_is_refused(size):
    """An answer cut anywhere before its controller id is refused."""
    with pytest.raises(ValueError, match="expected a"):
        probe.parse_metadata_answer(ANSWER[:size])


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", ConnectionResetError),
        (b"HTTP/1.1 400 Bad Request\r\n", ValueError),
        (struct.pack(">i", 8) + struct.pack(">ii", 2, 0), ValueError),
        (struct.pack(">i", -1), ValueError),
    ],
    ids=["nothing", "a web server", "another's answer", "negative size"],
)
def test_other_servers_are_told_apart(said, error):
    """Whatever is no Kafka broker ends the probe with an error instead of an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(error):
            probe.ask_metadata("127.0.0.1", server.getsockname()[1], timeout_s=5)
        thread.join()
