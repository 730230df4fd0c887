"""An evidence bundle as one ZIP file: the same evidence always gives the same octets."""

from __future__ import annotations

import hashlib
import importlib.resources
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from govbus.audit.bundle.contents import (
    BUNDLE_BYTES_MAX,
    FILE_BYTES_MAX,
    FILES_MAX,
    SUMS,
    Evidence,
    files_of,
    sums_of,
)
from govbus.audit.bundle.page import page_of
from govbus.errors import ConfigError

SCRIPT: Final = "verify.sh"
PAGE: Final = "index.html"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP file can state: when the evidence was packed is no part of it."""
_UNIX: Final = 3
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
"""Plain names only: they mean the same to every program that unpacks or reads them."""
_MODE_FILE: Final = 0o100644 << 16
_MODE_SCRIPT: Final = 0o100755 << 16

_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE: Final = (
    OSError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    IndexError,
    ValueError,
)
"""What a broken ZIP file makes the library raise; an entry without a name, for one, an IndexError."""
_REASON_CHARACTERS_MAX: Final = 300
"""The library's words repeat names, which may have 65,535 bytes."""


def bundle_files(evidence: Evidence) -> dict[str, bytes]:
    """Return every file of a bundle: the evidence, the page for people, the script, and the sums over all of them."""
    files = files_of(evidence)
    files[PAGE] = page_of(evidence).encode("utf-8")
    files[SCRIPT] = importlib.resources.files("govbus.audit.bundle").joinpath(SCRIPT).read_bytes()
    files[SUMS] = sums_of(files)
    return files


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP file of the files, in the order of their names, without times."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            about = zipfile.ZipInfo(name, _EPOCH)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = _MODE_SCRIPT if name == SCRIPT else _MODE_FILE
            about.create_system = _UNIX
            archive.writestr(about, content)
    return octets.getvalue()


def read_bundle(path: Path) -> dict[str, bytes]:
    """Return the files of a bundle, from a ZIP file or the folder that it was unpacked into.

    Raises:
        ConfigError: if there is none, or it has names or sizes that no bundle has.
    """
    try:
        return _read_folder(path) if path.is_dir() else _read_zip(path)
    except _UNREADABLE as err:
        raise ConfigError(
            f"{path} is no evidence bundle: {str(err)[:_REASON_CHARACTERS_MAX]}",
            remedy="name a .zip file or the folder it was unpacked into",
        ) from err


def changed_files(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the names of files that are not as the bundle's own list says: changed, added or missing.

    That says whether a bundle is as it was packed, and no more: whoever changes a file can write the list again.
    """
    listed = {
        name: digest
        for digest, _, name in (
            line.partition("  ") for line in files.get(SUMS, b"").decode("utf-8", "replace").splitlines()
        )
    }
    found = {name: hashlib.sha256(octets).hexdigest() for name, octets in files.items() if name != SUMS}
    return tuple(sorted({name for name, _ in listed.items() ^ found.items()}))


def _read_zip(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _require_count(len(infos))
        for info in infos:
            _require_name(info.filename)
            if info.compress_type not in _METHODS:
                raise ConfigError(f"a bundle is stored or deflated: {info.filename}")
            if info.create_system == _UNIX and stat.S_ISLNK(info.external_attr >> 16):
                raise ConfigError(f"a bundle has no links: {info.filename}")
            if info.filename in files:
                raise ConfigError(f"the bundle holds {info.filename} twice")
            with archive.open(info) as file:
                files[info.filename] = _bounded(info.filename, file.read(FILE_BYTES_MAX + 1))
            _require_size(files)
    return files


def _read_folder(folder: Path) -> dict[str, bytes]:
    found = sorted(folder.rglob("*"))
    odd = [path.name for path in found if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if odd:
        raise ConfigError(f"a bundle has no links, only files and folders: {odd[0][:80]!r}")
    paths = [path for path in found if path.is_file()]
    _require_count(len(paths))
    files: dict[str, bytes] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        _require_name(name)
        with path.open("rb") as file:
            files[name] = _bounded(name, file.read(FILE_BYTES_MAX + 1))
        _require_size(files)
    return files


def _require_count(count: int) -> None:
    if count > FILES_MAX:
        raise ConfigError(f"a bundle has at most {FILES_MAX} files, found {count}")


def _require_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"a bundle has no file {name[:80]!r}")


def _require_size(files: Mapping[str, bytes]) -> None:
    if sum(map(len, files.values())) > BUNDLE_BYTES_MAX:
        raise ConfigError(f"a bundle has at most {BUNDLE_BYTES_MAX} bytes, unpacked")


def _bounded(name: str, octets: bytes) -> bytes:
    if len(octets) > FILE_BYTES_MAX:
        raise ConfigError(f"{name[:80]} has over {FILE_BYTES_MAX} bytes")
    return octets
