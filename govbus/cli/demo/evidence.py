"""The demo's evidence: archived, handed over, erased by order, and verified without the bus all the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from govbus.cli.demo.bundle import Script, bundle_problems, run_script
from govbus.cli.demo.covering import wait_until_covered
from govbus.cli.demo.outside import Outside
from govbus.cli.demo.processes import Commands
from govbus.cli.demo.stage import Stage
from govbus.document.encoding import time_ms_from_text
from govbus.errors import GovbusError
from govbus.service.sample_directory import BUS

ORDER: Final = "Example Court, order 12 O 345/26 of 2026-11-20"
ARCHIVE, BUNDLE = "archive", "evidence.zip"
STEPS = 6
"""Of the demo that are counted on its progress bar."""
ONE_PROCESS = ("--processes", "1")
"""Two commands verify at the same time, and the archive is small."""
_FINDINGS_MAX = 5


@dataclass(slots=True)
class EvidenceOutcome:
    """What the evidence came to."""

    witnesses: tuple[str, ...] = ()
    has_authority: bool = False
    """Whether there was a time-stamping authority; there is none without the openssl command."""
    entries: int = 0
    """Of the log, as archived in the end."""
    cosigned: int = 0
    """Entries that the quorum of witnesses vouches for."""
    cosigned_ms: int | None = None
    """When the last of them cosigned, by its own word."""
    stamped: int = 0
    stamped_ms: int | None = None
    timestamps: int = 0
    archive_segments: int = 0
    archive_bytes: int = 0
    archive_write_s: float = 0.0
    archive_verify_s: float = 0.0
    is_archive_verified: bool = False
    bundle_document: str = ""
    is_bundle_verified: bool = False
    script: Script = Script.NOT_RUN
    erased_document: str = ""
    is_erased: bool = False
    """Everywhere, and the archive's audit holds without the value."""
    problems: list[str] = field(default_factory=list)


