"""What clients and stewards send: requests to the schema registry, words to look for, contracts, NIEM messages."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, cast
from unittest import mock
from urllib.parse import quote

from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request

from govbus.document.finding import Breach
from govbus.routing.catalogue.odcs_export import contract_of
from govbus.routing.catalogue.odcs_import import read_agreement, read_contract
from govbus.routing.niem.bounds import BREACHES_MAX
from govbus.routing.niem.formats import format_breaches
from govbus.routing.niem.json_message import json_breaches
from govbus.routing.niem.json_schema import JsonFormat, compile_json
from govbus.routing.niem.xml_message import xml_breaches
from govbus.routing.niem.xml_schema import compile_xml
from govbus.service.catalogue.database import CatalogueDatabase
from govbus.service.catalogue.items import directory_items
from govbus.service.catalogue.query import Query
from govbus.service.schema_registry.access import Access
from govbus.service.schema_registry.api import CONTENT_TYPE, RegistryApi, middleware
from govbus.service.schema_registry.registry import SchemaRegistry
from govbus.service.schema_registry.store import RegistryStore
from govbus.testing.example_bus import BASE_SCHEMA
from tests.unit.routing.niem import samples

from . import documents
from .directories import check_problems
from .material import Choices, changed, edited

BREACH_CHARACTERS_MAX: Final = 3_000
SERVER_ERROR: Final = 500

XML_SEEDS: Final = (
    samples.XML_MESSAGE.encode("utf-8"),
    samples.XML_MESSAGE.encode("utf-16"),
    b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
    b'<?xml version="1.0" encoding="EBCDIC-CP-US"?><a/>',
)
XML_WORDS: Final = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"<?xml-stylesheet href='x'?>",
    b"<![CDATA[",
    b"]]>",
    b"xsi:type=",
    b"xsi:nil='true'",
    b"xsi:schemaLocation=",
    b"xmlns:a=",
    b"xml:base=",
    b"structures:id=",
    b"structures:ref=",
    b"structures:uri=",
    b"party:Party",
    b"case:CaseMessage",
)
JSON_SEEDS: Final = (b"\x01" + json.dumps(samples.JSON_MESSAGE).encode("utf-8"), b"\x01{}", b"")


def check_breaches(breaches: Iterable[Breach], most: int) -> None:
    """Check that breaches are few and short, and that they can be sent."""
    found = list(breaches)
    if len(found) > most:
        raise AssertionError(f"{len(found)} breaches of one thing")
    for one in found:
        text = f"{one.rule} {one.field} {one.detail}"
        text.encode("utf-8")
        if len(text) > BREACH_CHARACTERS_MAX:
            raise AssertionError(f"a breach of {len(text)} characters")


@functools.cache
def _xml_format() -> Any:
    return compile_xml(samples.XML_FORMAT)


def niem_xml(octets: bytes) -> None:
    """Judge an XML message."""
    check_breaches(xml_breaches(octets, _xml_format(), "body.message"), BREACHES_MAX)


@functools.cache
def _json_format() -> JsonFormat:
    return cast("JsonFormat", compile_json(samples.JSON_FORMAT))


def niem_json(octets: bytes) -> None:
    """Judge a JSON message: any bytes, or the good one with some values changed."""
    choices = Choices(octets)
    if choices.number(2):
        message = choices.rest()
    else:
        message = json.dumps(changed(samples.JSON_MESSAGE, choices)).encode("ascii")
    check_breaches(json_breaches(message, _json_format(), "body.message"), BREACHES_MAX)


def niem_formats(octets: bytes) -> None:
    """Register a message format, one of whose files is changed."""
    choices = Choices(octets)
    good = choices.pick((samples.XML_FORMAT, samples.JSON_FORMAT))
    name = choices.pick(sorted(good.schemas))
    if good.syntax == "json" and choices.number(4):
        content = json.dumps(changed(json.loads(good.schemas[name]), choices)).encode("ascii")
    else:
        content = edited(good.schemas[name], choices)
    bad = good.__class__(
        syntax=good.syntax,
        place=good.place,
        schemas={**good.schemas, name: content},
        main=good.main,
        root=good.root,
        context=good.context,
    )
    check_breaches(format_breaches(bad), 200)


@functools.cache
def _contract() -> Mapping[str, Any]:
    bus = documents.directory()
    return contract_of(bus, bus.agreements["tax-assessments"])


def contracts(octets: bytes) -> None:
    """Read an Open Data Contract: any bytes, or a good one with some values changed."""
    choices = Choices(octets)
    contract = choices.rest()
    if choices.number(2) or not contract:
        contract = json.dumps(changed(_contract(), Choices(contract))).encode("ascii")
    for read in cast("tuple[Callable[[bytes, str], Any], ...]", (read_contract, read_agreement)):
        _, problems = read(contract, "contract.yaml")
        check_problems(problems)


@functools.cache
def _catalogue() -> CatalogueDatabase:
    database = CatalogueDatabase(":memory:")
    database.replace_directory(directory_items(documents.directory()), "1")
    return database


def catalogue_words(octets: bytes) -> None:
    """Look for words in the catalogue."""
    text = octets.decode("utf-8", "surrogateescape")
    _catalogue().search(Query(words=text))
    _catalogue().search(Query(topic=text, agency=text, classification=text, access_level=text))
    for kind in ("asset", "document"):
        _catalogue().get(kind, text)  # type: ignore[arg-type]  # a kind is its text


class _Here(Executor):
    """Runs what is submitted at once: a fuzzer forks, and threads do not survive that."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as err:  # noqa: BLE001  # handed to whoever waits for the result
            future.set_exception(err)
        return future


