"""Confluent's own client against our schema registry, and against another one where there is one.

``GOVBUS_TEST_SCHEMA_REGISTRY_URL`` names a registry that runs already (Confluent, Karapace, Apicurio's ccompat path);
tests of what govbus alone promises are skipped there.
"""

import asyncio
import contextlib
import json
import os
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from confluent_kafka.schema_registry import (
    AsyncSchemaRegistryClient,
    ConfigCompatibilityLevel,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
    header_schema_id_serializer,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import frame, unframe
from govbus.routing.directory.model import Delivery
from govbus.schemas import bundled
from govbus.schemas.core import LOG_ENTRY_ID, RECEIPT_ID, encode_log_entry, log_entry_codec
from govbus.service.sample_directory import write_sample_directory
from govbus.service.schema_registry.server import RegistrySocket, running_registry
from govbus.service.schema_registry.store import CLIENT_SCHEMA_ID_MIN

EXTERNAL = os.environ.get("GOVBUS_TEST_SCHEMA_REGISTRY_URL")
TIMEOUT_S = 30
NOW_MS = 1_790_000_000_000

ours_only = pytest.mark.skipif(EXTERNAL is not None, reason="a promise of govbus's own registry")


class OwnRegistry:
    """Our registry in a thread of its own, as clients see it: a URL."""

    def __init__(self, folder, **options):
        self._database = folder / "registry.sqlite"
        self._options = {"is_governed": False, "place": RegistrySocket(port=0)} | options
        self._loop = asyncio.new_event_loop()
        self._started, self._stopping = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        self.running = None

    async def _serve(self):
        try:
            async with running_registry(self._database, **self._options) as self.running:
                self._started.set()
                await self._stopping.wait()
        finally:
            self._started.set()

    @property
    def url(self):
        return self.running.url

    def publish(self, directory):
        asyncio.run_coroutine_threadsafe(self.running.publish(directory), self._loop).result(TIMEOUT_S)

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(TIMEOUT_S)
        return self

    def __exit__(self, *_error):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(TIMEOUT_S)
        self._loop.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A registry to use; subjects in it are shared, so each test names its own."""
    if EXTERNAL:
        yield EXTERNAL
        return
    with OwnRegistry(tmp_path_factory.mktemp("registry")) as own:
        yield own.url


@pytest.fixture
def client(url):
    with SchemaRegistryClient({"url": url, "max.retries": 0}) as made:
        yield made


@pytest.fixture
def subject():
    return f"test-{uuid.uuid4()}"


def record(*fields, doc="A case."):
    """Return a documented schema, new to any registry by its namespace."""
    return {"type": "record", "name": "Case", "namespace": "court", "doc": doc, "fields": list(fields)}


def field(name, kind="string", **more):
    return {"name": name, "doc": "A field.", "type": kind} | more


def schema(*fields, salt=None):
    doc = f"A case of {salt or uuid.uuid4()}."
    return Schema(json.dumps(record(*fields, doc=doc)), "AVRO")


NUMBER, TITLE = field("number"), field("title", default="")


@contextlib.contextmanager
def refused(code, words=None):
    """Expect an error with this code; a three-digit code is compared with the status.

    Other registries answer some codes with another status: Apicurio says 409 where Confluent says 404.
    """
    with pytest.raises(SchemaRegistryError, match=words) as caught:
        yield
    if EXTERNAL and code > 999:
        assert code == caught.value.error_code
        return
    found = caught.value.error_code if code > 999 else caught.value.http_status_code
    assert (code, caught.value.http_status_code) == (found, code if code < 1000 else code // 100)


def versions_of(client, subject, compatibility="FULL_TRANSITIVE"):
    """Register two versions and return their ids."""
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel[compatibility]))
    return [client.register_schema(subject, one) for one in (schema(NUMBER), schema(NUMBER, TITLE))]


def test_register_and_read_back(client, subject):
    """A schema is found by id, by version and by content; registering it again changes nothing."""
    one = schema(NUMBER)
    schema_id = client.register_schema(subject, one)
    client.clear_caches()
    assert client.register_schema(subject, one) == schema_id
    client.clear_caches()
    assert json.loads(client.get_schema(schema_id).schema_str) == json.loads(one.schema_str)
    latest = client.get_latest_version(subject)
    assert (latest.schema_id, latest.version, latest.subject) == (schema_id, 1, subject)
    found = client.lookup_schema(subject, one)
    assert (found.schema_id, found.version, found.subject) == (schema_id, 1, subject)
    assert client.get_version(subject, 1).schema_id == schema_id
    assert client.get_versions(subject) == [1]
    assert subject in client.get_subjects()
    if not EXTERNAL:  # Apicurio 3.0 and Karapace 6.2 leave the prefix out of account
        assert client.get_subjects(subject_prefix=subject) == [subject]
    assert "AVRO" in client.get_schema_types()


def test_one_content_has_one_id(client, subject):
    """The same schema under another subject has the same id, and the id names both."""
    one = schema(NUMBER)
    other = subject + "-other"
    schema_id = client.register_schema(subject, one)
    assert client.register_schema(other, one) == schema_id
    try:
        assert sorted(client.get_subjects_by_schema_id(schema_id)) == [subject, other]
    except (SchemaRegistryError, ValueError) as err:
        assert EXTERNAL, err
        pytest.skip("this registry does not say where a schema stands")
    places = {(place.subject, place.version) for place in client.get_schema_versions(schema_id)}
    assert places == {(subject, 1), (other, 1)}


def test_versions(client, subject):
    """Versions count from 1 and each has its schema."""
    first, second = versions_of(client, subject)
    assert client.get_versions(subject) == [1, 2]
    assert first != second
    assert client.get_latest_version(subject).version == 2
    assert [client.get_version(subject, number).schema_id for number in (1, 2)] == [first, second]


def test_unknown_things(client, subject):
    """Each unknown thing has its code."""
    with refused(40401):
        client.get_versions(subject)
    with refused(40401):
        client.get_latest_version(subject)
    with refused(40401):
        client.lookup_schema(subject, schema(NUMBER))
    with refused(40403):
        client.get_schema(2_000_000_000)
    client.register_schema(subject, schema(NUMBER))
    with refused(40402):
        client.get_version(subject, 7)
    with refused(40403):
        client.lookup_schema(subject, schema(NUMBER))


@ours_only
def test_no_version(client, subject):
    """What is no version at all is told from one that is not there; Apicurio does not."""
    client.register_schema(subject, schema(NUMBER))
    with refused(42202):
        client.get_version(subject, "first")


def test_illegal_schema(client, subject):
    """What is no schema is refused with 42201."""
    for text in ("{", '{"type": "nothing"}', '{"type": "record", "name": "A-B", "fields": []}'):
        with refused(42201):
            client.register_schema(subject, Schema(text, "AVRO"))


def test_incompatible_version(client, subject):
    """A version that earlier ones cannot read is refused with 409, and a compatible one is not."""
    versions_of(client, subject)
    with refused(409):
        client.register_schema(subject, schema(NUMBER, field("due", "int")))
    assert client.get_versions(subject) == [1, 2]
    client.register_schema(subject, schema(NUMBER, TITLE, field("note", default="")))


def test_compatibility_is_told(client, subject):
    """Compatibility is asked for without registering."""
    versions_of(client, subject)
    assert client.test_compatibility(subject, schema(NUMBER), 1)
    assert client.test_compatibility(subject, schema(NUMBER))
    assert not client.test_compatibility(subject, schema(NUMBER, field("due", "int")))
    assert client.test_compatibility_all_versions(subject, schema(NUMBER))
    assert not client.test_compatibility_all_versions(subject, schema(NUMBER, field("due", "int")))


@pytest.mark.parametrize(
    ("level", "removes", "adds"),
    [("BACKWARD", True, False), ("FORWARD", False, True), ("FULL", False, False), ("NONE", True, True)],
)
def test_levels(client, subject, level, removes, adds):
    """Each level asks for its direction: a field without default may go, or come, or neither."""
    client.register_schema(subject, schema(NUMBER, field("judge")))
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel[level]))
    assert client.test_compatibility(subject, schema(NUMBER)) is removes
    assert client.test_compatibility(subject, schema(NUMBER, field("judge"), field("due"))) is adds


def test_config(client, subject):
    """A subject has a level of its own once it is set."""
    client.register_schema(subject, schema(NUMBER))
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FORWARD))
    assert client.get_config(subject).compatibility_level == ConfigCompatibilityLevel.FORWARD
    client.delete_config(subject)
    if not EXTERNAL:  # Apicurio gives the level of all in its place
        with refused(40408):
            client.get_config(subject)


def test_soft_deleted_version(client, subject):
    """A deleted version is no longer listed, but its id still reads what was written with it."""
    first, second = versions_of(client, subject)
    assert client.delete_version(subject, 1) == 1
    assert client.get_versions(subject) == [2]
    assert client.get_versions(subject, deleted=True) == [1, 2]
    client.clear_caches()
    assert client.get_schema(first) != client.get_schema(second)
    with refused(40402):
        client.get_version(subject, 1)
    with refused(40406):
        client.delete_version(subject, 1)
    assert client.delete_version(subject, 1, permanent=True) == 1
    assert client.get_versions(subject, deleted=True) == [2]


def test_hard_deletion_comes_second(client, subject):
    """Nothing is deleted for good that was not deleted before."""
    versions_of(client, subject)
    with refused(40407):
        client.delete_version(subject, 1, permanent=True)
    client.delete_version(subject, 1)
    client.delete_version(subject, 1, permanent=True)


def test_deleted_subject(client, subject):
    """A deleted subject is gone from lists; deleted for good, its schema is gone too."""
    first, _ = versions_of(client, subject)
    assert client.delete_subject(subject) == [1, 2]
    assert subject not in client.get_subjects()
    assert subject in client.get_subjects(deleted=True)
    with refused(40404):
        client.delete_subject(subject)
    client.delete_subject(subject, permanent=True)
    client.clear_caches()
    assert subject not in client.get_subjects(deleted=True)
    with refused(40403):
        client.get_schema(first)
    with refused(40401):
        client.delete_subject(subject)


def test_deleted_and_registered_again(client, subject):
    """A schema that comes back keeps its id, so old messages stay readable."""
    one = schema(NUMBER)
    schema_id = client.register_schema(subject, one)
    client.delete_subject(subject)
    client.clear_caches()
    assert client.register_schema(subject, one) == schema_id
    assert client.get_latest_version(subject).schema_id == schema_id


def test_serializers(client, subject):
    """What Confluent's serializer writes, its deserializer reads; the schema registers itself on the way."""
    text = schema(NUMBER, field("at", {"type": "long", "logicalType": "timestamp-millis"})).schema_str
    context = SerializationContext(subject, MessageField.VALUE)
    octets = AvroSerializer(client, text)({"number": "7", "at": 1_700_000_000_000}, context)
    assert AvroDeserializer(client)(octets, context)["number"] == "7"
    assert client.get_versions(f"{subject}-value") == [1]


async def test_async_client(url, subject):
    """The asynchronous client says and hears the same."""
    async with AsyncSchemaRegistryClient({"url": url, "max.retries": 0}) as client:
        schema_id = await client.register_schema(subject, schema(NUMBER))
        assert (await client.get_latest_version(subject)).schema_id == schema_id
        with refused(40402):
            await client.get_version(subject, 7)


def test_import_mode(client, subject):
    """In import mode a schema is registered under an id and version of the client's choice."""
    one = schema(NUMBER)
    schema_id = 100_000_000 + uuid.uuid4().int % 100_000_000
    try:
        client.update_mode(subject, "IMPORT")
    except (SchemaRegistryError, TypeError) as err:
        assert EXTERNAL, err
        pytest.skip("this registry has no import mode")
    post(client, f"/subjects/{subject}/versions", {"schema": one.schema_str, "id": schema_id, "version": 3})
    client.update_mode(subject, "READWRITE")
    assert client.get_latest_version(subject).schema_id == schema_id
    assert client.get_versions(subject) == [3]


def post(client, path, body, method="POST", **headers):
    """Send what the client does not; return the status and the answer."""
    request = urllib.request.Request(  # noqa: S310  # the registry under test
        client._conf["url"] + path,
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"} | headers,
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as err:
        with err:
            return err.code, json.loads(err.read())


@ours_only
class TestOwnPromises:
    """What govbus promises beyond Confluent's interface."""

    def test_undocumented_schema(self, client, subject):
        """DRM-4: a field without documentation is not registered; the message says where."""
        undocumented = record(field("number", doc=""))
        with refused(42201, r"DRM-4 at fields\.0"):
            client.register_schema(subject, Schema(json.dumps(undocumented), "AVRO"))

    def test_malformed_logical_type(self, client, subject):
        """AVR-3: what libraries ignore is refused."""
        decimal = {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}
        with refused(42201, r"AVR-3 at fields\.0\.type"):
            client.register_schema(subject, schema(field("amount", decimal)))

    def test_changed_scale(self, client, subject):
        """AVR-2: a change of scale is incompatible, though Avro's own checker sees no change."""
        decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
        client.register_schema(subject, schema(field("amount", decimal)))
        with refused(409, "LOGICAL_TYPE_MISMATCH"):
            client.register_schema(subject, schema(field("amount", decimal | {"scale": 4})))

    def test_full_transitive_is_the_default(self, client, subject):
        """Nobody has to ask for it."""
        assert client.get_config().compatibility_level == ConfigCompatibilityLevel.FULL_TRANSITIVE
        client.register_schema(subject, schema(NUMBER))
        client.register_schema(subject, schema(NUMBER, TITLE))
        with refused(409, "version 2"):
            client.register_schema(subject, schema(NUMBER, field("title", "int", default=0)))

    def test_ids_of_clients(self, client, subject):
        """A client's schema gets an id that no directory uses."""
        assert client.register_schema(subject, schema(NUMBER)) >= CLIENT_SCHEMA_ID_MIN

    def test_guid_in_a_header(self, client, subject):
        """Serializers that put a GUID into a header work too, and leave the value pure Avro."""
        text = schema(NUMBER).schema_str
        context = SerializationContext(subject, MessageField.VALUE, headers=[])
        serializer = AvroSerializer(client, text, conf={"schema.id.serializer": header_schema_id_serializer})
        octets = serializer({"number": "K-2026-7"}, context)
        assert octets == b"\x10K-2026-7"
        assert AvroDeserializer(client)(octets, context) == {"number": "K-2026-7"}

    def test_what_is_not_supported_is_said(self, client, subject):
        """Other kinds of schemas, references and metadata are refused in words."""
        for body in (
            {"schema": "{}", "schemaType": "JSON"},
            {"schema": '"string"', "metadata": {"properties": {"owner": "x"}}},
        ):
            status, answer = post(client, f"/subjects/{subject}/versions", body)
            assert (status, answer["error_code"]) == (422, 42201)
        reference = SchemaReference("court.Person", "person", 1)
        with refused(42201, "references are not supported"):
            client.register_schema(subject, Schema('"string"', "AVRO", [reference]))

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{", 400),
            (b"[]", 400),
            (b"[" * 100_000, 400),
            (b'{"schema": 3}', 42201),
            (b"{}", 42201),
            (json.dumps({"schema": "[" * 100_000}).encode(), 42201),
            (json.dumps({"schema": '{"type": "int", "type": "long"}'}).encode(), 42201),
            (json.dumps({"schema": "x" * 1_000_001}).encode(), 42209),
            (b'"' + b"x" * 2_000_001 + b'"', 42209),
        ],
        ids=["no JSON", "array", "deep", "number", "nothing", "deep schema", "key twice", "long", "too long"],
    )
    def test_hostile_bodies(self, client, subject, body, code):
        """Whatever is sent, the answer is a bounded refusal."""
        status, answer = post(client, f"/subjects/{subject}/versions", body)
        assert answer["error_code"] == code
        assert status == (code if code < 1000 else code // 100)

    @pytest.mark.parametrize("name", ["%00", "a%0Ab", "%20", ":.other:a", "__GLOBAL", "x" * 501])
    def test_hostile_subjects(self, client, name):
        """Names that would mislead people or other registries are refused."""
        body = {"schema": schema(NUMBER).schema_str}
        assert post(client, f"/subjects/{name}/versions", body)[1]["error_code"] == 42208

    def test_a_slash_in_a_subject(self, client, subject):
        """A name may hold what paths use."""
        client.register_schema(f"{subject}/a b?c", schema(NUMBER))
        assert f"{subject}/a b?c" in client.get_subjects()

    def test_pages_of_other_origins_stay_out(self, client, subject):
        """A web page can send neither this type of body nor a name of this machine."""
        body = {"schema": schema(NUMBER).schema_str}
        path = f"/subjects/{subject}/versions"
        assert post(client, path, body, **{"Content-Type": "text/plain"})[0] == 415
        assert post(client, path, body, Host="attacker.example")[0] == 403
        assert post(client, path, body, Host="localhost:8081")[0] == 200

    def test_unknown_paths(self, client):
        """Unknown paths and methods are errors in the same form."""
        assert post(client, "/nothing", {})[0] == 404
        assert post(client, "/subjects", {})[0] == 405

    def test_ids_are_not_given_twice(self, tmp_path):
        """A schema deleted for good takes its id with it, also across a restart."""
        with OwnRegistry(tmp_path) as own, SchemaRegistryClient({"url": own.url}) as client:
            first = client.register_schema("a", schema(NUMBER))
            client.delete_subject("a")
            client.delete_subject("a", permanent=True)
        with OwnRegistry(tmp_path) as own, SchemaRegistryClient({"url": own.url}) as client:
            assert client.register_schema("a", schema(NUMBER)) == first + 1

    def test_restart(self, tmp_path):
        """What was registered is there after a restart."""
        one = schema(NUMBER)
        with OwnRegistry(tmp_path) as own, SchemaRegistryClient({"url": own.url}) as client:
            schema_id = client.register_schema("a", one)
            client.set_config("a", ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))
        with OwnRegistry(tmp_path) as own, SchemaRegistryClient({"url": own.url}) as client:
            assert client.lookup_schema("a", one).schema_id == schema_id
            assert client.get_config("a").compatibility_level == ConfigCompatibilityLevel.NONE


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The sample directory, as its files say."""
    from govbus.routing.directory.build import build_directory
    from govbus.service.directory.publishing import read_folder

    folder = tmp_path_factory.mktemp("bus") / "directory"
    write_sample_directory(folder, at_ms=NOW_MS)
    return build_directory(
        read_folder(folder).content, version=1, issued_ms=NOW_MS, expires_ms=NOW_MS + 86_400_000
    )


@pytest.fixture(scope="module")
def governed(directory, tmp_path_factory):
    """Our registry with the schemas of the sample directory."""
    with OwnRegistry(tmp_path_factory.mktemp("governed"), is_governed=True) as own:
        own.publish(directory)
        yield own


@pytest.fixture
def bus_client(governed):
    with SchemaRegistryClient({"url": governed.url, "max.retries": 0}) as made:
        yield made


def document_value(directory):
    """Return the sample's document schema and a value of it."""
    (document_schema,) = directory.schemas.schemas
    record_part = json.loads((bundled.folder() / "core/record_metadata/v1.example.json").read_text("utf-8"))
    body = json.loads((bundled.folder() / "domains/civil/person/v1.example.json").read_text("utf-8"))
    value = {"record": record_part, "body": body}
    codec = document_schema.codec
    return document_schema, codec.decode(codec.encode(value))


@ours_only
class TestSchemasOfTheBus:
    """The directory's schemas, as stock clients find and use them."""

    def test_fixed_ids(self, bus_client, directory):
        """Core and document schemas have the ids that stand in the frames of their records."""
        (document_schema,) = directory.schemas.schemas
        for schema_id, definition in (
            (LOG_ENTRY_ID, bundled.definition("core/log_entry/v1")),
            (RECEIPT_ID, bundled.definition("core/receipt/v1")),
            (document_schema.id, document_schema.codec.definition),
        ):
            assert json.loads(bus_client.get_schema(schema_id).schema_str) == definition

    def test_subjects(self, bus_client, directory):
        """Every strategy finds its subject where a topic has such records."""
        document = "govbus.package.civil.person.Document"
        (agreement, *_) = directory.agreements.values()
        recipients = {
            f"{name}-{document}" for one in directory.agreements.values() for name in one.recipients
        }
        assert set(bus_client.get_subjects()) >= recipients | {
            document,
            f"govbus.out.{agreement.supplier}-{document}",
            "govbus.core.LogEntry",
            "govbus.log-value",
            "govbus.log-govbus.core.LogEntry",
            "govbus.core.Receipt",
            f"govbus.in.{agreement.supplier}-govbus.core.Receipt",
        }
        assert agreement.delivery is Delivery.INBOX

    def test_our_document_read_by_their_deserializer(self, bus_client, directory):
        """A value that govbus framed and encoded is what AvroDeserializer reads, logical types and all."""
        document_schema, value = document_value(directory)
        octets = frame(document_schema.id, document_schema.codec.encode(value))
        topic = topics.inbox(AgencyId.from_text("court.example"))
        assert value == AvroDeserializer(bus_client)(octets, SerializationContext(topic, MessageField.VALUE))

    def test_our_log_entry_read_by_their_deserializer(self, bus_client):
        """The log's records as well, under the default subject of its topic."""
        entry = LogEntry(
            decision=Outcome.REFUSED,
            time_ms=NOW_MS,
            source=SourcePosition("govbus.out.court.example", 0, 7),
            document_id=None,
            statement=None,
            signatures=(),
            batch=None,
            path=b"",
            record_hash=bytes(32),
            directory_version=1,
            findings=(),
            recipients=(),
            receipt_first=None,
            agreement=None,
        )
        octets = encode_log_entry(entry)
        context = SerializationContext(topics.MESSAGE_LOG, MessageField.VALUE)
        value = AvroDeserializer(bus_client)(octets, context)
        assert value == log_entry_codec().decode(unframe(octets)[1])
        assert value["source"]["topic"] == entry.source.topic

    @pytest.mark.parametrize("strategy", [record_subject_name_strategy, topic_record_subject_name_strategy])
    @pytest.mark.parametrize("more", [{}, {"auto.register.schemas": False}, {"use.latest.version": True}])
    def test_their_document_read_by_us(self, bus_client, directory, strategy, more):
        """What AvroSerializer writes is the frame and the bytes of govbus's own codec."""
        document_schema, value = document_value(directory)
        (agreement, *_) = directory.agreements.values()
        conf = {"subject.name.strategy": strategy} | more
        if "use.latest.version" in more:
            conf["auto.register.schemas"] = False
        serializer = AvroSerializer(bus_client, json.dumps(document_schema.codec.definition), conf=conf)
        context = SerializationContext(topics.outbox(agreement.supplier), MessageField.VALUE)
        octets = serializer(value, context)
        schema_id, avro = unframe(octets)
        assert (schema_id, document_schema.codec.decode(avro)) == (document_schema.id, value)
        assert octets == frame(document_schema.id, document_schema.codec.encode(value))

    def test_clients_cannot_change_them(self, bus_client):
        """The bus's subjects are the directory's: nobody registers in them, deletes them or changes settings."""
        name = "govbus.core.Receipt"
        assert bus_client.get_mode(name) == "READONLY"
        for attempt in (
            lambda: bus_client.register_schema(name, schema(NUMBER)),
            lambda: bus_client.register_schema("govbus.new", schema(NUMBER)),
            lambda: bus_client.delete_subject(name),
            lambda: bus_client.delete_version(name, 1),
            lambda: bus_client.update_mode(name, "READWRITE", force=True),
            lambda: bus_client.set_config(name, ServerConfig(compatibility=ConfigCompatibilityLevel.NONE)),
            lambda: bus_client.delete_config(name),
        ):
            with refused(42205):
                attempt()
        assert bus_client.get_versions(name) == [1]

    def test_clients_cannot_take_ids_of_the_directory(self, bus_client, subject):
        """Import mode reaches the ids of clients alone."""
        bus_client.update_mode(subject, "IMPORT")
        body = {"schema": schema(NUMBER).schema_str, "id": 5_000}
        assert post(bus_client, f"/subjects/{subject}/versions", body)[1]["error_code"] == 42205

    def test_global_settings_do_not_reach_them(self, bus_client):
        """A compatibility mode for all subjects leaves those of packages as the directory says."""
        bus_client.set_config(config=ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))
        name = "govbus.package.civil.person.Document"
        assert bus_client.get_config(name).compatibility_level == ConfigCompatibilityLevel.FULL_TRANSITIVE
        bus_client.delete_config()

    def test_publishing_again_changes_nothing(self, governed, directory, bus_client):
        """A version of the directory may be published any number of times."""
        before = bus_client.get_subjects()
        governed.publish(directory)
        assert bus_client.get_subjects() == before
        assert governed.running.health()["status"] == "up"
