"""What the registry does, without HTTP: subjects, versions, ids, compatibility, settings.

Follows Confluent's interface as its clients use it, with three choices of govbus's own: a schema must keep the rules
DRM-4 and AVR-3 before it is registered, compatibility is FULL_TRANSITIVE unless somebody says otherwise, and the
subjects of the bus belong to the directory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from govbus.document.finding import Breach
from govbus.schemas.compatibility import compatibility_breaches
from govbus.schemas.governance import documentation_breaches, schema_breaches
from govbus.service.schema_registry.checks import (
    VERSION_MAX,
    check_subject,
    digest_of,
    parse_schema,
    version_number,
)
from govbus.service.schema_registry.errors import (
    RegistryError,
    breaches_text,
    invalid_schema,
    not_permitted,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from govbus.service.schema_registry.published import PublishedSchema
from govbus.service.schema_registry.settings import COMPATIBILITY, MODE, Mode, SubjectSettings
from govbus.service.schema_registry.store import (
    CLIENT_SCHEMA_ID_MIN,
    RegistryStore,
    StoredSchema,
    StoredVersion,
)

SCHEMA_ID_MAX: Final = 2**31 - 1
SUBJECTS_MAX: Final = 100_000
VERSIONS_MAX: Final = 1_000
"""Versions of one subject: each new one is compared with all."""


class Registered(NamedTuple):
    """A schema that stands in a subject."""

    id: int
    version: int
    hash: str


class SchemaRegistry:
    """The registry on one store. Use it from one thread."""

    def __init__(self, store: RegistryStore, *, is_governed: bool = False) -> None:
        """Make it.

        Args:
            store: its memory.
            is_governed: whether a directory publishes its schemas here, so that clients may not register under the
                names and ids of the bus.
        """
        self._store = store
        self._is_governed = is_governed
        self.settings = SubjectSettings(store, is_governed=is_governed)

    # Reading

    def subjects(self, *, prefix: str = "", deleted: bool = False, deleted_only: bool = False) -> list[str]:
        """Return the names of subjects: those with live versions, all, or those without."""
        return [
            subject
            for subject, is_deleted in self._store.subjects(prefix)
            if (is_deleted if deleted_only else deleted or not is_deleted)
        ]

    def versions(
        self, subject: str, *, deleted: bool = False, deleted_only: bool = False
    ) -> list[StoredVersion]:
        """Return the versions of a subject.

        Raises:
            RegistryError: 40401 if there is none.
        """
        found = [
            version
            for version in self._store.versions(subject)
            if (version.is_deleted if deleted_only else deleted or not version.is_deleted)
        ]
        if not found:
            raise subject_not_found(subject)
        return found

    def version(self, subject: str, version: str, *, deleted: bool = False) -> StoredVersion:
        """Return one version of a subject.

        Args:
            subject: its name.
            version: a number from 1, ``latest`` or ``-1``.
            deleted: whether one that is deleted, but not for good, will do.

        Raises:
            RegistryError: 42202, 40401 or 40402.
        """
        number = version_number(version)
        found = self.versions(subject, deleted=deleted)
        if number is None:
            return found[-1]
        for one in found:
            if one.version == number:
                return one
        raise version_not_found(number)

    def all_versions(
        self, *, prefix: str = "", deleted: bool = False, latest_only: bool = False
    ) -> list[StoredVersion]:
        """Return versions of all subjects."""
        found = [one for one in self._store.all_versions(prefix) if deleted or not one.is_deleted]
        return list({one.subject: one for one in found}.values()) if latest_only else found

    def schema(self, schema_id: int) -> StoredSchema:
        """Return a schema by id; deleted versions do not take it away, deleting for good does.

        Raises:
            RegistryError: 40403.
        """
        found = self._store.schema(schema_id) if schema_id <= SCHEMA_ID_MAX else None
        if found is None:
            raise schema_not_found(str(schema_id))
        return found

    def schema_by_guid(self, guid: str) -> StoredSchema:
        """Return a schema by the GUID of its content (`guid_of`).

        Raises:
            RegistryError: 40403.
        """
        try:
            found = self._store.schema_by_hash(UUID(guid).hex)
        except ValueError:
            found = None
        if found is None:
            raise schema_not_found()
        return found

    def schema_id_max(self) -> int:
        """Return the largest id in use."""
        return self._store.schema_id_max()

    def places(self, schema_id: int, *, subject: str = "", deleted: bool = False) -> list[StoredVersion]:
        """Return the versions that have a schema.

        Raises:
            RegistryError: 40403.
        """
        self.schema(schema_id)
        return [
            one
            for one in self._store.versions_of_schema(schema_id)
            if (deleted or not one.is_deleted) and (not subject or one.subject == subject)
        ]

    def lookup(self, subject: str, text: str, *, deleted: bool = False) -> StoredVersion:
        """Return the version of a subject that has this content.

        Raises:
            RegistryError: 42201, 40401 or 40403.
        """
        digest = digest_of(parse_schema(text))
        for one in self.versions(subject, deleted=deleted):
            if one.hash == digest:
                return one
        raise schema_not_found()

    # Registering

    def register(
        self, subject: str, text: str, *, schema_id: int | None = None, version: int | None = None
    ) -> Registered:
        """Register a schema, or find that it is registered.

        Args:
            subject: its name.
            text: the schema as JSON.
            schema_id: to register it under, in a subject of mode IMPORT.
            version: likewise.

        Raises:
            RegistryError: 42201 if it breaks DRM-4 or AVR-3, 409 if it breaks AVR-2, 42205 where the mode or the
                directory does not let it in, 42207 and 42208.
        """
        check_subject(subject)
        definition = parse_schema(text)
        digest = digest_of(definition)
        with self._store.transaction():
            former = self._store.versions(subject)
            same = next((one for one in former if one.hash == digest and not one.is_deleted), None)
            if same is not None and schema_id in {None, same.id} and version in {None, same.version}:
                return Registered(same.id, same.version, digest)
            mode = self.settings.mode(subject)
            _check_mode(subject, mode, is_import=schema_id is not None)
            _check_rules(definition)
            if schema_id is None:
                self._check_compatible(subject, definition, former)
                schema_id = self._id_of(digest)
            else:
                self._check_import(schema_id, version, digest, former)
            number = version or max((one.version for one in former), default=0) + 1
            self._check_bounds(schema_id, number, former)
            if self._store.schema(schema_id) is None:
                self._store.put_schema(StoredSchema(schema_id, digest, text))
            self._store.put_version(subject, number, schema_id)
        return Registered(schema_id, number, digest)

    def _id_of(self, digest: str) -> int:
        known = self._store.schema_by_hash(digest)
        return self._store.next_schema_id() if known is None else known.id

    def _check_compatible(self, subject: str, definition: Any, former: Sequence[StoredVersion]) -> None:
        breaches = self._breaches(subject, definition, [one for one in former if not one.is_deleted])
        if breaches:
            raise RegistryError(
                409,
                f'Schema being registered is incompatible with an earlier schema for subject "{subject}", '
                f"mode {self.settings.compatibility(subject)}: {breaches_text(breaches)}",
            )

    def _check_import(
        self, schema_id: int, version: int | None, digest: str, former: Iterable[StoredVersion]
    ) -> None:
        if self._is_governed and schema_id < CLIENT_SCHEMA_ID_MIN:
            raise not_permitted(f"Ids below {CLIENT_SCHEMA_ID_MIN} belong to the directory of the bus")
        taken = self._store.schema(schema_id)
        if taken is not None and taken.hash != digest:
            raise not_permitted(f"Overwrite new schema with id {schema_id} is not permitted.")
        for one in former:
            if one.version == version:
                raise not_permitted(f"Version {version} is registered already with id {one.id}")
            if one.hash == digest and one.id != schema_id:
                raise RegistryError(
                    42207, f"Schema already registered with id {one.id} instead of input id {schema_id}"
                )

    def _check_bounds(self, schema_id: int, version: int, former: Sequence[StoredVersion]) -> None:
        if not 1 <= schema_id <= SCHEMA_ID_MAX or not 1 <= version <= VERSION_MAX:
            raise not_permitted(f"Ids and versions are from 1 to {SCHEMA_ID_MAX}")
        if len(former) >= VERSIONS_MAX:
            raise not_permitted(f"A subject has at most {VERSIONS_MAX} versions")
        if not former and self._store.subject_count() >= SUBJECTS_MAX:
            raise not_permitted(f"There may be at most {SUBJECTS_MAX} subjects")

    # Compatibility

    def incompatibilities(self, subject: str, text: str, version: str | None = None) -> list[str]:
        """Return why a schema could not become the next version of a subject, empty where it could.

        Args:
            subject: its name.
            text: the schema as JSON.
            version: to compare with; None for those that the subject's mode asks for.

        Raises:
            RegistryError: 42201, and if a version is named 42202, 40401 or 40402.
        """
        definition = parse_schema(text)
        if breaches := schema_breaches(definition):
            raise invalid_schema(breaches_text(breaches))
        if version is not None:
            former = [self.version(subject, version)]
        else:
            former = [one for one in self._store.versions(subject) if not one.is_deleted]
        return [breaches_text([one]) for one in self._breaches(subject, definition, former)]

    def _breaches(self, subject: str, definition: Any, former: Sequence[StoredVersion]) -> list[Breach]:
        return compatibility_breaches(
            definition,
            [one.definition for one in former],
            self.settings.compatibility(subject),
            labels=[f"version {one.version}" for one in former],
        )

    # Deleting

    def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete all versions of a subject: so that they can be asked for by id alone, or for good.

        Returns:
            The versions that were deleted.

        Raises:
            RegistryError: 40401, 40404, 40405 or 42205.
        """
        self._check_deletable(subject)
        with self._store.transaction():
            former = self._store.versions(subject)
            live = [one.version for one in former if not one.is_deleted]
            if not former:
                raise subject_not_found(subject)
            if permanent:
                if live:
                    raise RegistryError(
                        40405,
                        f"Subject '{subject}' was not deleted first before being permanently deleted",
                    )
                live = [one.version for one in former]
                self._store.erase(subject, live)
            elif not live:
                raise RegistryError(
                    40404,
                    f"Subject '{subject}' was soft deleted. Set permanent=true to delete permanently",
                )
            else:
                self._store.mark_deleted(subject, live)
            self._forget_settings(subject)
        return live

    def delete_version(self, subject: str, version: str, *, permanent: bool = False) -> int:
        """Delete one version of a subject, likewise.

        Raises:
            RegistryError: 40401, 40402, 40406, 40407, 42202 or 42205.
        """
        self._check_deletable(subject)
        number = version_number(version)
        with self._store.transaction():
            found = (
                self.version(subject, version)
                if number is None
                else self.version(subject, version, deleted=True)
            )
            if permanent:
                if not found.is_deleted:
                    raise RegistryError(
                        40407,
                        f"Subject '{subject}' Version {found.version} was not deleted first before being "
                        "permanently deleted",
                    )
                self._store.erase(subject, [found.version])
            elif found.is_deleted:
                raise RegistryError(
                    40406,
                    f"Subject '{subject}' Version {found.version} was soft deleted. "
                    "Set permanent=true to delete permanently",
                )
            else:
                self._store.mark_deleted(subject, [found.version])
        return found.version

    def _check_deletable(self, subject: str) -> None:
        self.settings.check_writable(subject)
        if self.settings.mode(subject) is Mode.READONLY:
            raise not_permitted(f"Subject {subject} is in read-only mode")

    def _forget_settings(self, subject: str) -> None:
        for kind in (COMPATIBILITY, MODE):
            self._store.put_setting(subject, kind, None)

    # The directory's schemas

    def publish(self, schemas: Iterable[PublishedSchema], directory_version: int) -> list[str]:
        """Register what a version of the directory publishes, and take nothing away.

        Returns:
            What does not fit what is registered already, a sentence each; it is left as it was.
        """
        problems: list[str] = []
        with self._store.transaction():
            for one in schemas:
                problem = self._publish(one)
                if problem is not None:
                    problems.append(problem)
            self._store.put_counter("directory", directory_version)
        return problems

    def _publish(self, one: PublishedSchema) -> str | None:
        digest = digest_of(one.definition)
        standing = next(
            (had for had in self._store.versions(one.subject) if had.version == one.version), None
        )
        taken = self._store.schema(one.id)
        if taken is not None and taken.hash != digest:
            return f"id {one.id} of {one.subject} version {one.version} has another schema already"
        if standing is not None and standing.id != one.id:
            return f"{one.subject} version {one.version} has id {standing.id} instead of {one.id} already"
        if taken is None:
            text = json.dumps(one.definition, ensure_ascii=False)
            self._store.put_schema(StoredSchema(one.id, digest, text))
        if standing is None:
            self._store.put_version(one.subject, one.version, one.id)
        self._store.put_setting(one.subject, COMPATIBILITY, one.compatibility)
        return None

    def directory_version(self) -> int:
        """Return the last version of the directory that was published here, 0 for none."""
        return self._store.counter("directory")


def _check_mode(subject: str, mode: Mode, *, is_import: bool) -> None:
    if mode is Mode.READONLY:
        raise not_permitted(f"Subject {subject} is in read-only mode")
    if is_import and mode is not Mode.IMPORT:
        raise not_permitted(f"Subject {subject} is not in import mode")
    if not is_import and mode is Mode.IMPORT:
        raise not_permitted(f"Subject {subject} is in import mode: name the id")


def _check_rules(definition: Any) -> None:
    breaches = [*schema_breaches(definition), *documentation_breaches(definition)]
    if breaches:
        raise invalid_schema(breaches_text(breaches))
