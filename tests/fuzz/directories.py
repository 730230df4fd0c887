"""The directory as strangers might write it: files, published entries, manifests, code lists.

A manifest counts only with the governing authority's signature, so what is behind that is signed here by a key of
the authority: its own mistakes must not stop a reader either.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, Final

from govbus.document import topics
from govbus.document.record import SIGNATURE, Record
from govbus.errors import DirectoryError
from govbus.routing.codes.files import code_list_yaml, problems_in, read_code_list
from govbus.routing.codes.lists import CodeLists, code_list_of
from govbus.routing.directory.build import build_directory
from govbus.routing.directory.entries import DirectoryContent, entry_from_json, entry_json, kind_of
from govbus.routing.directory.files import DirectoryFiles
from govbus.routing.directory.problems import Problem
from govbus.routing.directory.records import DirectoryReader, Manifest, directory_records, entry_key
from govbus.routing.directory.registration import problems_in as registration_problems
from govbus.routing.yaml_text import YamlTextError, yaml_text
from govbus.signing.certificates import Certificate
from govbus.signing.jws import DIRECTORY_TYP, sign_detached
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, ExampleBus
from govbus.testing.example_yaml import example_fields

from .material import Choices, changed, edited

YEAR_MS: Final = 31_536_000_000
PROBLEM_CHARACTERS_MAX: Final = 3_000
CODE_LIST: Final = b"""\
list: colours
title: Colours
editions:
  - {from: 2024-01-01, source: Example, source_date: 2023-12-31, codes: {R: {name: Red}}}
  - from: 2026-01-01T00:00:00Z
    source: Example
    source_date: 2025-12-31
    codes: {R: {name: Red, also: [crimson, ruby]}, G: {name: Green}}