class Evidence:
    """The steps, in their order; what goes wrong in one is a problem and ends none of the others."""

    def __init__(self, stage: Stage, outside: Outside, on_step: Callable[[], None]) -> None:
        """Prepare for a stage, whose log service and witnesses have to run until `close`."""
        self._stage = stage
        self._outside = outside
        self._on_step = on_step
        self._commands = Commands(stage.folder, stage.bootstrap_servers)
        self._archive = stage.folder / ARCHIVE
        self.outcome = EvidenceOutcome(
            tuple(one.name for one in outside.witnesses), has_authority=outside.tsa is not None
        )

    async def wait_until_covered(self, entries: int) -> None:
        """Wait until others than the operator vouch for so many log entries."""
        request = await asyncio.to_thread(self._outside.trust.request)
        self.outcome.problems += await wait_until_covered(self._stage, request, entries)
        self._on_step()

    async def hand_over(self, document_id: str) -> None:
        """Archive everything, and give one document's evidence to somebody who checks it."""
        outcome, trust = self.outcome, self._outside.trust
        outcome.bundle_document = document_id
        await self._write_archive()
        self._on_step()
        bundle = self._stage.folder / BUNDLE
        arguments = (document_id, *self._trust(), "--archive", str(self._archive), "--output", str(bundle))
        if await self._run("audit", "export", *arguments, without_bus=True) is None:
            return
        steps = ("witnesses", *(("time stamps",) if outcome.has_authority else ()))
        try:
            problems = await asyncio.to_thread(bundle_problems, bundle, trust.folder, steps=steps)
            outcome.script = await asyncio.to_thread(run_script, bundle, trust.folder)
        except (GovbusError, OSError) as err:
            problems = [str(err)]
        if outcome.script is Script.FAILED:
            problems.append("verify.sh found something that does not hold")
        outcome.is_bundle_verified = not problems
        outcome.problems += [f"{BUNDLE}: {one}" for one in problems]
        self._on_step()

    async def erase(self, document_id: str) -> None:
        """Erase the content of one document by order."""
        self.outcome.erased_document = document_id
        sample = self._stage.sample
        report = await self._run(
            *("erase", document_id, "--authority", ORDER, "--yes", "--json"),
            *("--directory-authority", str(sample.authority_certificate), "--archive", str(self._archive)),
            *("--key", str(sample.key(BUS)), "--certificate", str(sample.certificate(BUS))),
        )
        self.outcome.is_erased = report is not None and json.loads(report)["complete"]
        self._on_step()

    async def close(self) -> None:
        """Archive the rest, and verify the archive without the bus, in two ways at once."""
        await self._write_archive()
        await asyncio.gather(self._verify_archive(), self._audit_archive())
        self._on_step()

    async def _write_archive(self) -> None:
        outcome = self.outcome
        started_s = time.monotonic()
        keys = ("--bus", BUS.text, "--log-keys", str(self._outside.trust.folder))
        printed = await self._run("archive", "write", str(self._archive), *keys, "--close", "--json")
        outcome.archive_write_s += time.monotonic() - started_s
        if printed is None:
            return
        written = json.loads(printed)
        outcome.archive_segments += written["segments"]
        if written["skipped"]:
            outcome.problems.append(f"archive: {written['skipped']} outbox records are not in it")

    async def _verify_archive(self) -> None:
        outcome, trust = self.outcome, self._outside.trust
        started_s = time.monotonic()
        keys = ("--authority", str(trust.authority_file), "--log-keys", str(trust.folder))
        verify = ("archive", "verify", str(self._archive), *keys, *ONE_PROCESS, "--json")
        report = self._report(await self._run(*verify, without_bus=True, has_report=True))
        outcome.archive_verify_s = time.monotonic() - started_s
        outcome.is_archive_verified = bool(report.get("archive_verified"))
        outcome.archive_bytes = report.get("bytes", 0)
        if report.get("values_erased") != 1:
            outcome.problems.append(f"archive: expected 1 erased value, found {report.get('values_erased')}")
            outcome.is_erased = False

    async def _audit_archive(self) -> None:
        outcome = self.outcome
        verify = ("audit", "verify", *self._trust(), "--archive", str(self._archive), *ONE_PROCESS, "--json")
        report = self._report(await self._run(*verify, without_bus=True, has_report=True))
        outcome.entries, outcome.timestamps = report.get("log_entries", 0), report.get("timestamps", 0)
        for one in report.get("coverage", []):
            time_ms = time_ms_from_text(one["time"]) if one["time"] else None
            if one["material"] == "quorum":
                outcome.cosigned, outcome.cosigned_ms = one["entries"], time_ms
            elif one["material"] == "timestamp" and one["entries"] >= outcome.stamped:
                outcome.stamped, outcome.stamped_ms = one["entries"], time_ms
        outcome.is_erased = outcome.is_erased and bool(report.get("log_verified"))

    def _report(self, printed: str | None) -> dict[str, Any]:
        """Return a report; what it found are problems."""
        report: dict[str, Any] = json.loads(printed) if printed else {}
        self.outcome.problems += [
            f"archive: {one['check']}: {one['topic']}: expected {one['expected']}, found {one['found']}"
            for one in report.get("findings", [])[:_FINDINGS_MAX]
        ]
        return report

    def _trust(self) -> tuple[str, ...]:
        return trust_options(self._stage.folder)

    async def _run(self, *arguments: str, without_bus: bool = False, has_report: bool = False) -> str | None:
        """Run a command and return what it printed; None, and a problem, where it failed."""
        done = await self._commands.run(*arguments, without_bus=without_bus)
        if done.code == 0 or (has_report and done.output):
            return done.output
        self.outcome.problems.append(
            f"govbus {' '.join(arguments[:2])}: exit code {done.code}, see logs/evidence.log"
        )
        return None


def trust_options(folder: Path) -> tuple[str, ...]:
    """Return the options with which an auditor names his own keys, in a demo's folder."""
    trust = folder / "trust"
    options = ("--authority", str(trust / "authority.pem"), "--log-keys", str(trust))
    policy = ("--policy", str(trust / "policy"))
    tsa = ("--tsa-ca", str(trust / "tsa.pem")) if (trust / "tsa.pem").exists() else ()
    return (*options, *policy, *tsa)
