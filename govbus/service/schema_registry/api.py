"""The REST interface: paths, parameters and bodies as clients of Confluent's registry send them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

import structlog
from aiohttp import web

from govbus.service.schema_registry.access import Access
from govbus.service.schema_registry.checks import VERSION_MAX, guid_of
from govbus.service.schema_registry.errors import RegistryError, not_permitted
from govbus.service.schema_registry.registry import SchemaRegistry
from govbus.service.schema_registry.store import GLOBAL, StoredSchema, StoredVersion

logger = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
ACCEPTED_TYPES: Final = frozenset(
    {CONTENT_TYPE, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"}
)
"""Of bodies. None of them can be sent by a web page of another origin without being asked first."""
BODY_BYTES_MAX: Final = 2_000_000
SCHEMA_CHARACTERS_MAX: Final = 1_000_000
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

P = ParamSpec("P")
T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RegistryApi:
    """The handlers of one registry; its thread is the only one that touches the store."""

    def __init__(self, registry: SchemaRegistry, thread: ThreadPoolExecutor) -> None:
        self._registry = registry
        self._thread = thread

    def routes(self) -> list[web.RouteDef]:
        """Return every path that is served."""
        subject, version = "/subjects/{subject}", "/subjects/{subject}/versions/{version}"
        return [
            web.get("/", self.root),
            web.get("/contexts", self.contexts),
            web.get("/subjects", self.subjects),
            web.post(subject, self.lookup),
            web.delete(subject, self.delete_subject),
            web.get(f"{subject}/versions", self.versions),
            web.post(f"{subject}/versions", self.register),
            web.get(version, self.version),
            web.get(f"{version}/schema", self.version_schema),
            web.get(f"{version}/referencedby", self.referenced_by),
            web.delete(version, self.delete_version),
            web.get("/schemas", self.schemas),
            web.get("/schemas/types", self.types),
            web.get("/schemas/ids/{id:[0-9]{1,10}}", self.schema),
            web.get("/schemas/ids/{id:[0-9]{1,10}}/schema", self.schema_text),
            web.get("/schemas/ids/{id:[0-9]{1,10}}/subjects", self.schema_subjects),
            web.get("/schemas/ids/{id:[0-9]{1,10}}/versions", self.schema_versions),
            web.get("/schemas/guids/{guid}", self.schema_by_guid),
            web.post("/compatibility/subjects/{subject}/versions", self.test_compatibility),
            web.post("/compatibility/subjects/{subject}/versions/{version}", self.test_compatibility),
            *(
                route
                for path in ("/config", "/config/{subject}")
                for route in (
                    web.get(path, self.config),
                    web.put(path, self.set_config),
                    web.delete(path, self.unset_config),
                )
            ),
            *(
                route
                for path in ("/mode", "/mode/{subject}")
                for route in (
                    web.get(path, self.mode),
                    web.put(path, self.set_mode),
                    web.delete(path, self.unset_mode),
                )
            ),
        ]

    async def _call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))

    async def root(self, _request: web.Request) -> web.Response:
        """Answer those who ask whether anybody is there."""
        return _answer({})

    async def contexts(self, _request: web.Request) -> web.Response:
        """List the contexts: there is the default one only."""
        return _answer(["."])

    async def types(self, _request: web.Request) -> web.Response:
        """List the kinds of schemas."""
        return _answer(["AVRO"])

    async def subjects(self, request: web.Request) -> web.Response:
        """List subjects."""
        found = await self._call(
            self._registry.subjects,
            prefix=request.query.get("subjectPrefix", "").removeprefix(":*:"),
            deleted=_flag(request, "deleted"),
            deleted_only=_flag(request, "deletedOnly") or _flag(request, "deleted_only"),
        )
        return _answer(_page(request, found))

    async def versions(self, request: web.Request) -> web.Response:
        """List the versions of a subject."""
        found = await self._call(
            self._registry.versions,
            request.match_info["subject"],
            deleted=_flag(request, "deleted"),
            deleted_only=_flag(request, "deletedOnly"),
        )
        return _answer(_page(request, [one.version for one in found]))

    async def version(self, request: web.Request) -> web.Response:
        """Give a version of a subject."""
        return _answer(_version_fields(await self._find_version(request)))

    async def version_schema(self, request: web.Request) -> web.Response:
        """Give the schema of a version alone."""
        return _text((await self._find_version(request)).text)

    async def referenced_by(self, request: web.Request) -> web.Response:
        """List what refers to a version: nothing, because schemas are registered whole."""
        await self._find_version(request)
        return _answer([])

    async def _find_version(self, request: web.Request) -> StoredVersion:
        return await self._call(
            self._registry.version,
            request.match_info["subject"],
            request.match_info["version"],
            deleted=_flag(request, "deleted"),
        )

    async def register(self, request: web.Request) -> web.Response:
        """Register a schema under a subject."""
        body = await _schema_body(request)
        registered = await self._call(
            self._registry.register,
            request.match_info["subject"],
            body["schema"],
            schema_id=_number(body, "id"),
            version=_number(body, "version"),
        )
        return _answer({"id": registered.id, "version": registered.version, "guid": guid_of(registered.hash)})

    async def lookup(self, request: web.Request) -> web.Response:
        """Find the version of a subject that has a schema."""
        body = await _schema_body(request)
        found = await self._call(
            self._registry.lookup,
            request.match_info["subject"],
            body["schema"],
            deleted=_flag(request, "deleted"),
        )
        return _answer(_version_fields(found))

    async def delete_subject(self, request: web.Request) -> web.Response:
        """Delete a subject."""
        return _answer(
            await self._call(
                self._registry.delete_subject,
                request.match_info["subject"],
                permanent=_flag(request, "permanent"),
            )
        )

    async def delete_version(self, request: web.Request) -> web.Response:
        """Delete a version of a subject."""
        return _answer(
            await self._call(
                self._registry.delete_version,
                request.match_info["subject"],
                request.match_info["version"],
                permanent=_flag(request, "permanent"),
            )
        )

    async def schemas(self, request: web.Request) -> web.Response:
        """List versions of all subjects."""
        found = await self._call(
            self._registry.all_versions,
            prefix=request.query.get("subjectPrefix", "").removeprefix(":*:"),
            deleted=_flag(request, "deleted"),
            latest_only=_flag(request, "latestOnly"),
        )
        return _answer([_version_fields(one) for one in _page(request, found)])

    async def schema(self, request: web.Request) -> web.Response:
        """Give a schema by id."""
        fields = _schema_fields(await self._find_schema(request))
        if _flag(request, "fetchMaxId"):
            fields["maxId"] = await self._call(self._registry.schema_id_max)
        return _answer(fields)

    async def schema_text(self, request: web.Request) -> web.Response:
        """Give a schema by id alone."""
        return _text((await self._find_schema(request)).text)

    async def schema_by_guid(self, request: web.Request) -> web.Response:
        """Give a schema by the GUID of its content."""
        found = await self._call(self._registry.schema_by_guid, request.match_info["guid"])
        return _answer(_schema_fields(found) | {"id": found.id})

    async def _find_schema(self, request: web.Request) -> StoredSchema:
        return await self._call(self._registry.schema, int(request.match_info["id"]))

    async def schema_subjects(self, request: web.Request) -> web.Response:
        """List the subjects of a schema."""
        names = dict.fromkeys(one.subject for one in await self._places(request))
        return _answer(_page(request, list(names)))

    async def schema_versions(self, request: web.Request) -> web.Response:
        """List the subjects and versions of a schema."""
        found = _page(request, await self._places(request))
        return _answer([{"subject": one.subject, "version": one.version} for one in found])

    async def _places(self, request: web.Request) -> list[StoredVersion]:
        return await self._call(
            self._registry.places,
            int(request.match_info["id"]),
            subject=request.query.get("subject", ""),
            deleted=_flag(request, "deleted"),
        )

    async def test_compatibility(self, request: web.Request) -> web.Response:
        """Say whether a schema could be the next version."""
        body = await _schema_body(request)
        messages = await self._call(
            self._registry.incompatibilities,
            request.match_info["subject"],
            body["schema"],
            request.match_info.get("version"),
        )
        more = {"messages": messages} if _flag(request, "verbose") else {}
        return _answer({"is_compatible": not messages} | more)

    async def config(self, request: web.Request) -> web.Response:
        """Give the compatibility mode."""
        settings, subject = self._registry.settings, request.match_info.get("subject", GLOBAL)
        is_own = subject != GLOBAL and not _flag(request, "defaultToGlobal")
        level = await self._call(settings.own_compatibility if is_own else settings.compatibility, subject)
        return _answer({"compatibilityLevel": level})

    async def set_config(self, request: web.Request) -> web.Response:
        """Change the compatibility mode."""
        body = await _body(request)
        if any(value is not None for key, value in body.items() if key != "compatibility"):
            raise not_permitted("This registry keeps compatibility alone")
        level = await self._call(
            self._registry.settings.set_compatibility,
            request.match_info.get("subject", GLOBAL),
            body.get("compatibility"),
        )
        return _answer({"compatibility": level})

    async def unset_config(self, request: web.Request) -> web.Response:
        """Take the compatibility mode away."""
        subject = request.match_info.get("subject", GLOBAL)
        former = await self._call(self._registry.settings.unset_compatibility, subject)
        return _answer({"compatibilityLevel": former})

    async def mode(self, request: web.Request) -> web.Response:
        """Give the mode."""
        settings, subject = self._registry.settings, request.match_info.get("subject", GLOBAL)
        is_own = subject != GLOBAL and not _flag(request, "defaultToGlobal")
        return _answer({"mode": await self._call(settings.own_mode if is_own else settings.mode, subject)})

    async def set_mode(self, request: web.Request) -> web.Response:
        """Change the mode."""
        body = await _body(request)
        mode = await self._call(
            self._registry.settings.set_mode,
            request.match_info.get("subject", GLOBAL),
            body.get("mode"),
            force=_flag(request, "force"),
        )
        return _answer({"mode": mode})

    async def unset_mode(self, request: web.Request) -> web.Response:
        """Take the mode away."""
        subject = request.match_info.get("subject", GLOBAL)
        return _answer({"mode": await self._call(self._registry.settings.unset_mode, subject)})


def middleware(access: Access, *, is_loopback: bool) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return what stands before every handler: who asks, and how errors are told.

    Args:
        access: decides about clients.
        is_loopback: whether only this machine can ask. Then the name in the request must be one of this machine's,
            so that no web page reaches the registry under a name of its own.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if is_loopback and _host_name(request) not in LOOPBACK_NAMES:
                raise RegistryError(40301, "This registry answers on loopback only")  # noqa: TRY301
            if request.path != "/health":
                access.check(
                    request.headers.get("Authorization"),
                    is_change=request.method in {"PUT", "POST", "DELETE"},
                )
            return await handler(request)
        except RegistryError as err:
            return _error(err)
        except web.HTTPRequestEntityTooLarge:
            return _error(RegistryError(42209, f"A request has at most {BODY_BYTES_MAX} bytes"))
        except web.HTTPException as err:
            if err.status < 400:  # noqa: PLR2004  # a redirect is no error
                raise
            return _error(RegistryError(err.status, f"HTTP {err.status} {err.reason}"))
        except Exception:
            logger.exception("registry request failed", method=request.method)
            return _error(RegistryError(50001, "Error in the backend data store"))

    return guard


def _host_name(request: web.Request) -> str:
    host = request.host
    return host if host.endswith("]") else host.rsplit(":", 1)[0] if ":" in host else host


def _answer(fields: Any) -> web.Response:
    return _text(json.dumps(fields, ensure_ascii=False))


def _text(text: str) -> web.Response:
    return web.Response(body=text.encode("utf-8"), content_type=CONTENT_TYPE)


def _error(err: RegistryError) -> web.Response:
    response = _answer({"error_code": err.code, "message": err.message})
    response.set_status(err.status)
    if err.status == web.HTTPUnauthorized.status_code:
        response.headers["WWW-Authenticate"] = 'Basic realm="schema registry"'
    return response


async def _body(request: web.Request) -> Mapping[str, Any]:
    if request.content_type not in ACCEPTED_TYPES:
        raise RegistryError(415, f"expected a body of {CONTENT_TYPE}")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as err:
        raise RegistryError(400, "the body is not JSON") from err
    if not isinstance(body, Mapping):
        raise RegistryError(400, "expected a JSON object")
    return body


async def _schema_body(request: web.Request) -> Mapping[str, Any]:
    """Return a body that holds one Avro schema.

    Raises:
        RegistryError: 42201 if it is of another type, refers to others or has what this registry does not keep, 42209
            if it is too large.
    """
    body = await _body(request)
    if body.get("schemaType") not in (None, "AVRO"):  # anything may stand here, hashable or not
        raise RegistryError(42201, "Invalid schema: this registry has schemas of type AVRO only")
    if body.get("references"):
        raise RegistryError(
            42201,
            "Invalid schema: references are not supported; register one schema that holds every type it uses",
        )
    if body.get("metadata") or body.get("ruleSet"):
        raise RegistryError(42201, "Invalid schema: metadata and ruleSet are not supported")
    schema = body.get("schema")
    if isinstance(schema, str) and len(schema) > SCHEMA_CHARACTERS_MAX:
        raise RegistryError(42209, f"A schema has at most {SCHEMA_CHARACTERS_MAX} characters")
    return {"schema": None, **body}


def _number(body: Mapping[str, Any], key: str) -> int | None:
    """Return a number of a body, None where it says nothing (or -1, as some clients do)."""
    number = body.get(key)
    if number is None or number in (-1, 0):  # as above
        return None
    if type(number) is not int or not 1 <= number <= VERSION_MAX:
        raise RegistryError(42202, f"{key} is a number from 1 to {VERSION_MAX}")
    return number


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


def _page(request: web.Request, found: list[T]) -> list[T]:
    """Return the part that ``offset`` and ``limit`` ask for; a negative limit asks for all."""
    try:
        offset, limit = int(request.query.get("offset", "0")), int(request.query.get("limit", "-1"))
    except ValueError as err:
        raise RegistryError(400, "offset and limit are numbers") from err
    offset = max(offset, 0)
    return found[offset:] if limit < 0 else found[offset : offset + limit]


def _version_fields(one: StoredVersion) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "version": one.version,
        "id": one.id,
        "guid": guid_of(one.hash),
        "schema": one.text,
    }


def _schema_fields(one: StoredSchema) -> dict[str, Any]:
    return {"schema": one.text, "guid": guid_of(one.hash)}