"""
YAML_SEEDS: Final = (
    CODE_LIST,
    b"a: &a [x, x]\nb: [*a, *a]\n",
    b"&a [*a]",
    b'a: "\\ud800\\U0010ffff\\x00"',
    b"!!python/object/apply:os.system [id]",
    b"--- |\n  text\n...\n",
    b"{a: {b: [c, {d: e}]}, ? f : g}",
    b"%YAML 1.1\n%TAG ! tag:x,2000:\n---\n!y z\n",
)


@functools.cache
def bus() -> ExampleBus:
    """Return the example bus."""
    return ExampleBus.of({})


@functools.cache
def _files() -> Mapping[str, bytes]:
    files: Mapping[str, bytes] = bus().files._files  # the folder as the example wrote it
    return files


@functools.cache
def _entries() -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple((kind_of(entry), json.loads(entry_json(entry))) for entry in bus().files.content.entries())


def check_problems(problems: list[Problem]) -> None:
    """Check that problems are short texts that a terminal or a log takes."""
    for problem in problems:
        text = str(problem)
        text.encode("utf-8")
        if len(text) > PROBLEM_CHARACTERS_MAX:
            raise AssertionError(f"a problem of {len(text)} characters at {text[:80]}")


def directory_files(octets: bytes) -> None:
    """Read a folder of directory files, one of which is changed."""
    choices = Choices(octets)
    files = dict(_files())
    name = choices.pick(sorted(files))
    if name.endswith(".yaml") and choices.number(4):
        value = changed(example_fields(files[name].decode("utf-8")), choices)
        files[name] = _json(value)
    elif name.endswith(".avsc") and choices.number(4):
        files[name] = _json(changed(json.loads(files[name]), choices))
    else:
        files[name] = edited(files[name], choices)
    read = DirectoryFiles(files, at_ms=BASE_AT_MS)
    check_problems(read.problems)
    try:
        content = read.content
    except DirectoryError:
        return
    build_directory(content, version=1, issued_ms=BASE_AT_MS, expires_ms=BASE_AT_MS + YEAR_MS)


def _json(value: Any) -> bytes:
    """Return a value as JSON, which is YAML too; surrogates stand as escapes."""
    return json.dumps(value).encode("ascii")


def directory_entries(octets: bytes) -> None:
    """Read published entries of which one is changed, register them and build the directory."""
    choices = Choices(octets)
    entries = list(_entries())
    at = choices.number(len(entries))
    kind, value = entries[at]
    try:
        entries[at] = (kind, changed(value, choices))
        read = [entry_from_json(kind, _json(value)) for kind, value in entries]
        content = DirectoryContent.of(read)
    except ValueError as err:
        if isinstance(err, UnicodeError):
            raise
        return
    check_problems(registration_problems(content, at_ms=BASE_AT_MS))
    for entry in read:
        entry_from_json(kind_of(entry), entry_json(entry))
    try:
        build_directory(content, version=1, issued_ms=BASE_AT_MS, expires_ms=BASE_AT_MS + YEAR_MS)
    except DirectoryError as err:
        str(err).encode("utf-8")


@functools.cache
def _published() -> tuple[Record, ...]:
    records = directory_records(
        bus().files.content,
        signer=example_keys.signer("bus.example"),
        head=None,
        at_ms=BASE_AT_MS,
        expires_ms=BASE_AT_MS + YEAR_MS,
    )
    return tuple(
        Record(one.topic, 0, offset, BASE_AT_MS, one.key, one.value, one.headers)
        for offset, one in enumerate(records)
    )


def directory_records_read(octets: bytes) -> None:
    """Follow a topic on which one record is changed; the changed manifest is signed again."""
    choices = Choices(octets)
    records = list(_published())
    manifest = records.pop()
    match choices.number(4):
        case 0:
            records, manifest = _with_other_entry(records, manifest, choices)
        case 1:
            value = changed(json.loads(manifest.value or b""), choices)
            manifest = _signed(manifest, _canonical(value))
        case 2:
            manifest = _signed(manifest, edited(manifest.value or b"", choices))
        case _:
            at = choices.number(len(records))
            records[at] = records[at]._replace(
                key=choices.pick(
                    (None, records[at].key, choices.octets(100), edited(records[at].key or b"", choices))
                ),
                value=choices.pick((None, records[at].value, edited(records[at].value or b"", choices))),
            )
    reader = DirectoryReader([Certificate.from_pem(example_keys.issued("bus.example").certificate_pem)])
    for record in (*records, manifest):
        try:
            reader.apply(record)
        except DirectoryError as err:
            str(err).encode("utf-8")
    str(reader.waiting).encode("utf-8")


def _with_other_entry(
    records: list[Record], manifest: Record, choices: Choices
) -> tuple[list[Record], Record]:
    at = choices.number(len(records))
    key = (records[at].key or b"").decode("ascii")
    octets = _canonical(changed(json.loads(records[at].value or b""), choices))
    other = entry_key(octets, key.rpartition("/")[0])
    records = [
        *records[:at],
        records[at]._replace(key=other.encode("ascii"), value=octets),
        *records[at + 1 :],
    ]
    listed = Manifest.model_validate(json.loads(manifest.value or b"")).model_dump(mode="json")
    listed["entries"] = sorted({*listed["entries"]} - {key} | {other})
    return records, _signed(manifest, _canonical(listed))


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _signed(manifest: Record, octets: bytes) -> Record:
    signature = sign_detached(example_keys.signer("bus.example"), octets, typ=DIRECTORY_TYP, at_ms=BASE_AT_MS)
    return Record(topics.DIRECTORY, 0, 99, 0, manifest.key, octets, ((SIGNATURE, signature),))


def yaml(octets: bytes) -> None:
    """Read YAML as text."""
    try:
        yaml_text(octets)
    except YamlTextError as err:
        str(err).encode("utf-8")


def code_list(octets: bytes) -> None:
    """Read a code list from a file, and from a value changed in a few places."""
    _, problems = read_code_list(octets)
    _check_code_problems(problems)
    value = changed(yaml_text(CODE_LIST), Choices(octets))
    problems = problems_in(value)
    _check_code_problems(problems)
    if not problems:
        one = code_list_of(value)
        again, _ = read_code_list(code_list_yaml(one).encode("utf-8"))
        if again != one:
            raise AssertionError("a code list is another one once it is written")
        CodeLists({one.id: one}).codes(one.id, BASE_AT_MS)


def _check_code_problems(problems: list[Any]) -> None:
    check_problems([Problem("codes/x.yaml", one.field, one.detail) for one in problems])


def certificate(octets: bytes) -> None:
    """Read a certificate in which a few bytes are changed."""
    der = Certificate.from_pem(example_keys.issued("tax.example").certificate_pem).der
    choices = Choices(octets)
    changed_der = edited(der, choices) if choices.number(2) else choices.rest()
    Certificate.from_der(changed_der)
