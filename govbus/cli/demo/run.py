"""The demo's course: set the stage, send, wait for every answer, count, audit."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from govbus.audit.report import AuditReport
from govbus.cli.demo.auditing import audit_problems, audit_stage
from govbus.cli.demo.bad_documents import bad_documents
from govbus.cli.demo.bus_processes import BusProcesses
from govbus.cli.demo.evidence import STEPS, Evidence, EvidenceOutcome
from govbus.cli.demo.febrl import CIVIL_REGISTRY, HEALTH_FUND, AgencyFiles, pair_scores, write_agency_files
from govbus.cli.demo.outside import Outside, outside_of
from govbus.cli.demo.stage import DRILL_OFFICE, DemoSize, Stage, broker, set_up, workbench
from govbus.cli.demo.traffic import Expected, Seen, Sender, Watcher, resend, send_bad
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import TransportError
from govbus.service.processes import clock_ms
from govbus.service.registry_service import PopulationRegister
from govbus.service.sample_directory import POPULATION_REGISTER
from govbus.service.scanning import scan
from govbus.settings import Settings
from govbus.transport.kafka import KafkaConnection, KafkaTransport

PACED_DOCUMENTS_MAX = 500
"""Documents that are sent at a hundred a second, to measure latency without a queue."""
RESENT_DOCUMENTS = 25
PATIENCE_S = 90.0
WATCH_INTERVAL_S = 0.1


@dataclass(slots=True)
class DemoOutcome:
    """Everything the demo found out."""

    published: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By rule; held documents are counted here too."""
    kinds: int = 0
    """Kinds of bad documents."""
    entities: int = 0
    precision: float = 0.0
    recall: float = 0.0
    docs_per_s: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    seen: Seen = field(default_factory=Seen)
    audit: AuditReport = field(default_factory=AuditReport)
    evidence: EvidenceOutcome = field(default_factory=EvidenceOutcome)
    seconds: float = 0.0
    example_id: str = ""
    problems: list[str] = field(default_factory=list)
    """What is not as it should be; empty in a good run."""


async def run_demo(folder: Path, size: DemoSize, *, console: Console, is_keeping: bool) -> DemoOutcome:
    """Run the demo in a folder that is emptied first.

    Raises:
        GovbusError: if something does not start or does not answer.
    """
    started_s = time.monotonic()
    named = Settings.from_environment().kafka.bootstrap_servers
    with (
        console.status("starting Apache Kafka") as status,
        broker(folder, named, is_keeping=is_keeping) as servers,
    ):
        transport = KafkaTransport(KafkaConnection(servers, client_id="govbus-demo"))
        status.update("writing keys, directory and the two agencies' files")
        stage = await set_up(folder, servers, transport)
        files = write_agency_files(folder / "agencies")
        with outside_of(stage) as outside:
            status.stop()
            outcome = await _Course(stage, outside, files, size, console).run()
    outcome.seconds = time.monotonic() - started_s
    return outcome


