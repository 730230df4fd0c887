"""Reads a directory from a folder of YAML files, and says of every mistake where it is.

``bus.yaml`` and a folder for each kind of entry; certificates (PEM), payload schemas (``.avsc``) and message formats
(``.xsd``, ``.json``) are files of the same folder, named relative to it (``docs/specs/directory.md``).
"""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from govbus.document.ids import PackageId
from govbus.errors import RuleError
from govbus.routing.catalogue.odcs_import import read_agreement
from govbus.routing.codes.files import problems_in as code_list_problems
from govbus.routing.directory.build import build_directory
from govbus.routing.directory.entries import (
    AgencyEntry,
    AgencyFields,
    AgreementEntry,
    AssetEntry,
    BusEntry,
    BusFields,
    CodesEntry,
    DirectoryContent,
    Entry,
    PackageEntry,
    PackageFields,
    TaxonomyEntry,
    place_of,
)
from govbus.routing.directory.fields import Model
from govbus.routing.directory.file_models import (
    FOLDERS,
    VALIDITY_DAYS_DEFAULT,
    AgencyFile,
    BusFile,
    NiemFormatLine,
    PackageFile,
    SchemaLine,
)
from govbus.routing.directory.model import Directory
from govbus.routing.directory.parts import CertificatePart, NiemFormatFields, NiemFormatPart, SchemaPart
from govbus.routing.directory.problems import Problem, problems_of, require_none
from govbus.routing.directory.registration import cited, problems_in
from govbus.routing.yaml_text import YamlTextError, yaml_text
from govbus.schemas.compose import compose_document_schema
from govbus.signing.certificates import Certificate

BUS_FILE = "bus.yaml"
CONTRACT_SUFFIX = ".odcs.yaml"
"""Of an agreement that is written as an Open Data Contract."""

_M = TypeVar("_M", bound=Model)


