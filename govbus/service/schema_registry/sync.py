"""Brings the directory's schemas into a registry of another make, under the same ids, and says what differs there.

Consumers find a schema by the id in a record's frame. A registry gives ids itself unless its subject is in mode
IMPORT, so that is how schemas go in; what stands there already is compared and never overwritten.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Coroutine, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import quote

import aiohttp

from govbus.errors import ConfigError, SchemaError, TransportError
from govbus.schemas.canonical import schema_hash
from govbus.service.schema_registry.api import CONTENT_TYPE
from govbus.service.schema_registry.published import PublishedSchema

REQUEST_TIMEOUT_S: Final = 30.0
REQUESTS_AT_ONCE_MAX: Final = 8
ANSWER_BYTES_MAX: Final = 4_000_000
_NOT_FOUND: Final = 404

T = TypeVar("T")


class Difference(NamedTuple):
    """Where a registry is not as the directory says."""

    subject: str
    version: int
    text: str

    def __str__(self) -> str:
        return f"{self.subject} version {self.version}: {self.text}"


class Answer(NamedTuple):
    """What a registry answered."""

    status: int
    body: Any
    """JSON values, None where it was no JSON."""

    @property
    def is_good(self) -> bool:
        """Whether the registry did as asked."""
        return self.status < 300  # noqa: PLR2004  # HTTP

    @property
    def reason(self) -> str:
        """What the registry said, for people."""
        message = self.body.get("message") if isinstance(self.body, dict) else None
        return f"HTTP {self.status}" + (f", {str(message)[:200]}" if message else "")


class RemoteRegistry:
    """A registry somewhere else. Use it as an asynchronous context."""

    def __init__(self, url: str, *, credential: str = "", authorities: Path | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: where its interface begins, such as ``https://registry.example:8081``.
            credential: ``name:secret`` for HTTP basic, a bare secret for a bearer token, empty for none.
            authorities: certificates (PEM) that its TLS certificate may come from, None for those of this machine.

        Raises:
            ConfigError: if the URL is no http or https URL, or the certificates cannot be used.
        """
        if not url.startswith(("http://", "https://")):
            raise ConfigError("expected the URL of a schema registry, such as https://registry.example:8081")
        try:
            self._tls = ssl.create_default_context(cafile=authorities)
        except (OSError, ssl.SSLError) as err:
            raise ConfigError(f"{authorities} cannot be used as certificates") from err
        self._url = url.rstrip("/")
        self._headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
        if ":" in credential:
            self._headers["Authorization"] = f"Basic {base64.b64encode(credential.encode()).decode()}"
        elif credential:
            self._headers["Authorization"] = f"Bearer {credential}"
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE_MAX)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
            connector=aiohttp.TCPConnector(ssl=self._tls),
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request.

        Raises:
            TransportError: if there is no answer, or one beyond the bound.
        """
        if self._session is None:
            raise RuntimeError("a RemoteRegistry is used inside its context")
        data = None if body is None else json.dumps(body).encode("utf-8")
        try:
            async with (
                self._slots,
                self._session.request(method, self._url + path, data=data, allow_redirects=False) as answer,
            ):
                octets = await answer.content.read(ANSWER_BYTES_MAX + 1)
                while not answer.content.at_eof() and len(octets) <= ANSWER_BYTES_MAX:
                    octets += await answer.content.read(ANSWER_BYTES_MAX + 1 - len(octets))
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise TransportError(f"{self._url} does not answer: {type(err).__name__}") from err
        if len(octets) > ANSWER_BYTES_MAX:
            raise TransportError(f"{self._url} answered with over {ANSWER_BYTES_MAX} bytes")
        return Answer(answer.status, _json(octets))


async def registry_differences(
    registry: RemoteRegistry, schemas: Sequence[PublishedSchema]
) -> list[Difference]:
    """Return where a registry is not as the directory says, in the order of the schemas.

    Raises:
        TransportError: if the registry does not answer, or refuses to tell.
    """
    last = {(one.subject, one.version) for one in _last_of_subjects(schemas)}
    found = await _all(
        _difference(registry, one, is_last=(one.subject, one.version) in last) for one in schemas
    )
    return [difference for difference in found if difference is not None]


async def sync_registry(registry: RemoteRegistry, schemas: Sequence[PublishedSchema]) -> list[Difference]:
    """Import what a registry lacks, compatibility included, then return what differs still.

    Args:
        registry: where to.
        schemas: by subject and version.

    Raises:
        ConfigError: if the registry has no import mode.
        TransportError: if the registry does not answer, or refuses to tell.
    """
    missing = {(one.subject, one.version) for one in await _missing(registry, schemas)}
    for subject, group in groupby(schemas, lambda one: one.subject):
        lacking = [one for one in group if (one.subject, one.version) in missing]
        if lacking:
            await _import_subject(registry, subject, lacking)
    await _all(_finish_subject(registry, one) for one in _last_of_subjects(schemas))
    return await registry_differences(registry, schemas)


async def _missing(registry: RemoteRegistry, schemas: Sequence[PublishedSchema]) -> list[PublishedSchema]:
    answers = await _all(registry.ask("GET", _version_path(one)) for one in schemas)
    return [one for one, answer in zip(schemas, answers, strict=True) if answer.status == _NOT_FOUND]


async def _import_subject(registry: RemoteRegistry, subject: str, schemas: Sequence[PublishedSchema]) -> None:
    """Import versions of one subject; what the registry does not take shows up as a difference afterwards."""
    path = f"/mode/{_quoted(subject)}"
    answer = await registry.ask("PUT", f"{path}?force=true", {"mode": "IMPORT"})
    # Some registries say yes and go on giving ids of their own (measured: Apicurio 3.0), so it is read back.
    mode = await registry.ask("GET", path)
    if not answer.is_good or not isinstance(mode.body, dict) or mode.body.get("mode") != "IMPORT":
        raise ConfigError(
            f"this registry has no import mode for {subject} ({answer.reason}); it would give ids of its own",
            remedy="let it change modes, or use one that can (Confluent's from 7.0, govbus's own)",
        )
    try:
        for one in schemas:
            body = {"schema": json.dumps(one.definition), "id": one.id, "version": one.version}
            await registry.ask("POST", f"/subjects/{_quoted(subject)}/versions", body)
    finally:
        await registry.ask("PUT", path, {"mode": "READWRITE"})
    await _set_level(registry, schemas[-1])


async def _finish_subject(registry: RemoteRegistry, one: PublishedSchema) -> None:
    """Do what an earlier run may have been ended before: leave import mode, and set a compatibility that lacks."""
    if await _is_importing(registry, one.subject):
        await registry.ask("PUT", f"/mode/{_quoted(one.subject)}", {"mode": "READWRITE"})
    if await _own_level(registry, one.subject) is None:
        await _set_level(registry, one)


async def _set_level(registry: RemoteRegistry, one: PublishedSchema) -> None:
    level = {"compatibility": one.compatibility.value}
    await registry.ask("PUT", f"/config/{_quoted(one.subject)}", level)


async def _is_importing(registry: RemoteRegistry, subject: str) -> bool:
    """Return whether a subject takes any id from anybody; a registry without modes never does."""
    answer = await registry.ask("GET", f"/mode/{_quoted(subject)}")
    return answer.is_good and isinstance(answer.body, dict) and answer.body.get("mode") == "IMPORT"


async def _own_level(registry: RemoteRegistry, subject: str) -> str | None:
    answer = await registry.ask("GET", f"/config/{_quoted(subject)}")
    if answer.status == _NOT_FOUND:
        return None
    if not answer.is_good or not isinstance(answer.body, dict):
        raise TransportError(f"the registry does not say what {subject} allows ({answer.reason})")
    return str(answer.body.get("compatibilityLevel"))


async def _difference(registry: RemoteRegistry, one: PublishedSchema, *, is_last: bool) -> Difference | None:
    answer = await registry.ask("GET", _version_path(one))
    if answer.status == _NOT_FOUND:
        return Difference(one.subject, one.version, "is missing")
    if not answer.is_good or not isinstance(answer.body, dict):
        raise TransportError(f"the registry does not say what {one.subject} is ({answer.reason})")
    if answer.body.get("id") != one.id:
        return Difference(one.subject, one.version, f"has id {answer.body.get('id')} instead of {one.id}")
    if not _is_same(answer.body.get("schema"), one.definition):
        return Difference(one.subject, one.version, "has another schema")
    by_id = await registry.ask("GET", f"/schemas/ids/{one.id}")
    if not isinstance(by_id.body, dict) or not _is_same(by_id.body.get("schema"), one.definition):
        return Difference(one.subject, one.version, f"is not what id {one.id} leads to ({by_id.reason})")
    if is_last and await _is_importing(registry, one.subject):
        return Difference(
            one.subject, one.version, "is still in mode IMPORT, which takes any id from anybody"
        )
    return await _level_difference(registry, one) if is_last else None


async def _level_difference(registry: RemoteRegistry, one: PublishedSchema) -> Difference | None:
    """Compare what a subject lets in next: the registry's default may allow what the directory does not."""
    level = await _own_level(registry, one.subject)
    if level == one.compatibility.value:
        return None
    found = "no compatibility of its own" if level is None else f"compatibility {level[:40]}"
    return Difference(one.subject, one.version, f"has {found} instead of {one.compatibility.value}")


def _last_of_subjects(schemas: Iterable[PublishedSchema]) -> list[PublishedSchema]:
    """Return the last version of each subject: the compatibility of a subject is told and compared there."""
    return list({one.subject: one for one in schemas}.values())


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of works that run side by side; when one fails, none of the others goes on."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_same(text: object, definition: Any) -> bool:
    if not isinstance(text, str):
        return False
    found = _json(text.encode("utf-8", "replace"))
    try:
        return schema_hash(found) == schema_hash(definition)
    except SchemaError:
        return False


def _version_path(one: PublishedSchema) -> str:
    return f"/subjects/{_quoted(one.subject)}/versions/{one.version}"


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _json(octets: bytes) -> Any:
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None