class _Course:
    """One run over a stage that is set."""

    def __init__(
        self, stage: Stage, outside: Outside, files: AgencyFiles, size: DemoSize, console: Console
    ) -> None:
        self._stage = stage
        self._outside = outside
        self._files = files
        self._size = size
        self._progress = Progress(
            TextColumn("{task.description:<38}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        inboxes = [topics.inbox(AgencyId.from_text(one.agency)) for one in (CIVIL_REGISTRY, HEALTH_FUND)]
        inboxes += [topics.inbox(POPULATION_REGISTER), topics.inbox(DRILL_OFFICE)]
        self._watcher = Watcher(stage.transport, inboxes)
        self._processes = BusProcesses(stage, outside)
        self._outcome = DemoOutcome(seen=self._watcher.seen)

    async def run(self) -> DemoOutcome:
        with self._progress:
            try:
                await self._watcher.start()
                self._processes.start()
                await self._processes.wait_until_ready()
                expected = await self._send_and_wait()
                await self._processes.stop("register", "router")
                await self._watcher.stop()
                self._judge(expected)
                await self._prove()
            finally:
                await self._processes.stop()
        return self._outcome

    async def _send_and_wait(self) -> dict[SourcePosition, Expected]:
        """Send everything; return once every record has its decision and every delivery is in the register."""
        size, outcome, seen = self._size, self._outcome, self._watcher.seen
        paced = min(PACED_DOCUMENTS_MAX, size.persons // 2)
        good = 2 * size.persons
        bad = list(bad_documents(workbench(self._stage, clock_ms()), size.bad))
        outcome.kinds = len({one.kind for one in bad})
        extra = sum(len(one.before) + 1 for one in bad)
        put = self._progress.add_task("put into the spools", total=good)
        sent = self._progress.add_task("bad documents sent", total=extra)
        decided = self._progress.add_task("decided by the router", total=good + extra + RESENT_DOCUMENTS)
        civil = Sender(self._stage, CIVIL_REGISTRY, self._files.civil_registry)
        health = Sender(self._stage, HEALTH_FUND, self._files.health_fund)

        def on_put(count: int) -> None:
            self._progress.advance(put, count)

        begin_ms = clock_ms()
        civil.start()
        health.start()
        _, _, expected = await asyncio.gather(
            civil.send(size.persons, on_put),
            health.send(size.persons - paced, on_put),
            send_bad(self._stage.transport, bad, lambda count: self._progress.advance(sent, count)),
        )
        bulk = good - paced
        await self._wait(decided, lambda: len(seen.decisions), bulk + extra)
        await self._wait(decided, lambda: seen.delivered, bulk)
        outcome.docs_per_s = bulk / max(0.001, (seen.last_delivery_ms - begin_ms) / 1000)
        self._progress.update(put, description="put into the spools, 100 a second")
        await health.send_paced(paced, on_put)
        await civil.stop()
        await health.stop()
        await self._wait(decided, lambda: len(seen.decisions), good + extra)
        await resend(self._stage.transport, await self._some_records())
        outcome.published = good + extra + RESENT_DOCUMENTS
        await self._wait(decided, lambda: len(seen.decisions), outcome.published)
        applied = self._progress.add_task("applied by the population register", total=good)
        await self._wait(applied, self._applied, good)
        return expected

    async def _wait(self, task: TaskID, count: Callable[[], int], wanted: int) -> None:
        """Wait until a count reaches what is wanted, watching that everything still runs."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            found = await asyncio.to_thread(count)
            self._progress.update(task, completed=found)
            if found >= wanted:
                return
            self._processes.require_running()
            self._watcher.require_reading()
            if time.monotonic() > until_s:
                raise TransportError(
                    f"after {PATIENCE_S:.0f} s only {found} of {wanted}: "
                    f"{self._progress.tasks[task].description}",
                    remedy=f"see {self._stage.folder / 'logs'}",
                )
            await asyncio.sleep(WATCH_INTERVAL_S)

    def _applied(self) -> int:
        if not self._stage.register_file.exists():
            return 0
        register = PopulationRegister(self._stage.register_file)
        try:
            return register.stats().applied
        finally:
            register.close()

    async def _some_records(self) -> list[Record]:
        """Return the first accepted records of the civil registry, as they lie on the bus."""
        records: list[Record] = []
        origin = f"{CIVIL_REGISTRY.agency}/main".encode()
        async for record in scan(
            self._stage.transport, [topics.outbox(AgencyId.from_text(CIVIL_REGISTRY.agency))]
        ):
            if record.key == origin:
                records.append(record)
            if len(records) == RESENT_DOCUMENTS:
                break
        self._outcome.example_id = dict(records[0].headers)["ce_id"].decode("ascii")
        return records

    def _judge(self, expected: dict[SourcePosition, Expected]) -> None:
        """Compare what was seen with what had to come."""
        outcome, seen, good = self._outcome, self._watcher.seen, 2 * self._size.persons
        for position, entry in seen.decisions.items():
            for finding in entry.findings:
                outcome.refused[finding.rule] += 1
            hope = expected.get(position)
            rules = {finding.rule for finding in entry.findings}
            if hope is not None and (entry.decision is not hope.outcome or not rules <= hope.rules):
                outcome.problems.append(
                    f"{hope.kind} at {position}: expected {hope.outcome.value}, found {entry.decision.value}"
                )
        before = sum(hope.outcome is Outcome.ACCEPTED for hope in expected.values())
        for what, found, wanted in (
            ("decisions", len(seen.decisions), outcome.published),
            ("accepted", seen.outcomes[Outcome.ACCEPTED], good + before),
            ("duplicates answered", seen.outcomes[Outcome.DUPLICATE], RESENT_DOCUMENTS),
            ("delivered", seen.delivered, good + before),
        ):
            if found != wanted:
                outcome.problems.append(f"{what}: expected {wanted}, found {found}")
        origin = f"{HEALTH_FUND.agency}/main"
        first_paced = self._size.persons - min(PACED_DOCUMENTS_MAX, self._size.persons // 2)
        paced = sorted(
            ms for (name, index), ms in seen.latencies_ms.items() if name == origin and index >= first_paced
        )
        outcome.latency_p50_ms = float(paced[len(paced) // 2])
        outcome.latency_p99_ms = float(paced[int(len(paced) * 0.99)])
        self._score(good)

    def _score(self, good: int) -> None:
        register = PopulationRegister(self._stage.register_file)
        try:
            stats, entities = register.stats(), register.entities_by_record()
        finally:
            register.close()
        truth = frozenset(pair for pair in self._files.truth if pair[0] in entities and pair[1] in entities)
        scores = pair_scores(entities, truth)
        self._outcome.entities = stats.entities
        self._outcome.precision, self._outcome.recall = scores.precision, scores.recall
        if stats.applied != good or stats.records != good:
            self._outcome.problems.append(
                f"register: expected {good} documents applied, found {stats.applied} and {stats.records} records"
            )

    async def _prove(self) -> None:
        """Archive, audit, hand over, erase, and verify what is left, while witnesses still watch the log."""
        task = self._progress.add_task("evidence kept and handed over", total=STEPS)
        evidence = Evidence(self._stage, self._outside, lambda: self._progress.advance(task))
        outcome, seen = self._outcome, self._watcher.seen
        await self._cover(evidence, len(seen.decisions))
        # The whole bus is audited before anything is erased: an erasure takes older records off the broker, too.
        await asyncio.gather(self._audit(), evidence.hand_over(outcome.example_id))
        await evidence.erase(erasable(seen, outcome.example_id))
        await self._cover(evidence, len(seen.decisions) + 1)
        await self._processes.stop()
        await evidence.close()
        outcome.evidence = evidence.outcome
        outcome.problems += evidence.outcome.problems

    async def _cover(self, evidence: Evidence, entries: int) -> None:
        """Wait until others vouch for so many entries, watching that everything still runs."""
        covering = asyncio.create_task(evidence.wait_until_covered(entries))
        try:
            while not covering.done():
                self._processes.require_running()
                await asyncio.wait([covering], timeout=WATCH_INTERVAL_S)
            await covering
        finally:
            covering.cancel()

    async def _audit(self) -> None:
        """Verify the whole log, trusting only what an auditor holds for himself."""
        task = self._progress.add_task("audited", total=None)

        def on_progress(_: str, done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)

        request = await asyncio.to_thread(self._outside.trust.request)
        self._outcome.audit = await audit_stage(self._stage, on_progress, request)
        self._outcome.problems += audit_problems(self._outcome.audit)


def erasable(seen: Seen, example_id: str) -> str:
    """Return the document to erase: of the health fund, which resends nothing, and away from the example.

    What stands before a document in its partitions leaves the broker with it, so it is one of the first.
    """
    outbox = topics.outbox(AgencyId.from_text(HEALTH_FUND.agency))
    own = {
        (entry.document_id or "").encode("ascii")
        for position, entry in seen.decisions.items()
        if position.topic == outbox and entry.decision is Outcome.ACCEPTED
    }
    example = seen.places[example_id.encode("ascii")]
    chosen = min(
        (place.partition == example.partition, place.offset, document_id)
        for document_id, place in seen.places.items()
        if document_id in own
    )
    return chosen[-1].decode("ascii")
