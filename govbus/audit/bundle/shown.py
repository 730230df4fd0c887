"""What a bundle brings for people and shells: page and script prove nothing, and are only compared with one's own."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping

from govbus.audit.bundle.check import Result, Step
from govbus.audit.bundle.contents import Evidence
from govbus.audit.bundle.page import page_of
from govbus.audit.bundle.zip_file import PAGE, SCRIPT
from govbus.errors import GovbusError


def shown_steps(files: Mapping[str, bytes], evidence: Evidence) -> Iterator[Step]:
    """Yield whether page and script are the ones that this version of govbus writes for the same evidence.

    Another version may have written others, so a difference is no failure; but whoever made a bundle may have written
    anything into them, and a reader must know.
    """
    script = importlib.resources.files("govbus.audit.bundle").joinpath(SCRIPT).read_bytes()
    try:
        page = page_of(evidence).encode("utf-8")
    except (GovbusError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        page = None  # what cannot be shown has failed its own step
    for name, own in ((PAGE, page), (SCRIPT, script)):
        if own is not None and files.get(name) == own:
            yield Step(name, Result.OK, "as this version of govbus writes it")
        else:
            yield Step(
                name, Result.SKIPPED, "another one than this version writes: rely on the steps above alone"
            )
