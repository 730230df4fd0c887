"""How the columns of a CSV file become the fields of a document: a model that people write as YAML.

```yaml
name: civil-registry-persons
record:
  constants: {title: Person record, language: en-AU}
  fields: {record_id: rec_id}
body:
  fields:
    surname: surname                                  # the column of that name
    address.street: {column: address_1}               # a nested field
    born: {column: date_of_birth, kind: date, date_format: "%Y%m%d"}
subject: {column: rec_id, opaque: true}
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from govbus.errors import ConfigError

FieldReader = Callable[[Sequence[str]], Any]
"""Reads one value from the cells of a row; raises ValueError with what was expected."""

_TRUE = frozenset({"1", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "n", "no"})


class FieldRule(BaseModel):
    """Where one field comes from. In YAML a bare text stands for ``{column: text}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    strip: bool = True
    """Drop white space around the cell."""
    empty_is_null: bool = True
    """An empty cell is no value; otherwise it is an empty text."""
    kind: Literal["text", "integer", "number", "boolean", "date"] = "text"
    date_format: str = "%Y-%m-%d"
    """For dates, as in ``strptime``."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    def reader(self, position: int) -> FieldReader:
        """Return what reads this field from the cell at a position."""
        convert = self._converter()

        def read(cells: Sequence[str]) -> Any:
            cell = cells[position]
            if self.strip:
                cell = cell.strip()
            if not cell and self.empty_is_null:
                return None
            return convert(cell)

        return read

    def _converter(self) -> Callable[[str], Any]:
        match self.kind:
            case "text":
                return str
            case "integer":
                return _expecting("a whole number", int)
            case "number":
                return _expecting("a number", float)
            case "boolean":
                return _boolean
            case "date":
                return _expecting(f"a date as {self.date_format}", self._date)

    def _date(self, cell: str) -> Any:
        return datetime.strptime(cell, self.date_format).replace(tzinfo=UTC).date()


class ValueMapping(BaseModel):
    """One half of a document: what is the same in all, and what comes from columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    constants: dict[str, Any] = {}
    fields: dict[str, FieldRule] = {}
    """Field to rule; a dotted field is nested: ``address.street``."""

    def builder(self, columns: Mapping[str, int]) -> Callable[[Sequence[str]], dict[str, Any]]:
        """Return what makes the value from the cells of a row.

        Args:
            columns: name to position; every column of the mapping must be there.
        """
        constants = self.constants
        flat: list[tuple[str, str, FieldReader]] = []
        nested: list[tuple[list[str], str, FieldReader]] = []
        for name, rule in self.fields.items():
            read = rule.reader(columns[rule.column])
            *parents, last = name.split(".")
            if parents:
                nested.append((parents, last, _naming(rule.column, read)))
            else:
                flat.append((rule.column, last, _naming(rule.column, read)))

        def build(cells: Sequence[str]) -> dict[str, Any]:
            value = constants.copy()
            for _, field, read in flat:
                value[field] = read(cells)
            for parents, field, read in nested:
                node = value
                for parent in parents:
                    # A copy, because the constants are shared by all rows.
                    node[parent] = node = dict(node.get(parent) or {})
                node[field] = read(cells)
            return value

        return build


class SubjectRule(BaseModel):
    """Which column is the document's subject, which stands in the clear in a header."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    opaque: Literal[True]
    """Says that whoever wrote the mapping knows: the column holds no personal data and no identifier of a person that
    means anything outside the agency."""


class CsvMapping(BaseModel):
    """One CSV file as documents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")
    """Names the adapter's cursor in the spool; a changed name starts the file again."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    encoding: str = "utf-8"
    """Any encoding in which ASCII text is ASCII."""
    record: ValueMapping
    """For ``govbus.core.RecordMetadata``."""
    body: ValueMapping
    """For the package's own schema."""
    subject: SubjectRule | None = None
    """None: documents have no subject, and are ordered by their index alone."""

    @field_validator("encoding")
    @classmethod
    def _require_ascii(cls, name: str) -> str:
        try:
            is_ascii = "a,\n".encode(name) == b"a,\n"
        except LookupError:
            is_ascii = False
        if not is_ascii:
            raise ValueError(
                "expected an encoding in which ASCII text is ASCII, such as utf-8 or windows-1251"
            )
        return name

    @classmethod
    def from_yaml(cls, text: str, source: str) -> Self:
        """Read a mapping.

        Args:
            text: YAML.
            source: the file's name, for errors.

        Raises:
            ConfigError: naming the place in the file and what was expected.
        """
        try:
            return cls.model_validate(yaml.safe_load(text))
        except yaml.YAMLError as err:
            raise ConfigError(f"{source} is not YAML: {' '.join(str(err).split())}") from err
        except ValidationError as err:
            first = err.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole file"
            raise ConfigError(f"{source}, {place}: {first['msg'].lower()}") from err

    @property
    def columns(self) -> frozenset[str]:
        """Every column that the mapping reads."""
        rules = [*self.record.fields.values(), *self.body.fields.values()]
        subject = [self.subject.column] if self.subject is not None else []
        return frozenset([rule.column for rule in rules] + subject)


def _expecting(what: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(cell: str) -> Any:
        try:
            return convert(cell)
        except ValueError as err:
            raise ValueError(f"expected {what}") from err

    return read


def _boolean(cell: str) -> bool:
    text = cell.lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("expected a yes or no")


def _naming(column: str, read: FieldReader) -> FieldReader:
    """Name the column in what the reader raises."""

    def named(cells: Sequence[str]) -> Any:
        try:
            return read(cells)
        except ValueError as err:
            raise ValueError(f"column {column}: {err}") from err

    return named
