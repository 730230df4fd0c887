"""The folder of the log's keys: every pair that there was, and the hand-overs between them.

The first pair lies in the folder itself, pair `n + 1` in ``pair-<n>``, and the hand-over to it is
``log-keys-<n>.note``. Nothing is ever moved or replaced: a pair without its hand-over is the one to come, and the
hand-over's file makes it the one that signs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from govbus.errors import ConfigError, NoteError
from govbus.message_log.key_handover import HANDOVERS_MAX
from govbus.message_log.keys import LogKeys, LogPublicKeys
from govbus.service.keys.files import write_new
from govbus.signing.issuing import private_key_pem

ED25519_KEY: Final = "log-ed25519.key.pem"
ML_DSA_KEY: Final = "log-ml-dsa-44.key.pem"
ED25519_PUBLIC: Final = "log-ed25519.pub.pem"
ML_DSA_PUBLIC: Final = "log-ml-dsa-44.pub.pem"
ED25519_URI: Final = "log-ed25519.uri"
"""Of a pair whose Ed25519 key lies on a token: where."""


def pair_folder(folder: Path, number: int) -> Path:
    """Return where the pair lies that hand-over `number` makes the log's; 0 is the first."""
    return folder / f"pair-{number}" if number else folder


def note_file(folder: Path, number: int) -> Path:
    """Return the file of a hand-over."""
    return folder / f"log-keys-{number}.note"


def read_notes(folder: Path) -> list[str]:
    """Return the hand-overs in a folder, in order; what they say is not verified here.

    Raises:
        ConfigError: if one cannot be read, or one before the last is missing.
    """
    numbers = sorted(number for number in range(1, HANDOVERS_MAX + 1) if note_file(folder, number).exists())
    if numbers != list(range(1, len(numbers) + 1)):
        raise ConfigError(
            f"{folder} lacks a hand-over of log keys: it has numbers {', '.join(map(str, numbers[:20]))}",
            remedy="ask the operator for every log-keys-<n>.note",
        )
    try:
        return [note_file(folder, number).read_bytes().decode("utf-8") for number in numbers]
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"a hand-over in {folder} cannot be read") from err


def read_log_keys(folder: Path) -> LogPublicKeys:
    """Return the public keys of a log, of all times that the folder tells of.

    Args:
        folder: two public keys, of any one pair, and all hand-overs of the bus.

    Raises:
        ConfigError: if something is missing, cannot be read or does not hold.
    """
    try:
        known = LogPublicKeys.from_pem(
            (folder / ED25519_PUBLIC).read_bytes(), (folder / ML_DSA_PUBLIC).read_bytes()
        )
    except OSError as err:
        raise ConfigError(
            f"{err.filename} cannot be read: {err.strerror}",
            remedy="ask the operator for the public keys that `govbus log keys` wrote",
        ) from err
    try:
        return known.with_handovers(read_notes(folder))
    except NoteError as err:
        raise ConfigError(f"{folder}: {err.message}", remedy="compare the files with the operator's") from err


def is_pending(folder: Path) -> bool:
    """Return whether a pair waits for its hand-over."""
    return pair_folder(folder, len(read_notes(folder)) + 1).exists()


def write_next_pair(folder: Path, made: LogKeys, secret: bytes | None, ed25519_uri: str = "") -> Path:
    """Write the pair to come, whole or not at all, and return its folder.

    Args:
        folder: of the log's keys.
        made: the new pair.
        secret: encrypts the private keys; None leaves them in the clear.
        ed25519_uri: where the Ed25519 key lies, if not in the folder.

    Raises:
        ConfigError: if a pair waits already, or the files cannot be written.
    """
    path = pair_folder(folder, len(read_notes(folder)) + 1)
    if path.exists():
        raise ConfigError(
            f"{path} waits for its hand-over already", remedy="start the log service, which hands over"
        )
    temporary = folder / f".{path.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    if ed25519_uri:
        write_new(temporary / ED25519_URI, f"{ed25519_uri}\n".encode(), is_private=True)
    else:
        write_new(temporary / ED25519_KEY, private_key_pem(made.ed25519, secret), is_private=True)
    write_new(temporary / ML_DSA_KEY, private_key_pem(made.ml_dsa_44, secret), is_private=True)
    for name, pem in zip((ED25519_PUBLIC, ML_DSA_PUBLIC), made.public.to_pem(), strict=True):
        write_new(temporary / name, pem, is_private=False)
    temporary.rename(path)
    return path


def keep_note(folder: Path) -> Callable[[int, str], None]:
    """Return what writes a hand-over into the folder; written again, it changes nothing."""

    def keep(number: int, note: str) -> None:
        file = note_file(folder, number)
        if file.exists() and file.read_bytes() == note.encode("utf-8"):
            return
        temporary = folder / f".{file.name}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        write_new(temporary, note.encode("utf-8"), is_private=False)
        if file.exists():
            raise ConfigError(
                f"{file} is another hand-over than the log service made", remedy="keep both and look"
            )
        temporary.rename(file)

    return keep