class DirectoryFiles:
    """A folder of directory files, read; `problems` has everything that is wrong with it."""

    def __init__(self, files: Mapping[str, bytes], *, at_ms: int) -> None:
        """Read the files.

        Args:
            files: content by name relative to the folder, with ``/`` between its parts.
            at_ms: when they are to be registered, milliseconds since 1970.
        """
        self._files = files
        self._sources: dict[str, str] = {}
        self.problems: list[Problem] = []
        """Everything that is wrong, warnings included."""
        self.validity_days = VALIDITY_DAYS_DEFAULT
        """For how long a version of this directory is good."""
        self._unread: set[str] = set()
        """Kinds of entries of which a file could not be read."""
        self._content = self._read()
        profiles = () if self._content is None else self._content.bus.profiles
        self.problems = cited(self.problems, profiles)
        if self._content is not None:
            for problem in problems_in(self._content, at_ms=at_ms, unread=self._unread):
                self.problems.append(replace(problem, place=self._sources.get(problem.place, problem.place)))

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
        entries: list[Entry] = []
        if BUS_FILE not in self._files:
            self._problem(BUS_FILE, "", "this file is required")
        for name in sorted(self._files):
            if not name.endswith((".yaml", ".yml")):
                continue
            kind = _kind(name)
            before = len(self.problems)
            entry = self._entry(kind, name)
            if entry is not None:
                entries.append(entry)
                self._sources[place_of(entry)] = name
            if len(self.problems) > before:
                self._unread.add(kind)
        if not any(isinstance(entry, BusEntry) for entry in entries):
            return None
        return DirectoryContent.of(entries)

    def _entry(self, kind: str, name: str) -> Entry | None:
        readers: dict[str, Callable[[str], Entry | None]] = {
            "bus": self._bus,
            "agency": self._agency,
            "taxonomy": lambda name: self._model(name, TaxonomyEntry),
            "asset": lambda name: self._model(name, AssetEntry),
            "package": self._package,
            "agreement": self._agreement,
            "codes": self._codes,
        }
        reader = readers.get(kind)
        if reader is None:
            folders = ", ".join(FOLDERS)
            self._problem(name, "", f"expected {BUS_FILE}, or a .yaml file in one of {folders}")
            return None
        return reader(name)

    def _bus(self, name: str) -> BusEntry | None:
        model = self._model(name, BusFile)
        if model is None:
            return None
        self.validity_days = model.validity_days
        anchors = [self._pem(name, f"anchors.{index}", file) for index, file in enumerate(model.anchors)]
        if not all(anchors):
            return None
        return BusEntry.model_construct(**_fields(model, BusFields), anchors=tuple(anchors))

    def _agency(self, name: str) -> AgencyEntry | None:
        model = self._model(name, AgencyFile)
        if model is None:
            return None
        certificates = []
        for index, line in enumerate(model.certificates):
            pem = self._pem(name, f"certificates.{index}.file", line.file)
            chain = [
                self._pem(name, f"certificates.{index}.chain.{place}", file)
                for place, file in enumerate(line.chain)
            ]
            if pem is not None and all(chain):
                certificates.append(
                    CertificatePart.model_construct(
                        pem=pem, revoked=line.revoked, role=line.role, chain=tuple(chain)
                    )
                )
        return AgencyEntry.model_construct(**_fields(model, AgencyFields), certificates=tuple(certificates))

    def _package(self, name: str) -> PackageEntry | None:
        model = self._model(name, PackageFile)
        if model is None:
            return None
        package = PackageId(model.id)
        schemas = [
            self._schema(name, f"schemas.{index}.file", line, package)
            for index, line in enumerate(model.schemas)
        ]
        formats = [
            self._niem_format(name, f"niem.{index}.files", line) for index, line in enumerate(model.niem)
        ]
        return PackageEntry.model_construct(
            **_fields(model, PackageFields),
            schemas=_present(schemas),
            niem=_present(formats),
        )

    def _agreement(self, name: str) -> AgreementEntry | None:
        """Read an agreement, which may be written as an Open Data Contract (rule ODC-1)."""
        if not name.endswith(CONTRACT_SUFFIX):
            return self._model(name, AgreementEntry)
        entry, problems = read_agreement(self._files[name], name)
        self.problems.extend(problems)
        return entry

    def _codes(self, name: str) -> CodesEntry | None:
        value = self._yaml(name)
        if value is None:
            return None
        found = code_list_problems(value)
        for problem in found:
            self._problem(name, problem.field, problem.detail)
        return None if found else self._model(name, CodesEntry)

    def _pem(self, name: str, field: str, file: str) -> str | None:
        """Return the certificate in a file and nothing else of it: a private key beside it must not be published."""
        octets = self._file(name, field, file)
        if octets is None:
            return None
        try:
            return _pem_text(Certificate.from_pem(octets).der)
        except RuleError as err:
            self._problem(name, field, f"{file}: {err.message}", err.rule)
            return None

    def _schema(self, name: str, field: str, line: SchemaLine, package: PackageId) -> SchemaPart | None:
        octets = self._file(name, field, line.file)
        if octets is None:
            return None
        try:
            body = json.loads(octets, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError):
            self._problem(name, field, f"{line.file} is not JSON, or has a name twice in one object")
            return None
        if not isinstance(body, dict):
            self._problem(name, field, f"{line.file}: the payload schema must be a record")
            return None
        try:
            definition = compose_document_schema(package, line.version, body)
        except RuleError as err:
            self._problem(name, field, f"{line.file}: {err.message}", err.rule)
            return None
        return SchemaPart.model_construct(id=line.id, version=line.version, definition=definition)

    def _niem_format(self, name: str, field: str, line: NiemFormatLine) -> NiemFormatPart | None:
        contents: dict[str, str] = {}
        for index, file in enumerate(line.files):
            octets = self._file(name, f"{field}.{index}", file)
            try:
                contents[file] = (octets or b"").decode("utf-8")
            except UnicodeDecodeError:
                self._problem(name, f"{field}.{index}", f"{file} is not a text in UTF-8")
        return NiemFormatPart.model_construct(**_fields(line, NiemFormatFields), schemas=contents)

    def _file(self, name: str, field: str, file: str) -> bytes | None:
        octets = self._files.get(file)
        if octets is None:
            self._problem(name, field, f"there is no file {file} in the folder")
        return octets

    def _model(self, name: str, model: type[_M]) -> _M | None:
        value = self._yaml(name)
        if value is None:
            return None
        try:
            return model.model_validate(value)
        except ValidationError as err:
            self.problems.extend(problems_of(err, name, model))
            return None

    def _yaml(self, name: str) -> Any:
        """Return the value of a YAML file, or None where it is none."""
        try:
            value = yaml_text(self._files[name])
        except YamlTextError as err:
            self._problem(name, "", str(err))
            return None
        return {} if value is None or value == "" else value

    def _problem(self, name: str, field: str, detail: str, rule: str = "") -> None:
        self.problems.append(Problem(name, field, detail, rule))


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
    content = DirectoryFiles(files, at_ms=issued_ms).content
    return build_directory(content, version=version, issued_ms=issued_ms, expires_ms=expires_ms)


def _kind(name: str) -> str:
    """Return the kind of entry that a file holds: empty where its place is none for a YAML file."""
    if name == BUS_FILE:
        return "bus"
    folder, _, rest = name.partition("/")
    return FOLDERS.get(f"{folder}/", "") if rest and "/" not in rest else ""


def _fields(model: Model, base: type[Model]) -> dict[str, Any]:
    """Return the fields of a file that its entry has too."""
    return {field: getattr(model, field) for field in base.model_fields}


_T = TypeVar("_T")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the names of a JSON object; readers differ on which of two counts, so none stands twice."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _present(parts: Iterable[_T | None]) -> tuple[_T, ...]:
    return tuple(part for part in parts if part is not None)


def _pem_text(der: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(der).decode("ascii"), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
