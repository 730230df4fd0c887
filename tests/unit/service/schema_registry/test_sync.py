"""The directory's schemas in a registry of another make: our own, without a directory, stands for it."""

import json

import pytest

from govbus.errors import ConfigError, TransportError
from govbus.service.schema_registry.published import published_schemas
from govbus.service.schema_registry.sync import RemoteRegistry, registry_differences, sync_registry


@pytest.fixture
def schemas(directory):
    return published_schemas(directory)


async def test_an_empty_registry_lacks_everything(start, schemas):
    """Check names every version and changes nothing."""
    async with start() as running, RemoteRegistry(running.url) as remote:
        for _ in range(2):
            differences = await registry_differences(remote, schemas)
            assert {one.text for one in differences} == {"is missing"}
            assert len(differences) == len(schemas)


async def test_sync_brings_ids_and_levels(start, schemas):
    """After sync nothing differs, ids and compatibility included; again, and nothing changes."""
    async with start() as running, RemoteRegistry(running.url) as remote:
        assert await sync_registry(remote, schemas) == []
        assert await sync_registry(remote, schemas) == []
        for one in schemas:
            answer = await remote.ask("GET", f"/subjects/{one.subject}/versions/{one.version}")
            assert (answer.body["id"], json.loads(answer.body["schema"])) == (one.id, one.definition)
            level = await remote.ask("GET", f"/config/{one.subject}")
            assert level.body == {"compatibilityLevel": one.compatibility}
            mode = await remote.ask("GET", f"/mode/{one.subject}")
            assert mode.body == {"mode": "READWRITE"}


async def test_a_taken_id_is_a_difference(start, schemas):
    """What stands under an id already is left and told, with everything that would need it."""
    async with start() as running, RemoteRegistry(running.url) as remote:
        await remote.ask("PUT", "/mode/other", {"mode": "IMPORT"})
        taken = await remote.ask("POST", "/subjects/other/versions", {"schema": '"string"', "id": 1})
        assert taken.is_good
        differences = await sync_registry(remote, schemas)
        assert {one.subject for one in differences} == {one.subject for one in schemas if one.id == 1}
        assert (await remote.ask("GET", "/schemas/ids/1")).body["schema"] == '"string"'


async def test_another_schema_is_a_difference(start, schemas):
    """A subject that holds something else under its version is told."""
    one = next(one for one in schemas if one.subject == "govbus.core.Receipt")
    async with start() as running, RemoteRegistry(running.url) as remote:
        await remote.ask("POST", f"/subjects/{one.subject}/versions", {"schema": '"string"'})
        (difference,) = await registry_differences(remote, [one])
    assert "instead of 2" in difference.text


async def test_an_interrupted_sync_is_finished(start, schemas):
    """A subject whose schemas arrived without their compatibility is told, and given it by the next sync."""
    one = next(one for one in schemas if one.subject == "govbus.core.Receipt")
    async with start() as running, RemoteRegistry(running.url) as remote:
        await sync_registry(remote, schemas)
        await remote.ask("DELETE", f"/config/{one.subject}")
        (difference,) = await registry_differences(remote, schemas)
        assert (difference.subject, difference.text) == (
            one.subject,
            "has no compatibility of its own instead of FULL_TRANSITIVE",
        )
        assert await sync_registry(remote, schemas) == []
        level = await remote.ask("GET", f"/config/{one.subject}")
        assert level.body == {"compatibilityLevel": "FULL_TRANSITIVE"}


async def test_a_subject_left_in_import_mode_is_told_and_closed(start, schemas):
    """A run that was ended in the middle of an import leaves a door open; it is noticed, and the next run closes it."""
    async with start(is_governed=False) as running, RemoteRegistry(running.url) as remote:
        assert [] == await sync_registry(remote, schemas)
        await remote.ask("PUT", f"/mode/{schemas[-1].subject}?force=true", {"mode": "IMPORT"})

        (difference,) = await registry_differences(remote, schemas)
        assert (schemas[-1].subject, True) == (difference.subject, "mode IMPORT" in difference.text)
        assert [] == await sync_registry(remote, schemas)


async def test_another_compatibility_is_a_difference(start, schemas):
    """A subject that somebody lets take more than the directory does is told, and left as it stands."""
    one = next(one for one in schemas if one.subject == "govbus.core.Receipt")
    async with start() as running, RemoteRegistry(running.url) as remote:
        await sync_registry(remote, schemas)
        await remote.ask("PUT", f"/config/{one.subject}", {"compatibility": "NONE"})
        for work in (registry_differences, sync_registry):
            (difference,) = await work(remote, schemas)
            assert difference.text == "has compatibility NONE instead of FULL_TRANSITIVE"


async def test_refused_compatibility_is_told(start, schemas, monkeypatch):
    """A registry that takes the schemas and not their compatibility is no agreement."""
    async with start() as running, RemoteRegistry(running.url) as remote:
        monkeypatch.setattr(running.registry.settings, "set_compatibility", lambda *_: "NONE")
        differences = await sync_registry(remote, schemas)
        assert {one.subject for one in differences} == {one.subject for one in schemas}
        assert all("no compatibility of its own" in one.text for one in differences)


async def test_no_import_mode(start, schemas):
    """A registry that lets nobody import says so before anything gets another id."""
    async with start(is_governed=True) as running, RemoteRegistry(running.url) as remote:
        with pytest.raises(ConfigError, match="no import mode"):
            await sync_registry(remote, schemas)
        assert (await remote.ask("GET", "/subjects")).body == []


async def test_import_mode_in_name_only(start, schemas, monkeypatch):
    """A registry that says yes and stays as it was would give other ids, so nothing is registered there."""
    async with start() as running, RemoteRegistry(running.url) as remote:
        monkeypatch.setattr(running.registry.settings, "set_mode", lambda *_, **__: "IMPORT")
        with pytest.raises(ConfigError, match="no import mode"):
            await sync_registry(remote, schemas)
        assert (await remote.ask("GET", "/subjects")).body == []


async def test_nobody_answers(start, schemas):
    """A registry that is not there is expected to come back."""
    async with start() as running:
        url = running.url
    async with RemoteRegistry(url) as remote:
        with pytest.raises(TransportError, match="does not answer"):
            await registry_differences(remote, schemas)


async def test_refusal_to_tell_is_no_agreement(start, schemas, tmp_path):
    """A registry that knows nobody does not pass as one that agrees."""
    (tmp_path / "clients").write_text("", "utf-8")
    async with start(clients_file=tmp_path / "clients") as running, RemoteRegistry(running.url) as remote:
        with pytest.raises(TransportError, match="HTTP 401"):
            await registry_differences(remote, schemas)


def test_no_url():
    """Anything but http and https is refused."""
    with pytest.raises(ConfigError, match="URL"):
        RemoteRegistry("file:///etc")