_SUBJECTS: Final = (
    "tax",
    "tax-value",
    "",
    ":.other:tax",
    "__GLOBAL",
    "a" * 600,
    "\x00",
    "tax%2Fvalue",
    "\u202e",
)
_VERSIONS: Final = ("1", "2", "latest", "-1", "0", "99999999999", "x", "1e3", "\u0661")
_PATHS: Final = (
    ("POST", "/subjects/{s}/versions"),
    ("POST", "/subjects/{s}"),
    ("POST", "/compatibility/subjects/{s}/versions/{v}"),
    ("POST", "/compatibility/subjects/{s}/versions"),
    ("GET", "/subjects/{s}/versions/{v}"),
    ("GET", "/subjects/{s}/versions"),
    ("GET", "/subjects"),
    ("GET", "/schemas"),
    ("GET", "/schemas/ids/{n}"),
    ("GET", "/schemas/ids/{n}/versions"),
    ("GET", "/schemas/guids/{v}"),
    ("PUT", "/config/{s}"),
    ("PUT", "/config"),
    ("PUT", "/mode/{s}"),
    ("GET", "/mode/{s}"),
    ("DELETE", "/subjects/{s}/versions/{v}"),
    ("DELETE", "/subjects/{s}"),
)
_BODY: Final = {
    "schema": json.dumps(BASE_SCHEMA),
    "schemaType": "AVRO",
    "compatibility": "FULL",
    "mode": "READWRITE",
}


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def schema_registry(octets: bytes) -> None:
    """Send a registry some requests: whatever they are, it is not at fault."""
    choices = Choices(octets)
    with _registry() as application:
        for _ in range(1 + choices.number(3)):
            _loop().run_until_complete(_send(application, choices))


def answer_status(method: str, path: str, body: object) -> int:
    """Return the status that a fresh registry answers a request with."""
    octets = json.dumps(body).encode("ascii")
    with _registry() as application:
        return _loop().run_until_complete(_answer(application, method, path, octets)).status


@contextlib.contextmanager
def _registry() -> Iterator[web.Application]:
    store = RegistryStore(":memory:")
    try:
        api = RegistryApi(SchemaRegistry(store), cast("ThreadPoolExecutor", _Here()))
        application = web.Application(middlewares=[middleware(Access(), is_loopback=True)])
        application.add_routes(api.routes())
        application.freeze()
        yield application
    finally:
        store.close()


async def _send(application: web.Application, choices: Choices) -> None:
    method, template = choices.pick(_PATHS)
    path = template.format(
        s=quote(choices.pick(_SUBJECTS), safe=""),
        v=quote(choices.pick(_VERSIONS), safe=""),
        n=choices.number(2**32),
    )
    query = choices.pick(
        ("", "", "?deleted=true", "?permanent=true", "?limit=-5&offset=x", "?limit=9999999999999")
    )
    response = await _answer(application, method, path + query, _request_body(choices))
    if response.status >= SERVER_ERROR:
        raise AssertionError(f"{method} {template}: {response.status}")
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        raise AssertionError(f"{method} {template}: no body")  # noqa: TRY004  # a defect, not a misuse
    json.loads(response.body)


async def _answer(application: web.Application, method: str, path: str, body: bytes) -> web.StreamResponse:
    """Take a request the whole way without a socket."""
    content = StreamReader(mock.Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(body)
    content.feed_eof()
    headers = {"Host": "localhost", "Content-Type": CONTENT_TYPE, "Content-Length": str(len(body))}
    request = make_mocked_request(method, path, headers=headers, payload=content, app=application)
    return await application._handle(request)


def _request_body(choices: Choices) -> bytes:
    match choices.number(4):
        case 0:
            return json.dumps(_BODY).encode("ascii")
        case 1:
            schema = json.dumps(changed(BASE_SCHEMA, choices))
            return json.dumps({**_BODY, "schema": schema}).encode("ascii")
        case 2:
            return json.dumps(changed(_BODY, choices)).encode("ascii")
        case _:
            return choices.octets(400)
