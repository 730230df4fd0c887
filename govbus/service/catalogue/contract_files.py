"""Puts an Open Data Contract into a folder of directory files: the agreement, and what it says of its package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from govbus.errors import ConfigError, DirectoryError
from govbus.routing.catalogue.odcs_import import Contract, read_agreement, read_contract
from govbus.routing.catalogue.odcs_yaml import CONTRACT_BYTES_MAX, contract_yaml
from govbus.routing.directory.entries import AgreementEntry
from govbus.routing.directory.file_models import PackageFile
from govbus.routing.directory.model import Delivery
from govbus.routing.directory.problems import Problem, problems_of
from govbus.routing.directory.values import agreement_of
from govbus.routing.yaml_text import YamlTextError, yaml_text
from govbus.schemas.catalog import DOCUMENT_SCHEMA_ID_MIN


class Imported(NamedTuple):
    """What was written."""

    written: tuple[str, ...]
    """Files, relative to the folder."""
    kept: tuple[str, ...]
    """Files that were there already and were left as they are."""
    left_out: tuple[str, ...]
    """Parts of the contract that the directory has no place for."""
    problems: tuple[Problem, ...]
    """What the package still lacks, because the contract does not say it."""


def import_contract(file: Path, folder: Path) -> Imported:
    """Write a contract's agreement, package and payload schema as files of a directory.

    No file is ever overwritten: an agreement that is there already and says something else is refused, a package that
    is there already is left as it is.

    Raises:
        ConfigError: if a file cannot be read or written.
        DirectoryError: naming the first thing that is wrong with the contract (rule ODC-1), and how many more.
    """
    octets = _octets(file)
    contract, _ = read_contract(octets, file.name)
    entry, problems = read_agreement(octets, file.name)
    if contract is None or entry is None or problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DirectoryError(f"{problems[0]}{more}")
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", remedy="govbus directory init FOLDER writes a sample")
    writer = _Writer(folder)
    try:
        writer.agreement(entry)
        package_problems = writer.package(contract) if contract.package else []
    except OSError as err:
        raise ConfigError(f"{err.filename or folder} cannot be written: {err.strerror}") from err
    return Imported(tuple(writer.written), tuple(writer.kept), contract.left_out, tuple(package_problems))


def agreement_fields(entry: AgreementEntry) -> dict[str, Any]:
    """Return the fields of ``agreements/*.yaml``; those that say what is understood anyway are left out."""
    fields: dict[str, Any] = entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return fields


class _Writer:
    """Writes files that are not there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.written: list[str] = []
        self.kept: list[str] = []

    def agreement(self, entry: AgreementEntry) -> None:
        name = f"agreements/{entry.id}.yaml"
        there = self._folder / name
        if there.exists():
            if not _says_the_same(there, entry):
                raise ConfigError(
                    f"{there} is there already and says something else",
                    remedy="remove it first, if the contract is to take its place",
                )
            self.kept.append(name)
        else:
            self._write(name, contract_yaml(agreement_fields(entry)))

    def package(self, contract: Contract) -> list[Problem]:
        """Write the package and its payload schema; return what the package lacks."""
        identifier = str(contract.package["id"])
        name = f"packages/{_file_name(identifier)}.yaml"
        if (self._folder / name).exists():
            self.kept.append(name)
            return []
        fields = dict(contract.package)
        if contract.payload is not None:
            file = f"schemas/{_file_name(identifier)}.v{contract.schema_version}.avsc"
            if (self._folder / file).exists():
                self.kept.append(file)
            else:
                self._write(file, json.dumps(contract.payload, indent=2, ensure_ascii=False) + "\n")
            fields["schemas"] = [
                {"file": file, "id": self._next_schema_id(), "version": contract.schema_version}
            ]
        self._write(name, contract_yaml(fields))
        try:
            PackageFile.model_validate(fields)
        except ValidationError as err:
            return problems_of(err, name, PackageFile)
        return []

    def _next_schema_id(self) -> int:
        """Return an id that no package file of the folder names."""
        taken = [DOCUMENT_SCHEMA_ID_MIN - 1]
        for path in sorted((self._folder / "packages").glob("*.yaml")):
            try:
                value = yaml_text(path.read_bytes())
                taken += [int(one["id"]) for one in value.get("schemas", ())]
            except (YamlTextError, ValueError, TypeError, KeyError, AttributeError):
                continue
        return max(taken) + 1

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        self.written.append(name)


def _says_the_same(path: Path, entry: AgreementEntry) -> bool:
    """Return whether an agreement file says what an entry says; the order of a set says nothing."""
    try:
        there = AgreementEntry.model_validate(yaml_text(path.read_bytes()))
    except (ValidationError, YamlTextError):
        return False
    return agreement_of(there, Delivery.INBOX) == agreement_of(entry, Delivery.INBOX)


def _file_name(identifier: str) -> str:
    """Return an id as a file name; ids are dotted labels, and one that is not must not lead elsewhere."""
    return "".join(one if one.isalnum() or one in ".-" else "_" for one in identifier).lstrip(".") or "_"


def _octets(path: Path) -> bytes:
    try:
        if path.stat().st_size > CONTRACT_BYTES_MAX:
            raise ConfigError(f"{path} is over {CONTRACT_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err
