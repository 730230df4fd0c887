"""A witness's folder: its two private keys, their verifier keys as text, and the memory that belongs to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from govbus.errors import ConfigError, NoteError
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import parse_vkey, require_key_name
from govbus.service.keys.files import require_absent, write_new
from govbus.service.keys.opening import open_private_key
from govbus.service.keys.secrets import Secret, no_secret
from govbus.service.witness.store import WitnessStore
from govbus.signing.issuing import private_key_pem

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


def make_witness(folder: Path, name: str, *, ed25519: str = "", secret: Secret = no_secret) -> WitnessKeys:
    """Make keys and an empty memory in a folder.

    Args:
        folder: of this witness alone.
        name: key name.
        ed25519: reference to an Ed25519 key that exists, such as one on a token, instead of a new file.
        secret: password of the files, or PIN of the token.

    Raises:
        ConfigError: if the name is no key name, the folder holds a witness, or the key cannot be used.
    """
    try:
        require_key_name(name)
    except NoteError as err:
        raise ConfigError(f"{name[:80]!r} cannot be the name of a witness: {err.message}") from err
    files = (VERIFIER_KEYS, MEMORY, ML_DSA_KEY, *(() if ed25519 else (ED25519_KEY,)))
    require_absent({f"new {file}": folder / file for file in files})
    pair = LogKeys.generate()
    if ed25519:
        pair = LogKeys.of(open_private_key(ed25519, secret=secret), pair.ml_dsa_44)
    else:
        write_new(folder / ED25519_KEY, private_key_pem(pair.ed25519, secret()), is_private=True)
    write_new(folder / ML_DSA_KEY, private_key_pem(pair.ml_dsa_44, secret()), is_private=True)
    keys = _named(name, pair)
    lines = "".join(f"{vkey}\n" for vkey in keys.vkeys)
    write_new(folder / VERIFIER_KEYS, lines.encode("utf-8"), is_private=False)
    WitnessStore.make(folder / MEMORY, keys.vkeys).close()
    return keys


def read_verifier_keys(folder: Path) -> tuple[str, tuple[str, ...]]:
    """Return name and verifier keys of a witness, without its private ones.

    Raises:
        ConfigError: if there is none.
    """
    path = folder / VERIFIER_KEYS
    try:
        vkeys = tuple(path.read_text("utf-8").splitlines())
        names = {parse_vkey(vkey)[0] for vkey in vkeys}
    except (OSError, UnicodeDecodeError, NoteError) as err:
        raise ConfigError(
            f"{path} cannot be read", remedy="make a witness with `govbus witness keys`"
        ) from err
    if len(names) != 1:
        raise ConfigError(f"{path} does not hold the verifier keys of one witness")
    return names.pop(), vkeys


def read_witness(folder: Path, *, ed25519: str = "", secret: Secret = no_secret) -> WitnessKeys:
    """Read the keys that `make_witness` wrote; arguments as there.

    Raises:
        ConfigError: if one cannot be read, or private and verifier keys do not belong together.
        SignerUnavailableError: if the token is away.
    """
    name, vkeys = read_verifier_keys(folder)
    pair = LogKeys.of(
        *(
            open_private_key(reference, secret=secret)
            for reference in (ed25519 or str(folder / ED25519_KEY), str(folder / ML_DSA_KEY))
        )
    )
    keys = _named(name, pair)
    if keys.vkeys != vkeys:
        raise ConfigError(f"{folder / VERIFIER_KEYS} does not hold the verifier keys of these private keys")
    return keys


def open_memory(folder: Path, vkeys: tuple[str, ...]) -> WitnessStore:
    """Open the memory of the keys with these verifier keys.

    Raises:
        ConfigError: if it is missing or of other keys.
    """
    store = WitnessStore(folder / MEMORY)
    try:
        store.require_keys(vkeys)
    except ConfigError:
        store.close()
        raise
    return store


def _named(name: str, keys: LogKeys) -> WitnessKeys:
    return WitnessKeys(CosignatureSigner(name, keys.ml_dsa_44), Ed25519CosignatureSigner(name, keys.ed25519))
