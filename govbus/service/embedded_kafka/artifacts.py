"""The jars of the embedded Kafka: a committed lock says which, and nothing runs whose sum differs from it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from govbus.errors import ConfigError, MissingPartError

FETCHES_AT_ONCE_MAX = 4
FETCH_TIMEOUT_S = 60

Fetch = Callable[["LockedJar", Path], Path]


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of the lock."""

    coordinate: str
    """Maven coordinate, ``group:name:version``."""
    size_bytes: int
    sha256: str
    """SHA-256 of the file, lower-case hex."""

    @property
    def file_name(self) -> str:
        """Name of the jar in the cache folder; unique within a lock."""
        _, name, version = self.coordinate.split(":")
        return f"{name}-{version}.jar"


@dataclass(frozen=True, slots=True)
class JarLock:
    """The whole lock: one Kafka version and every jar that it runs with."""

    kafka_version: str
    jars: tuple[LockedJar, ...]

    @classmethod
    def from_text(cls, text: str) -> JarLock:
        """Reads a lock as ``tools/lock_kafka.py`` writes it.

        Raises:
            ConfigError: The text is not such a lock.
        """
        try:
            content = json.loads(text)
            jars = tuple(
                LockedJar(coordinate=jar["coordinate"], size_bytes=jar["size_bytes"], sha256=jar["sha256"])
                for jar in content["jars"]
            )
            return cls(kafka_version=content["kafka"], jars=jars)
        except (ValueError, KeyError, TypeError) as err:
            raise ConfigError(f"the lock of the embedded Kafka is unreadable: {err!r}") from err


def bundled_lock() -> JarLock:
    """Returns the lock that is shipped with govbus."""
    lock_file = resources.files(__package__) / "kafka.lock.json"
    return JarLock.from_text(lock_file.read_text(encoding="utf-8"))


def cache_folder(lock: JarLock) -> Path:
    """Returns where this user keeps the jars of one Kafka version."""
    return platformdirs.user_cache_path("govbus") / f"kafka-{lock.kafka_version}"


def fetch_with_jgo(jar: LockedJar, folder: Path) -> Path:
    """Fetches one jar from the Maven repository that ``jgo`` knows, into an empty folder.

    Returns:
        Path of the fetched file, inside ``folder``.

    Raises:
        MissingPartError: The repository cannot be reached, or does not have the jar.
    """
    import requests  # noqa: PLC0415  (a third of a second, and only the first start needs it)
    from jgo.maven import MavenContext  # noqa: PLC0415

    group, name, version = jar.coordinate.split(":")
    context = MavenContext(repo_cache=folder, timeout=FETCH_TIMEOUT_S)
    try:
        path: Path = context.project(group, name).at_version(version).artifact().resolve()
    except (requests.RequestException, RuntimeError, OSError) as err:
        raise MissingPartError(
            f"could not fetch {jar.coordinate}, which the embedded Kafka needs ({type(err).__name__})",
            remedy="connect this machine to the network and run the same command again: "
            "what was fetched already is kept",
        ) from err
    return path


def check_sum(jar: LockedJar, path: Path) -> None:
    """Checks a file against the lock.

    Raises:
        ConfigError: The sum differs; the error names the file.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise ConfigError(
            f"{path} does not have the sum that the lock states for {jar.coordinate}: "
            f"expected SHA-256 {jar.sha256}, found {found}",
            remedy="delete that file and start again; if it happens twice, somebody alters what you download",
        )


def ensure_jars(
    lock: JarLock, folder: Path, *, fetch: Fetch = fetch_with_jgo, console: Console | None = None
) -> list[Path]:
    """Returns the paths of all locked jars, each checked against its sum, fetching those that are missing.

    A jar enters the folder only whole and checked, by an atomic rename, so an interrupted or parallel
    download leaves nothing half done.

    Args:
        lock: Which jars.
        folder: Where they are kept; created if missing.
        fetch: Brings one jar into an empty folder and returns its path.
        console: Where the progress bar of the first download goes; standard error if none is given.

    Raises:
        ConfigError: A file's sum differs from the lock; the error names the file.
        MissingPartError: A jar is missing and cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in lock.jars if not (folder / jar.file_name).exists()]
    for jar in lock.jars:
        if jar not in missing:
            check_sum(jar, folder / jar.file_name)
    if missing:
        _fetch_all(missing, folder, fetch, console or Console(stderr=True))
    return [folder / jar.file_name for jar in lock.jars]


def _fetch_all(jars: Sequence[LockedJar], folder: Path, fetch: Fetch, console: Console) -> None:
    """Fetches several at a time: the files are small, and waiting is most of the work."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console) as progress,
        ThreadPoolExecutor(FETCHES_AT_ONCE_MAX) as pool,
    ):
        bar = progress.add_task("Fetching Apache Kafka (once)", total=sum(jar.size_bytes for jar in jars))
        waiting = {pool.submit(_fetch_one, jar, folder, fetch): jar for jar in jars}
        try:
            for done in as_completed(waiting):
                done.result()
                progress.advance(bar, waiting[done].size_bytes)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(jar: LockedJar, folder: Path, fetch: Fetch) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    try:
        fetched = fetch(jar, scratch)
        check_sum(jar, fetched)
        fetched.replace(folder / jar.file_name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
