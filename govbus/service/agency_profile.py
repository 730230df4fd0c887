"""The agency profile: one YAML file that says who an agency is on the bus and where its keys and spool are.

```yaml
agency: tax.example
outbox: main
spool: main.spool                      # paths are relative to this file
seal: {key: seal.key.pem, certificate: seal.cert.pem}
twin: {key: twin.key.pem, certificate: twin.cert.pem}    # post-quantum, optional
authority: authority.cert.pem          # of the governing authority, which signs the directory
```
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from govbus.adapters.spool import Spool, SpoolLimits
from govbus.document.ids import AgencyId, Origin
from govbus.errors import ConfigError, GovbusError
from govbus.service.directory.publishing import read_certificates
from govbus.service.publisher import BATCH_DOCUMENTS_MAX
from govbus.signing.certificates import Certificate
from govbus.signing.signer import KeySigner


def _agency(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return AgencyId.from_text(text)
    except GovbusError as err:
        raise ValueError(err.message) from err


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class SealKey(_Model):
    """A private key and its certificate, PEM files."""

    key: Path
    certificate: Path
    kid: str = ""
    """Name of the key for people; by default made of the agency and the file's name."""
    password_variable: str = ""
    """Environment variable that holds the key's password; empty where the key has none."""


class SpoolBounds(_Model):
    """What the spool holds at most while the broker is away."""

    documents_max: int = Field(default=1_000_000, ge=1)
    size_bytes_max: int = Field(default=8 * 1024**3, ge=1_000_000)
    age_s_max: float = Field(default=7 * 86_400.0, ge=1)


class AgencyProfile(_Model):
    """One agency's outbox, as its own machines know it."""

    agency: Annotated[AgencyId, BeforeValidator(_agency)]
    outbox: str = "main"
    spool: Path = Path("main.spool")
    seal: SealKey
    twin: SealKey | None = None
    """A post-quantum key that signs everything the seal signs."""
    authority: Path
    """Certificates of the governing authority, got from it and not from the bus."""
    bounds: SpoolBounds = SpoolBounds()
    batch_documents_max: int = Field(default=BATCH_DOCUMENTS_MAX, ge=1, le=4096)
    """Documents under one signature; 1 signs each by itself."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a profile; its paths are taken from the folder that it lies in.

        Raises:
            ConfigError: naming the file, the place in it and what was expected.
        """
        try:
            profile = cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
            Origin.from_text(f"{profile.agency}/{profile.outbox}")
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
            raise ConfigError(
                f"agency profile {path} cannot be read: {' '.join(str(err).split())}",
                remedy="name one with --profile",
            ) from err
        except ValidationError as err:
            first = err.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole file"
            raise ConfigError(f"agency profile {path}, {place}: {first['msg'].lower()}") from err
        except GovbusError as err:
            raise ConfigError(f"agency profile {path}, outbox: {err.message}") from err
        return profile.model_copy(update=_paths_below(path.parent, profile))

    @property
    def origin(self) -> Origin:
        """The outbox that this profile sends from."""
        return Origin(self.agency, self.outbox)

    def signers(self) -> list[KeySigner]:
        """Return the seal, and the twin where there is one.

        Raises:
            ConfigError: if a key cannot be read or is not its certificate's.
            UntrustedKeyError: if a certificate cannot be read.
            AlgorithmError: if a key is outside the pinned list (rule SEC-4).
        """
        keys = [self.seal] if self.twin is None else [self.seal, self.twin]
        return [
            KeySigner.from_pem(
                _octets(key.key),
                _octets(key.certificate),
                kid=key.kid or f"{self.agency}/{key.certificate.name.split('.')[0]}",
                password=_password(key.password_variable),
            )
            for key in keys
        ]

    def authority_certificates(self) -> tuple[Certificate, ...]:
        """Return the certificates that the directory may be signed with.

        Raises:
            ConfigError: if the file cannot be read or holds none.
            UntrustedKeyError: if one of them is no certificate.
        """
        return read_certificates(self.authority)

    def open_spool(self, *, next_index: int | None = None) -> Spool:
        """Open the spool; arguments and errors as for `Spool.open`."""
        bounds = self.bounds
        limits = SpoolLimits(bounds.documents_max, bounds.size_bytes_max, bounds.age_s_max)
        return Spool.open(self.spool, self.origin, limits, next_index=next_index)


def _paths_below(folder: Path, profile: AgencyProfile) -> dict[str, object]:
    """Return every path of a profile as below a folder; absolute ones stay."""
    keys = {
        name: key.model_copy(update={"key": folder / key.key, "certificate": folder / key.certificate})
        for name, key in (("seal", profile.seal), ("twin", profile.twin))
        if key is not None
    }
    return {**keys, "spool": folder / profile.spool, "authority": folder / profile.authority}


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise ConfigError(
            f"{path} cannot be read: {err.strerror}", remedy="check the paths in the agency profile"
        ) from err


def _password(variable: str) -> bytes | None:
    if not variable:
        return None
    password = os.environ.get(variable)
    if password is None:
        raise ConfigError(f"environment variable {variable} is not set; it holds the password of a key")
    return password.encode("utf-8")
