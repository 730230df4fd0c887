"""Where published tiles of a log are read from: a folder, or a server over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from govbus.audit.archive.tile_folder import FolderTiles
from govbus.errors import ConfigError, MissingPartError, TransportError
from govbus.message_log.note import NOTE_BYTES_MAX

CHECKPOINT: Final = "checkpoint"
HTTP_TIMEOUT_S: Final = 30.0
PART_BYTES_MAX: Final = 256 * 65_537
"""Of the largest bundle."""


def log_store(place: str, origin: str) -> FolderLog | HttpLog:
    """Return where one log's tiles are.

    Args:
        place: folder or URL above the bus's own.
        origin: of the log.

    Raises:
        ConfigError: if the place is neither.
    """
    if place.startswith(("http://", "https://")):
        return HttpLog(f"{place.rstrip('/')}/{origin}")
    if "://" in place:
        raise ConfigError(f"{place} is neither a folder nor an HTTP address")
    return FolderLog(Path(place) / origin)


class FolderLog(FolderTiles):
    """A log's tiles and checkpoint in a folder."""

    def checkpoint(self) -> bytes | None:
        """Return the newest checkpoint; None where there is none."""
        path = self.folder / CHECKPOINT
        return path.read_bytes() if path.is_file() else None


@dataclass(slots=True)
class HttpLog:
    """A log's tiles and checkpoint on a server, as C2SP ``tlog-tiles`` says."""

    url: str

    def read(self, path: str) -> bytes:
        """Return a tile or bundle.

        Raises:
            MissingPartError: if the server has none.
            TransportError: if it does not answer, or with too much.
        """
        octets = self._get(path, PART_BYTES_MAX)
        if octets is None:
            raise MissingPartError(f"{self.url}/{path} is not there")
        return octets

    def checkpoint(self) -> bytes | None:
        """Return the newest checkpoint; None where the server has none; errors as for `read`."""
        return self._get(CHECKPOINT, NOTE_BYTES_MAX)

    def _get(self, path: str, bytes_max: int) -> bytes | None:
        url = f"{self.url}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310  # http or https alone
                octets: bytes = answer.read(bytes_max + 1)
        except urllib.error.HTTPError as err:
            if err.code == HTTPStatus.NOT_FOUND:
                return None
            raise TransportError(f"{url} answers {err.code}") from err
        except (urllib.error.URLError, OSError) as err:
            raise TransportError(f"{url} does not answer") from err
        if len(octets) > bytes_max:
            raise TransportError(f"{url} answers with over {bytes_max} bytes")
        return octets
