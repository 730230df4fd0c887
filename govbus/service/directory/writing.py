"""Writes folders of directory files with a fresh key for everyone who takes part.

Keys are made here and nowhere else in the repository; none is ever checked in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization

from govbus.errors import ConfigError
from govbus.routing.directory.editor import EDITOR_FOLDER, editor_schema, schema_file, schema_line
from govbus.routing.directory.file_models import FILE_MODELS
from govbus.signing.algorithms import Algorithm, algorithm_of
from govbus.signing.issuing import CertificateAuthority, IssuedKey, private_key_pem

DAY_MS: Final = 86_400_000
ROOT_DAYS_MORE: Final = 366
"""The root's certificate outlives those that it issues."""
_LINE_CHARACTERS: Final = 110
_CLOCK_TOLERANCE_MS: Final = DAY_MS
"""Certificates are good from a day before, so that clocks of other machines may lag."""


class DirectoryWriter:
    """Writes the files of one folder."""

    def __init__(
        self, folder: Path, *, at_ms: int, days: int, algorithm: Algorithm, password: bytes | None
    ) -> None:
        """Make the folder and the root that issues every certificate.

        Args:
            folder: made if missing; must be empty, because keys are never overwritten.
            at_ms: the time it is made, milliseconds since 1970.
            days: how long certificates and agreements are good.
            algorithm: of every key.
            password: encrypts every private key; without one, their files are readable by the owner alone.

        Raises:
            ConfigError: if the folder is not empty.
            OSError: if it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty", remedy="name a new folder")
        self._folder = folder
        self.at_ms = at_ms
        self.from_ms = at_ms - _CLOCK_TOLERANCE_MS
        """First moment of certificates and agreements."""
        self.to_ms = at_ms + days * DAY_MS
        """Last moment of certificates and agreements."""
        self._algorithm = algorithm
        self._password = password
        self._root = CertificateAuthority.create(
            "Example root", algorithm, at_ms=self.from_ms - DAY_MS, days=days + ROOT_DAYS_MORE
        )
        (folder / "keys").mkdir(mode=0o700)

    def write_bus(self, fields: Mapping[str, Any]) -> None:
        """Write ``bus.yaml``, the keys of root and governing authority, and the JSON Schemas for editors.

        Args:
            fields: all but the anchors.
        """
        self.write("certificates/root.pem", self._root.certificate_pem)
        self._write_key("root", self._root.key_pem)
        self.write_issued("authority", str(fields["authority"]))
        for kind in FILE_MODELS:
            schema = json.dumps(editor_schema(kind), indent=2, ensure_ascii=False)
            self.write(f"{EDITOR_FOLDER}{schema_file(kind)}", f"{schema}\n".encode())
        self.write_yaml("bus.yaml", {**fields, "anchors": ["certificates/root.pem"]})

    def write_agency(self, fields: Mapping[str, Any]) -> None:
        """Write an agency's file and the key of its seal.

        Args:
            fields: all but the certificates.
        """
        agency = fields["id"]
        self.write_issued(agency, f"{agency} seal")
        self.write_yaml(
            f"agencies/{agency}.yaml", {**fields, "certificates": [{"file": f"certificates/{agency}.pem"}]}
        )

    def write_issued(
        self, name: str, subject: str, *, from_ms: int | None = None, to_ms: int | None = None
    ) -> None:
        """Write a key and its certificate, ``keys/<name>.key.pem`` and ``certificates/<name>.pem``."""
        issued: IssuedKey = self._root.issue(
            subject,
            self._algorithm,
            not_before_ms=self.from_ms if from_ms is None else from_ms,
            not_after_ms=self.to_ms if to_ms is None else to_ms,
        )
        self.write(f"certificates/{name}.pem", issued.certificate_pem)
        self._write_key(name, issued.key_pem)

    def write_yaml(self, name: str, fields: Mapping[str, Any]) -> None:
        """Write one YAML file of the folder."""
        text = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=_LINE_CHARACTERS)
        self.write(name, (schema_line(name) + text).encode("utf-8"))

    def write(self, name: str, octets: bytes) -> None:
        """Write one file of the folder."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)

    def _write_key(self, name: str, key_pem: bytes) -> None:
        if self._password is not None:
            key = serialization.load_pem_private_key(key_pem, None)
            algorithm_of(key)
            key_pem = private_key_pem(key, self._password)  # type: ignore[arg-type]  # algorithm_of checked it
        path = self._folder / "keys" / f"{name}.key.pem"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key_pem)
