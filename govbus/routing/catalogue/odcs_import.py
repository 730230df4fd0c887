"""An Open Data Contract (ODCS 3.1) as an exchange agreement, with the package and payload schema that it describes.

Nothing is made up: what a contract does not say is missing in what comes out, and whoever checks it says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from govbus.routing.catalogue import odcs_fields as names
from govbus.routing.catalogue.odcs_columns import AvroBuilder, columns_of
from govbus.routing.catalogue.odcs_yaml import contract_value
from govbus.routing.catalogue.shapes import Flaw, at
from govbus.routing.directory.entries import AgreementEntry
from govbus.routing.directory.problems import Problem, problems_of
from govbus.routing.rules.contracts import contract_breaches
from govbus.routing.yaml_text import YamlTextError

_UNITS: Final = {
    "y": "Y",
    "yr": "Y",
    "year": "Y",
    "years": "Y",
    "w": "W",
    "week": "W",
    "weeks": "W",
    "d": "D",
    "day": "D",
    "days": "D",
}
"""Units of a frequency in whole days and longer that ODCS writes, and their letters in ISO 8601."""
_TAKEN: Final = frozenset(
    [
        "apiVersion",
        "kind",
        "id",
        "name",
        "version",
        "status",
        "tenant",
        "description",
        "schema",
        "team",
        "slaProperties",
        "customProperties",
        "servers",
    ]
)
_LABEL = re.compile(r"[^a-z0-9]+")


class Contract(NamedTuple):
    """What a contract says in the terms of the directory."""

    agreement: dict[str, Any]
    """Fields of ``agreements/*.yaml``."""
    package: dict[str, Any]
    """Fields of ``packages/*.yaml``, without its schemas; empty where the contract has no schema object."""
    payload: dict[str, Any] | None
    """The payload schema, a record."""
    schema_version: int
    places: Mapping[str, str]
    """Where in the contract each field of the agreement stands."""
    left_out: tuple[str, ...]
    """Parts of the contract that the directory has no place for."""
    flaws: tuple[Flaw, ...]


def read_agreement(octets: bytes, place: str) -> tuple[AgreementEntry | None, list[Problem]]:
    """Return the agreement that a contract file is, and everything that is wrong with the file.

    Args:
        octets: of the file, YAML in UTF-8.
        place: the file's name.
    """
    contract, problems = read_contract(octets, place)
    if contract is None:
        return None, problems
    try:
        return AgreementEntry.model_validate(contract.agreement), problems
    except ValidationError as err:
        located = problems_of(err, place, AgreementEntry)
        return None, [*problems, *(_moved(problem, contract.places) for problem in located)]


def read_contract(octets: bytes, place: str) -> tuple[Contract | None, list[Problem]]:
    """Return what a contract file says, or None with what is wrong with its form (rule ODC-1).

    Args:
        octets: of the file, YAML in UTF-8.
        place: the file's name.
    """
    try:
        value = contract_value(octets)
    except YamlTextError as err:
        return None, [Problem(place, "", str(err), "ODC-1")]
    found = [Problem(place, breach.field, breach.detail, breach.rule) for breach in contract_breaches(value)]
    if found:
        return None, found
    contract = _Reader(value).read()
    return contract, [Problem(place, flaw.field, flaw.detail, "ODC-1") for flaw in contract.flaws]


def _moved(problem: Problem, places: Mapping[str, str]) -> Problem:
    """Return a problem with a field of the agreement as one with the place in the contract that it comes from."""
    head, dot, rest = problem.field.partition(".")
    if head == "consumers":
        number, dot, rest = rest.partition(".")
        head = f"consumers.{number}" if number else head
    place = places.get(head, f"customProperties ({head})")
    return Problem(problem.place, f"{place}{dot}{rest}", problem.detail, problem.rule, problem.severity)


class _Reader:
    """Reads one contract whose form is good."""

    def __init__(self, contract: Mapping[str, Any]) -> None:
        self._contract = contract
        self._agreement: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._flaws: list[Flaw] = []
        self._left_out = [name for name in contract if name not in _TAKEN]

    def read(self) -> Contract:
        for field in ("id", "name", "status"):
            self._take(field, self._contract.get(field), field)
        self._read_description()
        self._read_team()
        self._read_custom()
        self._read_service_levels()
        package, payload, version = self._read_schema()
        return Contract(
            self._agreement,
            package,
            payload,
            version,
            self._places,
            tuple(self._left_out),
            tuple(self._flaws),
        )

    def _take(self, field: str, value: Any, place: str) -> None:
        self._places[field] = place
        if value is not None:
            self._agreement[field] = value

    def _read_description(self) -> None:
        description = self._contract.get("description") or {}
        self._take("purpose", description.get("purpose"), "description.purpose")
        self._take("description", description.get("usage"), "description.usage")
        for index, definition in enumerate(description.get("authoritativeDefinitions") or ()):
            place = f"description.authoritativeDefinitions.{index}"
            if definition["type"] == names.NOTICE:
                self._once("system_of_records", definition["url"], f"{place}.url")
            else:
                self._left_out.append(place)
        known = {"purpose", "usage", "authoritativeDefinitions"}
        self._left_out += [f"description.{name}" for name in description if name not in known]

    def _once(self, field: str, value: Any, place: str) -> None:
        if field in self._agreement:
            self._flaws.append(Flaw(place, f"says again what {self._places[field]} says"))
        else:
            self._take(field, value, place)

    def _read_team(self) -> None:
        team = self._contract.get("team") or {}
        is_list = isinstance(team, list)
        members, place = (team, "team") if is_list else (team.get("members") or (), "team.members")
        self._places |= {"supplier": place, "consumers": place}
        consumers: list[dict[str, Any]] = []
        for index, member in enumerate(members):
            where = at(place, index)
            match member.get("role"):
                case names.SUPPLIER:
                    self._once("supplier", self._party(member), where)
                case names.CONSUMER:
                    self._places[f"consumers.{len(consumers)}"] = where
                    consumers.append(self._party(member))
                case _:
                    self._left_out.append(where)
        self._agreement["consumers"] = consumers

    def _party(self, member: Mapping[str, Any]) -> dict[str, Any]:
        """Return a party; the name of its contact may be missing, and is then the address itself."""
        agency = dict(_custom(member, "")).get(names.AGENCY, ("", None))[1]
        contact = {"name": member.get("name") or member["username"], "email": member["username"]}
        return {"agency": agency, "contact": contact} if agency is not None else {"contact": contact}

    def _read_custom(self) -> None:
        for name, (place, value) in _custom(self._contract, ""):
            field = names.AGREEMENT_PROPERTIES.get(name)
            if field is None:
                self._left_out.append(f"{place} ({name})")
            else:
                self._once(field, dict(value) if isinstance(value, Mapping) else value, place)

    def _read_service_levels(self) -> None:
        fields = {names.VALID_FROM: "valid_from", names.VALID_TO: "valid_to"}
        for index, level in enumerate(self._contract.get("slaProperties") or ()):
            place = f"slaProperties.{index}"
            match level["property"]:
                case names.VALID_FROM | names.VALID_TO:
                    self._once(fields[level["property"]], level["value"], f"{place}.value")
                case names.FREQUENCY:
                    self._once("frequency", self._frequency(level, place), f"{place}.value")
                case names.RETENTION:
                    self._retention(level, place)
                case _:
                    self._left_out.append(f"{place} ({level['property']})")

    def _frequency(self, level: Mapping[str, Any], place: str) -> Any:
        """Return a frequency as ISO 8601 has it; ODCS's own way, a number of days or years, is understood too."""
        value, unit = level["value"], level.get("unit", names.ISO8601)
        if unit == names.ISO8601:
            return value
        if unit not in _UNITS or not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._flaws.append(
                Flaw(
                    at(place, "value"),
                    "expected an ISO 8601 repeating interval, or a number of days or years",
                )
            )
            return None
        return f"R/P{value}{_UNITS[unit]}"

    def _retention(self, level: Mapping[str, Any], place: str) -> None:
        """Add the years to the records schedule, which stands in a custom property."""
        schedule = self._agreement.get("records_schedule")
        if not isinstance(schedule, dict):
            detail = (
                "years of retention need a custom property recordsSchedule with authority and disposition"
            )
            self._flaws.append(Flaw(place, detail))
        elif _UNITS.get(level.get("unit", "")) != "Y":
            self._flaws.append(Flaw(at(place, "unit"), "expected y: a records schedule counts in years"))
        elif "years" in schedule:
            self._flaws.append(Flaw(place, "the years of the records schedule stand twice"))
        else:
            schedule["years"] = level["value"]

    def _read_schema(self) -> tuple[dict[str, Any], dict[str, Any] | None, int]:
        """Return package, payload schema and its version, of the schema object that is the exchanged package."""
        objects = self._contract.get("schema") or []
        package_id = self._agreement.get("package")
        chosen = next((index for index, one in enumerate(objects) if one["name"] == package_id), None)
        if chosen is None and len(objects) == 1:
            chosen = 0
        if chosen is None:
            if objects:
                detail = f"expected one object, or one with the name of the package {package_id}"
                self._flaws.append(Flaw("schema", detail))
            return {}, None, 1
        self._left_out += [f"schema.{index}" for index in range(len(objects)) if index != chosen]
        place = f"schema.{chosen}"
        return self._package(objects[chosen], place)

    def _package(
        self, found: Mapping[str, Any], place: str
    ) -> tuple[dict[str, Any], dict[str, Any] | None, int]:
        values = {name: value for name, (_, value) in _custom(found, place)}
        package: dict[str, Any] = {"id": self._agreement.get("package") or found["name"]}
        package |= {"name": found.get("businessName"), "description": found.get("description")}
        package |= {field: values.get(name) for name, field in names.PACKAGE_PROPERTIES.items()}
        known = {*names.PACKAGE_PROPERTIES, names.SCHEMA_VERSION, names.AVRO_SCHEMA}
        self._left_out += [
            f"{where} ({name})" for name, (where, _) in _custom(found, place) if name not in known
        ]
        version = values.get(names.SCHEMA_VERSION, 1)
        is_version = isinstance(version, int) and not isinstance(version, bool)
        return (
            {field: value for field, value in package.items() if value is not None},
            self._payload(found, values.get(names.AVRO_SCHEMA), str(package["id"]), place),
            version if is_version else 1,
        )

    def _payload(
        self, found: Mapping[str, Any], avro: Any, package_id: str, place: str
    ) -> dict[str, Any] | None:
        """Return the Avro schema that stands beside the properties and says the same, or one made of them."""
        columns = found.get("properties")
        if isinstance(avro, Mapping):
            try:
                is_same = columns is None or columns_of(avro) == columns
            except (KeyError, TypeError, AttributeError, RecursionError):
                self._flaws.append(Flaw(at(place, names.AVRO_SCHEMA), "is no Avro record"))
                return None
            if not is_same:
                detail = f"differs from the custom property {names.AVRO_SCHEMA}; remove one of the two"
                self._flaws.append(Flaw(at(place, "properties"), detail))
            return dict(avro)
        if not columns:
            return None
        builder = AvroBuilder(_LABEL.sub("_", package_id.lower()).strip("_") or "payload")
        payload = builder.record(found, place)
        self._flaws += builder.flaws
        return payload


def _custom(holder: Mapping[str, Any], place: str) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Yield the custom properties of a part: name, place and value."""
    for index, one in enumerate(holder.get("customProperties") or ()):
        yield one["property"], (at(at(place, "customProperties"), f"{index}.value"), one["value"])
