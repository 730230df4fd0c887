"""The registry as a process: its clients, its health, and the directory that fills it."""

import asyncio
import dataclasses
import json

import aiohttp
import pytest

from govbus.document import topics
from govbus.errors import ConfigError
from govbus.routing.directory.build import build_directory
from govbus.schemas.compatibility import Compatibility
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.directory.publishing import publish_directory, read_certificates, read_folder
from govbus.service.sample_directory import write_sample_directory
from govbus.service.schema_registry.access import Role, new_credential
from govbus.service.schema_registry.published import PublishedSchema, published_schemas
from govbus.service.schema_registry.registry import SchemaRegistry
from govbus.service.schema_registry.server import RegistrySocket, serve_schema_registry
from govbus.service.schema_registry.store import RegistryStore
from govbus.signing.signer import KeySigner
from govbus.transport.base import TopicSpec
from govbus.transport.memory import MemoryTransport

NOW_MS = 1_790_000_000_000
DOCUMENT = "govbus.package.civil.person.Document"


async def get(url, **headers):
    """Return status and JSON."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_health(start, directory):
    """Health says which version of the directory is there."""
    async with start(is_governed=True) as running:
        await running.publish(directory)
        status, body = await get(f"{running.url}/health")
    assert (status, body) == (200, {"status": "up", "directory_version": 1, "problems": []})


async def test_clients_are_asked(start, tmp_path):
    """Where clients are named, only health is for everyone."""
    secret, line = new_credential("court.example", Role.READ)
    (tmp_path / "clients").write_text(line, "utf-8")
    async with start(clients_file=tmp_path / "clients") as running:
        assert (await get(f"{running.url}/subjects"))[0] == 401
        assert (await get(f"{running.url}/health"))[0] == 200
        assert await get(f"{running.url}/subjects", Authorization=f"Bearer {secret}") == (200, [])


async def test_port_in_use(start):
    """A second registry on one port says so."""
    async with start() as running:
        port = int(running.url.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match="cannot listen"):
            async with start_on(start, port):
                pass


def start_on(start, port):
    from govbus.service.schema_registry.server import running_registry

    return running_registry(":memory:", RegistrySocket(port=port), is_governed=False)


def test_no_database(tmp_path):
    """A file that is no database is refused and left alone."""
    file = tmp_path / "registry.sqlite"
    file.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match="database"):
        RegistryStore(file)


async def test_what_does_not_fit_is_told(start, directory):
    """A schema of the directory that contradicts what is registered leaves it as it is, and health says so."""
    text = json.dumps("string")
    async with start(is_governed=True) as running:

        def clash():
            return running.registry.publish(
                [PublishedSchema(DOCUMENT, 1, 1, json.loads(text), Compatibility.NONE)], 1
            )

        await asyncio.get_running_loop().run_in_executor(running.thread, clash)
        await running.publish(directory)
        status, body = await get(f"{running.url}/health")
        assert (status, body["status"]) == (503, "degraded")
        assert any("id 1 of govbus.core.LogEntry" in problem for problem in body["problems"])
        assert (await get(f"{running.url}/schemas/ids/1/schema"))[1] == "string"


def test_publishing_takes_nothing_away(directory, sample_content, tmp_path):
    """A package that leaves the directory leaves its schemas: documents in the log are still read by them."""
    bare = dataclasses.replace(sample_content, packages=(), agreements=())
    smaller = build_directory(bare, version=2, issued_ms=NOW_MS, expires_ms=NOW_MS + 1)
    registry = SchemaRegistry(RegistryStore(tmp_path / "r.sqlite"), is_governed=True)
    assert registry.publish(published_schemas(directory), 1) == []
    before = registry.subjects()
    assert registry.publish(published_schemas(smaller), 2) == []
    assert DOCUMENT in registry.subjects()
    assert registry.subjects() == before
    assert registry.directory_version() == 2


async def test_follows_the_directory(tmp_path):
    """A version published while the registry runs is there a moment later."""
    transport = MemoryTransport()
    administrator = transport.administrator()
    await administrator.start()
    await administrator.create_topics([TopicSpec(topics.DIRECTORY, 1, 1, {"cleanup.policy": "compact"})])
    sample = write_sample_directory(tmp_path / "directory", at_ms=NOW_MS)
    authority = read_certificates(sample.authority_certificate)
    signer = KeySigner.from_pem(
        sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="authority"
    )

    async def publish():
        files = read_folder(tmp_path / "directory")
        return await publish_directory(transport, files, signer, authority=authority, at_ms=NOW_MS)

    await publish()
    stopping, urls = asyncio.Event(), asyncio.Queue()
    service = asyncio.create_task(
        serve_schema_registry(
            DirectoryFollower(transport, authority, clock_ms=lambda: NOW_MS),
            database=tmp_path / "registry.sqlite",
            place=RegistrySocket(port=0),
            stopping=stopping,
            on_start=urls.put_nowait,
        )
    )
    url = await asyncio.wait_for(urls.get(), 20)
    assert (await get(f"{url}/health"))[1]["directory_version"] == 1
    assert (await get(f"{url}/subjects/{DOCUMENT}/versions"))[1] == [1]
    page = tmp_path / "directory" / "bus.yaml"
    page.write_text(page.read_text("utf-8").replace("Example governing authority", "Another name"), "utf-8")
    assert (await publish()).directory.version == 2
    async with asyncio.timeout(20):
        while (await get(f"{url}/health"))[1]["directory_version"] != 2:  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.05)
    stopping.set()
    await asyncio.wait_for(service, 20)
