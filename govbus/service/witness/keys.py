"""A witness's folder: its two private keys, their verifier keys as text, and the memory that belongs to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from govbus.errors import ConfigError, NoteError
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import parse_vkey, require_key_name
from govbus.service.witness.store import WitnessStore

ED25519_KEY, ML_DSA_KEY = "witness-ed25519.key.pem", "witness-ml-dsa-44.key.pem"
VERIFIER_KEYS = "witness.vkey"
MEMORY = "witness.db"


@dataclass(frozen=True, slots=True, repr=False)
class WitnessKeys:
    """The keys of one witness under its name."""

    ml_dsa_44: CosignatureSigner
    ed25519: Ed25519CosignatureSigner

    @property
    def name(self) -> str:
        """Key name: a URL without scheme that identifies the witness, such as ``court.example/witness``."""
        return self.ml_dsa_44.name

    @property
    def vkeys(self) -> tuple[str, str]:
        """Verifier keys, ML-DSA-44 first, as C2SP prefers it."""
        return self.ml_dsa_44.verifier.to_vkey(), self.ed25519.verifier.to_vkey()

    def policy_lines(self, name: str, url: str = "") -> str:
        """Return what a policy says about this witness: a line for each key, and a group of both.

        Args:
            name: what the policy calls the witness.
            url: submission prefix.
        """
        place = f" {url}" if url else ""
        ml_dsa_44, ed25519 = self.vkeys
        return (
            f"witness {name}-ml-dsa-44 {ml_dsa_44}{place}\n"
            f"witness {name}-ed25519 {ed25519}{place}\n"
            f"group {name} all {name}-ml-dsa-44 {name}-ed25519\n"
        )

    def __repr__(self) -> str:
        return f"WitnessKeys({self.name!r})"


def make_witness(folder: Path, name: str) -> WitnessKeys:
    """Make keys and an empty memory in a folder.

    Raises:
        ConfigError: if the name is no key name, or the folder holds a witness.
    """
    try:
        require_key_name(name)
    except NoteError as err:
        raise ConfigError(f"{name[:80]!r} cannot be the name of a witness: {err.message}") from err
    folder.mkdir(parents=True, exist_ok=True)
    made = LogKeys.generate()
    keys = _named(name, made)
    for file, pem in zip((ED25519_KEY, ML_DSA_KEY), made.to_pem(), strict=True):
        _write_new(folder / file, pem)
    _write_new(folder / VERIFIER_KEYS, "".join(f"{vkey}\n" for vkey in keys.vkeys).encode("utf-8"))
    WitnessStore.make(folder / MEMORY, keys.vkeys).close()
    return keys


def read_witness(folder: Path) -> WitnessKeys:
    """Read the keys that `make_witness` wrote.

    Raises:
        ConfigError: if one cannot be read, or private and verifier keys do not belong together.
    """
    try:
        vkeys = (folder / VERIFIER_KEYS).read_text("utf-8").splitlines()
        pair = LogKeys.from_pem((folder / ED25519_KEY).read_bytes(), (folder / ML_DSA_KEY).read_bytes())
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(
            f"the keys of the witness in {folder} cannot be read",
            remedy="make them with `govbus witness keys`",
        ) from err
    try:
        keys = _named(parse_vkey(vkeys[0])[0], pair) if vkeys else None
    except NoteError:
        keys = None
    if keys is None or list(keys.vkeys) != vkeys:
        raise ConfigError(
            f"{folder / VERIFIER_KEYS} does not hold the verifier keys of the private keys beside it"
        )
    return keys


def open_memory(folder: Path, keys: WitnessKeys) -> WitnessStore:
    """Open the memory of these keys.

    Raises:
        ConfigError: if it is missing or of other keys.
    """
    store = WitnessStore(folder / MEMORY)
    try:
        store.require_keys(keys.vkeys)
    except ConfigError:
        store.close()
        raise
    return store


def _named(name: str, keys: LogKeys) -> WitnessKeys:
    return WitnessKeys(CosignatureSigner(name, keys.ml_dsa_44), Ed25519CosignatureSigner(name, keys.ed25519))


def _write_new(path: Path, octets: bytes) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as err:
        raise ConfigError(f"{path} exists", remedy="keys are never overwritten; name another folder") from err
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror}") from err
