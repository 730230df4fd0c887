"""The port through which an agency system becomes documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from govbus.adapters.outgoing import OutgoingDocument


class Adapter(Protocol):
    """Reads one agency system.

    An adapter keeps no place of its own: where it stands is the cursor, and the spool moves the cursor in the same
    transaction as the documents. A crash between the two is therefore impossible, and `read` with the last cursor
    MUST yield what comes after it and nothing before.
    """

    @property
    def name(self) -> str:
        """Names the cursor inside the spool; MUST stay the same from run to run."""
        ...

    def read(self, cursor: str | None) -> Iterator[tuple[OutgoingDocument, str]]:
        """Yield each document with the cursor after it, in the order of the source.

        The iterator ends where the source has nothing more at the moment; it MAY be asked again later.

        Args:
            cursor: where to go on, as yielded before; None to start at the beginning. Opaque to everybody else.

        Raises:
            SourceUnavailableError: the source cannot be reached at the moment; asking again may help.
            SourceRejectedError: the source holds something that cannot be read; a person has to look.
        """
        ...
