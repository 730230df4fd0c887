"""Checking the trees of a segment: tiles are made again from the entries, and compared file by file."""

from __future__ import annotations

from collections.abc import Mapping

from govbus.audit.archive import layout
from govbus.audit.archive.growth import LogGrowth
from govbus.audit.archive.manifest import Manifest, TreeRange
from govbus.audit.archive.reader import Archive, read_part
from govbus.audit.archive.report import finding
from govbus.audit.report import AuditFinding, Check
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.tiles import TILE_WIDTH, parse_path


class TreeCheck:
    """One log in one segment."""

    def __init__(
        self, archive: Archive, manifest: Manifest, origin: str, stated: Mapping[int, bytes]
    ) -> None:
        """Prepare.

        Args:
            archive: that the segment is in.
            manifest: of the segment.
            origin: of the log.
            stated: root by size of the log's signed checkpoints in the segment.
        """
        self.findings: list[AuditFinding] = []
        self._archive = archive
        self._manifest = manifest
        self._origin = origin
        self._range: TreeRange = manifest.ranges()[origin]
        self._stated = stated
        self._prefix = layout.tiles_path(origin)
        self._made: set[str] = set()

    def run(self, before: TreeRange | None) -> None:
        """Check everything.

        Args:
            before: what the segment before says of the log; None where there is none.
        """
        start, end, root = self._range
        try:
            growth = LogGrowth(self._origin, self._archive.tiles(self._origin), start)
            if before is not None and growth.root() != before.root:
                self._find(
                    f"tiles whose root over {start} entries is {before.root.hex()}", growth.root().hex()
                )
            for size, stated in self._stated.items():
                growth.state(size, stated)
            for entry in self._archive.entries(self._origin, start, end):
                self._append(growth, entry)
            for path, octets in growth.flush():
                self._compare(path, octets)
        except (LogIntegrityError, MissingPartError) as err:
            self._find("tiles and entry bundles of every entry", err.message)
            return
        if growth.root() != root:
            self._find(
                f"root {root.hex()}, as the manifest says", f"{growth.root().hex()} over {end} entries"
            )
        self._compare_others()

    def _append(self, growth: LogGrowth, entry: bytes) -> None:
        try:
            is_full = growth.append(entry)
        except LogIntegrityError as err:
            self.findings.append(
                finding(
                    Check.TREE,
                    self._prefix,
                    f"the root that the signed checkpoint for {growth.size} entries states",
                    err.message,
                    entry=growth.size - 1,
                    origin=self._origin,
                )
            )
            is_full = growth.size % TILE_WIDTH == 0
        if is_full:
            for path, octets in growth.parts():
                self._compare(path, octets)

    def _compare(self, path: str, octets: bytes) -> None:
        """Compare a part with the one that the entries give."""
        full = f"{self._prefix}/{path}"
        self._made.add(path)
        if full not in self._manifest.files:
            self._find("a line in the manifest", "none", path)
        elif self._archive.tiles(self._origin).read(path) != octets:
            self._find("what the entries give", "other bytes", path)

    def _compare_others(self) -> None:
        """Parts of sizes in between are the beginnings of those that were made."""
        for full in self._manifest.files:
            path = full.removeprefix(self._prefix + "/")
            if path == full or path in self._made:
                continue
            try:
                part = parse_path(path)
                wider = max(
                    (parse_path(one) for one in self._made if parse_path(one)[:2] == part[:2]),
                    key=lambda one: one.width,
                    default=None,
                )
                whole = b"" if wider is None else self._archive.tiles(self._origin).read(wider.to_text())
                is_beginning = whole.startswith(read_part(self._archive.folder / full)) and whole != b""
            except (LogIntegrityError, MissingPartError):
                is_beginning = False
            if not is_beginning:
                self._find("tiles and bundles of the segment's entries only", "another file", path)

    def _find(self, expected: str, found: str, path: str = "tile") -> None:
        place = f"{self._prefix}/{path}"
        self.findings.append(finding(Check.TILE, place, expected, found, origin=self._origin))
