"""Reads a directory from a folder of YAML files, and says of every mistake where it is.

``bus.yaml``, ``agencies/*.yaml``, ``packages/*.yaml`` and ``agreements/*.yaml``; certificates (PEM) and payload
schemas (``.avsc``) are files of the same folder, named relative to it (``docs/specs/directory.md``).
"""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints, ValidationError

from govbus.document.ids import PackageId
from govbus.errors import RuleError
from govbus.routing.directory import Directory
from govbus.routing.directory_build import build_directory, problems_in, require_none
from govbus.routing.directory_entries import (
    AgencyEntry,
    AgencyFields,
    AgencyText,
    AgreementEntry,
    BusEntry,
    CertificatePart,
    DirectoryContent,
    Model,
    PackageEntry,
    PackageFields,
    Problem,
    SchemaPart,
    StartMoment,
    Title,
    matches,
    place_of,
    problems_of,
)
from govbus.routing.yaml_text import YamlTextError, yaml_text
from govbus.schemas.compose import compose_document_schema
from govbus.signing.certificates import Certificate

BUS_FILE = "bus.yaml"
AGENCIES, PACKAGES, AGREEMENTS = "agencies/", "packages/", "agreements/"
VALIDITY_DAYS_DEFAULT = 365

_M = TypeVar("_M", bound=Model)

FileName = Annotated[
    str,
    StringConstraints(max_length=200),
    matches(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]*", "a file name relative to the folder"),
]


class BusFile(Model):
    """``bus.yaml``."""

    id: AgencyText
    name: Title
    authority: Title
    anchors: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=50)]
    validity_days: Annotated[int, Field(ge=1, le=3650)] = VALIDITY_DAYS_DEFAULT


class CertificateLine(Model):
    """A certificate named in ``agencies/*.yaml``."""

    file: FileName
    revoked: StartMoment | None = None


class AgencyFile(AgencyFields):
    """``agencies/*.yaml``."""

    certificates: Annotated[tuple[CertificateLine, ...], Field(max_length=200)] = ()


class SchemaLine(Model):
    """A payload schema named in ``packages/*.yaml``."""

    file: FileName
    id: Annotated[int, Field(ge=100, le=2**31 - 1)]
    version: Annotated[int, Field(ge=1, le=9999)]


class PackageFile(PackageFields):
    """``packages/*.yaml``."""

    schemas: Annotated[tuple[SchemaLine, ...], Field(min_length=1, max_length=50)]


