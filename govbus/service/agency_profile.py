"""The agency profile: one YAML file that says who an agency is on the bus and where its keys and spool are.

```yaml
agency: tax.example
outbox: main
spool: main.spool                      # paths are relative to this file
seal: {key: seal.key.pem, certificate: seal.cert.pem}
twin: {key: twin.key.pem, certificate: twin.cert.pem}    # post-quantum, optional
officer: {key: jane.key.pem, certificate: jane.cert.pem} # a person who answers for documents, optional
authority: authority.cert.pem          # of the governing authority, which signs the directory
```

A key is a file or a ``pkcs11:`` URI (``docs/specs/signatures.md``, key references). While keys are changed over there
are two of a kind, as a list; the publisher takes the newest that is valid and in the directory:

```yaml
seal:
  - {key: seal.key.pem, certificate: seal.cert.pem}
  - key: pkcs11:token=tax;object=seal-2027?module-path=/usr/lib/hsm.so&pin-source=env:HSM_PIN
    certificate: seal-2027.cert.pem
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from govbus.adapters.spool import Spool, SpoolLimits
from govbus.document.ids import AgencyId, Origin
from govbus.errors import ConfigError, GovbusError
from govbus.service.directory.publishing import read_certificates
from govbus.service.keys.opening import open_signer
from govbus.service.keys.rotation import SigningKeys
from govbus.service.keys.secrets import secret_from_file, secret_from_variable
from govbus.service.publisher import BATCH_DOCUMENTS_MAX
from govbus.signing.certificates import Certificate
from govbus.signing.key_uri import FileKey, parse_key_reference
from govbus.signing.signer import KeySigner, Signer

KEYS_MAX = 4
"""Keys of one kind at once; a change-over needs two."""


def _agency(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return AgencyId.from_text(text)
    except GovbusError as err:
        raise ValueError(err.message) from err


def _reference(text: str) -> str:
    try:
        parse_key_reference(text)
    except GovbusError as err:
        raise ValueError(err.message) from err
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class SealKey(_Model):
    """A private key and its certificate."""

    key: Annotated[str, AfterValidator(_reference)]
    """Key reference: PEM file, or ``pkcs11:`` URI."""
    certificate: Path
    """PEM file."""
    kid: str = ""
    """Name of the key for people; by default made of the agency and the file's name."""
    password_variable: str = ""
    """Environment variable that holds the key's password or PIN; empty where it has none or the URI says where."""
    password_file: Path | None = None
    """File that holds it instead."""

    def below(self, folder: Path) -> SealKey:
        """Return the same key with relative paths taken from a folder."""
        reference = parse_key_reference(self.key)
        return self.model_copy(
            update={
                "key": str(folder / reference.path) if isinstance(reference, FileKey) else self.key,
                "certificate": folder / self.certificate,
                "password_file": folder / self.password_file if self.password_file is not None else None,
            }
        )

    def signer(self, agency: AgencyId) -> KeySigner:
        """Open the key; errors as for `AgencyProfile.signers`."""
        return open_signer(
            self.key,
            self.certificate,
            kid=self.kid or f"{agency}/{self.certificate.name.split('.')[0]}",
            secret=secret_from_file(self.password_file)
            if self.password_file is not None
            else secret_from_variable(self.password_variable),
        )


SealKeys = Annotated[tuple[SealKey, ...], BeforeValidator(_as_list), Field(max_length=KEYS_MAX)]


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
    seal: SealKeys = Field(min_length=1)
    """One key, or two while they are changed over."""
    twin: SealKeys = ()
    """A post-quantum key that signs everything the seal signs; two while they are changed over."""
    officer: SealKeys = ()
    """The key of a person, who signs each document by itself where its package, its agreement or its sender ask."""
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

    def signing_keys(self) -> SigningKeys:
        """Open every key of the profile.

        Raises:
            ConfigError: if a key cannot be read or is not its certificate's.
            UntrustedKeyError: if a certificate cannot be read.
            AlgorithmError: if a key is outside the pinned list (rule SEC-4).
            MissingPartError: if a key is on a token and the extra for tokens is not installed.
            SignerUnavailableError: if a token is away.
        """
        kinds = [[key.signer(self.agency) for key in keys] for keys in (self.seal, self.twin) if keys]
        officers = [key.signer(self.agency) for key in self.officer]
        return SigningKeys(self.agency, kinds, officers=officers)

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the certificates of all keys, which stay closed.

        Raises:
            ConfigError: if a file cannot be read or holds none.
            UntrustedKeyError: if one of them is no certificate.
        """
        keys = (*self.seal, *self.twin, *self.officer)
        return tuple(one for key in keys for one in read_certificates(key.certificate)[:1])

    def signers(self) -> list[Signer]:
        """Return the first seal, and the first twin where there is one; errors as for `signing_keys`."""
        return [keys[0].signer(self.agency) for keys in (self.seal, self.twin) if keys]

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
        name: tuple(key.below(folder) for key in kinds)
        for name, kinds in (("seal", profile.seal), ("twin", profile.twin), ("officer", profile.officer))
    }
    return {**keys, "spool": folder / profile.spool, "authority": folder / profile.authority}
