"""What holds for subjects and for the registry as a whole: compatibility and mode."""

from __future__ import annotations

import enum
from typing import Final

from govbus.schemas.compatibility import Compatibility
from govbus.service.schema_registry.checks import check_subject
from govbus.service.schema_registry.errors import RegistryError, not_permitted, subject_not_found
from govbus.service.schema_registry.published import RESERVED_PREFIX
from govbus.service.schema_registry.store import GLOBAL, RegistryStore

COMPATIBILITY: Final = "compatibility"
MODE: Final = "mode"


class Mode(enum.StrEnum):
    """What a subject lets its clients do."""

    READWRITE = "READWRITE"
    READONLY = "READONLY"
    IMPORT = "IMPORT"
    """Versions are registered under ids that the client names, and are not compared."""


class SubjectSettings:
    """The settings on one store. Use it from one thread."""

    def __init__(self, store: RegistryStore, *, is_governed: bool) -> None:
        self._store = store
        self._is_governed = is_governed

    def compatibility(self, subject: str = GLOBAL) -> Compatibility:
        """Return the compatibility mode that holds for a subject."""
        own = self._store.setting(subject, COMPATIBILITY) or self._store.setting(GLOBAL, COMPATIBILITY)
        return Compatibility(own) if own else Compatibility.FULL_TRANSITIVE

    def own_compatibility(self, subject: str) -> Compatibility:
        """Return the compatibility mode that a subject has of its own.

        Raises:
            RegistryError: 40408 if it has none.
        """
        own = self._store.setting(subject, COMPATIBILITY)
        if own is None:
            raise RegistryError(
                40408, f"Subject '{subject}' does not have subject-level compatibility configured"
            )
        return Compatibility(own)

    def set_compatibility(self, subject: str, level: object) -> Compatibility:
        """Change the compatibility mode of a subject, or of all.

        Raises:
            RegistryError: 42203, 42205 or 42208.
        """
        self.check_writable(subject)
        if not isinstance(level, str) or level not in set(Compatibility):
            raise RegistryError(
                42203, f"Invalid compatibility level. Valid values are {', '.join(Compatibility)}"
            )
        with self._store.transaction():
            self._store.put_setting(subject, COMPATIBILITY, level)
        return Compatibility(level)

    def unset_compatibility(self, subject: str) -> Compatibility:
        """Take the compatibility mode of a subject away, and return it.

        Raises:
            RegistryError: 40401 or 42205.
        """
        self.check_writable(subject)
        own = self._store.setting(subject, COMPATIBILITY)
        if own is None and subject != GLOBAL:
            raise subject_not_found(subject)
        former = self.compatibility(subject)
        with self._store.transaction():
            self._store.put_setting(subject, COMPATIBILITY, None)
        return former

    def mode(self, subject: str = GLOBAL) -> Mode:
        """Return the mode that holds for a subject."""
        if self.is_reserved(subject):
            return Mode.READONLY
        own = self._store.setting(subject, MODE) or self._store.setting(GLOBAL, MODE)
        return Mode(own) if own else Mode.READWRITE

    def own_mode(self, subject: str) -> Mode:
        """Return the mode that a subject has of its own.

        Raises:
            RegistryError: 40409 if it has none.
        """
        if not self.is_reserved(subject) and self._store.setting(subject, MODE) is None:
            raise RegistryError(40409, f"Subject '{subject}' does not have subject-level mode configured")
        return self.mode(subject)

    def set_mode(self, subject: str, mode: object, *, force: bool = False) -> Mode:
        """Change the mode of a subject, or of all.

        Raises:
            RegistryError: 42204, 42205 or 42208.
        """
        self.check_writable(subject)
        if not isinstance(mode, str) or mode not in set(Mode):
            raise RegistryError(42204, f"Invalid mode. Valid values are {', '.join(Mode)}")
        if mode == Mode.IMPORT and not force:
            existing = self._store.versions(subject) if subject else self._store.subjects()
            if existing:
                raise not_permitted("Cannot import since found existing subjects")
        with self._store.transaction():
            self._store.put_setting(subject, MODE, mode)
        return Mode(mode)

    def unset_mode(self, subject: str) -> Mode:
        """Take the mode of a subject away, and return it.

        Raises:
            RegistryError: 40401 or 42205.
        """
        self.check_writable(subject)
        own = self._store.setting(subject, MODE)
        if own is None and subject != GLOBAL:
            raise subject_not_found(subject)
        former = self.mode(subject)
        with self._store.transaction():
            self._store.put_setting(subject, MODE, None)
        return former

    def is_reserved(self, subject: str) -> bool:
        """Return whether a subject is the directory's."""
        return self._is_governed and subject.startswith(RESERVED_PREFIX)

    def check_writable(self, subject: str) -> None:
        """Check that clients may change a subject.

        Raises:
            RegistryError: 42205 or 42208.
        """
        if subject != GLOBAL:
            check_subject(subject)
        if self.is_reserved(subject):
            raise not_permitted(f"Subject {subject} belongs to the directory of the bus")