class DirectoryFiles:
    """A folder of directory files, read; `problems` has everything that is wrong with it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Read the files.

        Args:
            files: content by name relative to the folder, with ``/`` between its parts.
        """
        self._files = files
        self._sources: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.validity_days = VALIDITY_DAYS_DEFAULT
        """For how long a version of this directory is good."""
        self._content = self._read()
        if self._content is not None and not self.problems:
            for problem in problems_in(self._content):
                place = self._sources.get(problem.place, problem.place)
                self.problems.append(Problem(place, problem.field, problem.detail))

    @property
    def content(self) -> DirectoryContent:
        """The entries, once everything in them fits together.

        Raises:
            DirectoryError: naming the first mistake by file and field, and how many more there are.
        """
        require_none(self.problems)
        assert self._content is not None  # noqa: S101  # where there is none, there is a problem
        return self._content

    def _read(self) -> DirectoryContent | None:
        bus: BusEntry | None = None
        agencies: list[AgencyEntry] = []
        packages: list[PackageEntry] = []
        agreements: list[AgreementEntry] = []
        if BUS_FILE not in self._files:
            self.problems.append(Problem(BUS_FILE, "", "this file is required"))
        for name in sorted(self._files):
            if not name.endswith((".yaml", ".yml")):
                continue
            if name == BUS_FILE:
                bus = self._bus(name)
            elif _is_in(name, AGENCIES):
                self._take(agencies, self._agency(name), name)
            elif _is_in(name, PACKAGES):
                self._take(packages, self._package(name), name)
            elif _is_in(name, AGREEMENTS):
                self._take(agreements, self._model(name, AgreementEntry), name)
            else:
                self.problems.append(
                    Problem(
                        name,
                        "",
                        f"expected {BUS_FILE}, or a .yaml file in {AGENCIES}, {PACKAGES} or {AGREEMENTS}",
                    )
                )
        if bus is None:
            return None
        self._sources[place_of(bus)] = BUS_FILE
        return DirectoryContent(bus, tuple(agencies), tuple(packages), tuple(agreements))

    def _take(self, entries: list[Any], entry: Any, name: str) -> None:
        if entry is not None:
            entries.append(entry)
            self._sources[place_of(entry)] = name

    def _bus(self, name: str) -> BusEntry | None:
        model = self._model(name, BusFile)
        if model is None:
            return None
        self.validity_days = model.validity_days
        anchors = [self._pem(name, f"anchors.{index}", file) for index, file in enumerate(model.anchors)]
        return (
            BusEntry(
                id=model.id, name=model.name, authority=model.authority, anchors=tuple(filter(None, anchors))
            )
            if all(anchors)
            else None
        )

    def _agency(self, name: str) -> AgencyEntry | None:
        model = self._model(name, AgencyFile)
        if model is None:
            return None
        certificates = []
        for index, line in enumerate(model.certificates):
            pem = self._pem(name, f"certificates.{index}.file", line.file)
            if pem is not None:
                certificates.append(CertificatePart.model_construct(pem=pem, revoked=line.revoked))
        return AgencyEntry.model_construct(
            **{field: getattr(model, field) for field in AgencyFields.model_fields},
            certificates=tuple(certificates),
        )

    def _package(self, name: str) -> PackageEntry | None:
        model = self._model(name, PackageFile)
        if model is None:
            return None
        package = PackageId(model.id)
        schemas = []
        for index, line in enumerate(model.schemas):
            definition = self._definition(name, f"schemas.{index}.file", line, package)
            if definition is not None:
                schemas.append(
                    SchemaPart.model_construct(id=line.id, version=line.version, definition=definition)
                )
        return PackageEntry.model_construct(
            **{field: getattr(model, field) for field in PackageFields.model_fields},
            schemas=tuple(schemas),
        )

    def _pem(self, name: str, field: str, file: str) -> str | None:
        """Return the certificate in a file and nothing else of it: a private key beside it must not be published."""
        octets = self._file(name, field, file)
        if octets is None:
            return None
        try:
            return _pem_text(Certificate.from_pem(octets).der)
        except RuleError as err:
            self.problems.append(Problem(name, field, f"{file}: {err.message}"))
            return None

    def _definition(
        self, name: str, field: str, line: SchemaLine, package: PackageId
    ) -> dict[str, Any] | None:
        octets = self._file(name, field, line.file)
        if octets is None:
            return None
        try:
            body = json.loads(octets)
        except (ValueError, RecursionError):
            self.problems.append(Problem(name, field, f"{line.file} is not JSON"))
            return None
        if not isinstance(body, dict):
            self.problems.append(Problem(name, field, f"{line.file}: the payload schema must be a record"))
            return None
        try:
            return compose_document_schema(package, line.version, body)
        except RuleError as err:
            self.problems.append(Problem(name, field, f"{line.file}: {err.message}"))
            return None

    def _file(self, name: str, field: str, file: str) -> bytes | None:
        octets = self._files.get(file)
        if octets is None:
            self.problems.append(Problem(name, field, f"there is no file {file} in the folder"))
        return octets

    def _model(self, name: str, model: type[_M]) -> _M | None:
        try:
            return model.model_validate(yaml_text(self._files[name]))
        except ValidationError as err:
            self.problems.extend(problems_of(err, name))
        except YamlTextError as err:
            self.problems.append(Problem(name, "", str(err)))
        return None


def directory_from_files(
    files: Mapping[str, bytes], *, version: int, issued_ms: int, expires_ms: int
) -> Directory:
    """Return the directory that a folder of files describes.

    Args:
        files: content by name relative to the folder, with ``/`` between its parts.
        version: from 1.
        issued_ms: milliseconds since 1970.
        expires_ms: after this nobody may rely on it.

    Raises:
        DirectoryError: naming the first mistake by file and field, and how many more there are.
    """
    content = DirectoryFiles(files).content
    return build_directory(content, version=version, issued_ms=issued_ms, expires_ms=expires_ms)


def _is_in(name: str, folder: str) -> bool:
    return name.startswith(folder) and "/" not in name[len(folder) :]


def _pem_text(der: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(der).decode("ascii"), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
