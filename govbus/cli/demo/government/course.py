"""The course of the government scenario: set the stage, send what is right and what is wrong, wait, judge, audit."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from govbus.adapters.outgoing import EncodedDocument
from govbus.adapters.spool import Spool
from govbus.cli.demo.auditing import audit_problems, audit_stage
from govbus.cli.demo.bus_processes import BusProcesses
from govbus.cli.demo.government.invention import Inventor
from govbus.cli.demo.government.outcome import (
    GovernmentOutcome,
    KindCounts,
    KindSeen,
    judge_good,
    judge_wrong,
    missing_families,
    rule_counts,
)
from govbus.cli.demo.government.registration import RegistrationResult, try_all
from govbus.cli.demo.government.stage import EXCHANGES, SENDERS, document_text, required_agreement, set_up
from govbus.cli.demo.government.violations import CADENCE_FIRST, CADENCE_PAUSE_MS
from govbus.cli.demo.government.wrong import WrongDocuments
from govbus.cli.demo.stage import Stage, broker
from govbus.cli.demo.traffic import Expected, Watcher, send_bad
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.errors import TransportError
from govbus.schemas.json_form import to_json
from govbus.service.agency_profile import AgencyProfile
from govbus.service.document_builder import DocumentBuilder
from govbus.service.processes import clock_ms
from govbus.service.publisher import PublisherParts, SpoolPublisher
from govbus.settings import Settings
from govbus.transport.kafka import KafkaConnection, KafkaTransport

SEED: Final = 20_260_401
PATIENCE_S: Final = 60.0
WATCH_INTERVAL_S: Final = 0.1
LAST_CHECKPOINT_S: Final = 1.5
"""The log service signs each second; its last checkpoint covers the end."""
EXAMPLES: Final = {"good": "document.json", "wrong": "wrong-document.json"}
"""Files that are left in the folder for whoever wants to try."""


async def run_government(
    folder: Path, documents: int, *, console: Console, is_keeping: bool
) -> GovernmentOutcome:
    """Run the scenario in a folder that is emptied first.

    Args:
        folder: everything that the run makes lies here.
        documents: good documents under each agreement.
        console: for progress.
        is_keeping: leave the broker running.

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
        status.update("writing keys and the directory of ten agencies")
        stage = await set_up(folder, servers, transport)
        status.stop()
        outcome = await _Course(stage, documents, console).run()
    outcome.seconds = time.monotonic() - started_s
    return outcome


class _Course:
    """One run over a stage that is set."""

    def __init__(self, stage: Stage, documents: int, console: Console) -> None:
        self._stage = stage
        self._documents = documents
        self._inventor = Inventor(SEED, at_ms=clock_ms())
        self._progress = Progress(
            TextColumn("{task.description:<38}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        recipients = {topic for one in stage.directory.agreements.values() for topic in one.recipients}
        self._watcher = Watcher(stage.transport, sorted(recipients | set(map(topics.inbox, SENDERS))))
        self._seen = self._watcher.seen = KindSeen()
        self._processes = BusProcesses(stage)
        self._outcome = GovernmentOutcome(seen=self._seen)
        self._expected: dict[SourcePosition, Expected] = {}
        self._deliveries = 0
        """Copies that accepted documents have to lead to."""

    async def run(self) -> GovernmentOutcome:
        outcome = self._outcome
        with self._progress:
            try:
                await self._watcher.start()
                self._processes.start(is_registering=False)
                outcome.registration = await asyncio.to_thread(self._register)
                await self._processes.wait_until_ready()
                await self._send_and_wait()
                await self._processes.stop("router")
                await asyncio.sleep(LAST_CHECKPOINT_S)
                await self._processes.stop("log")
                await self._watcher.stop()
            finally:
                await self._processes.stop()
            self._judge()
            await self._audit()
        self._write_examples()
        return outcome

    def _register(self) -> list[RegistrationResult]:
        return list(try_all(self._stage.sample.folder, at_ms=clock_ms()))

    async def _send_and_wait(self) -> None:
        good = self._documents * len(EXCHANGES)
        wrong = WrongDocuments(self._stage, self._inventor, at_ms=clock_ms())
        documents = wrong.all()
        extra = sum(len(one.before) + 1 for one in documents)
        put = self._progress.add_task("good documents published", total=good)
        sent = self._progress.add_task("wrong documents sent", total=extra + 1)
        decided = self._progress.add_task("decided by the router", total=good + extra + 1)

        def on_sent(count: int) -> None:
            self._progress.advance(sent, count)

        transport = self._stage.transport
        _, self._expected = await asyncio.gather(
            self._publish_good(put), send_bad(transport, documents, on_sent)
        )
        await self._wait(decided, lambda: len(self._seen.decisions), good + extra)
        await asyncio.sleep(self._cadence_pause_s())
        last = await send_bad(transport, [wrong.second_delivery(clock_ms())], on_sent)
        self._expected |= last
        self._outcome.wrong = sum(bool(hope.rules) for hope in self._expected.values())
        await self._wait(decided, lambda: len(self._seen.decisions), good + extra + 1)
        self._deliveries = self._expected_deliveries()
        delivered = self._progress.add_task("delivered", total=self._deliveries)
        await self._wait(delivered, lambda: self._seen.delivered, self._deliveries)

    def _cadence_pause_s(self) -> float:
        """Return how long the second delivery still has to wait to be one of its own."""
        first = next(
            self._seen.decisions[position]
            for position, hope in self._expected.items()
            if hope.kind == CADENCE_FIRST.kind
        )
        return max(0.0, (first.time_ms + CADENCE_PAUSE_MS - clock_ms()) / 1000)

    async def _publish_good(self, task: TaskID) -> None:
        """Send the good documents of every agency as it would: built, spooled, signed, published."""
        for agency in SENDERS:
            profile = AgencyProfile.from_file(self._stage.folder / agency.text / "agency.yaml")
            with profile.open_spool(next_index=0) as spool:
                count = await asyncio.to_thread(self._fill, spool, agency)
                parts = PublisherParts(spool, profile.signers(), self._stage.transport, clock_ms)
                await SpoolPublisher(parts).drain()
            self._progress.advance(task, count)

    def _fill(self, spool: Spool, agency: AgencyId) -> int:
        """Put an agency's documents under all its agreements into its spool; return how many."""
        encoded: list[EncodedDocument] = []
        for agreement_id in EXCHANGES:
            agreement = required_agreement(self._stage.directory, agreement_id)
            if agreement.supplier != agency:
                continue
            builder = DocumentBuilder(self._stage.directory, spool.origin, agreement)
            for number in range(1, self._documents + 1):
                document, template = builder.build(
                    document_text(agreement, self._inventor, number), at_ms=clock_ms()
                )
                encoded.append(template.encode(document))
        spool.put(encoded, at_ms=clock_ms())
        self._outcome.example_id = encoded[0].document_id
        return len(encoded)

    def _expected_deliveries(self) -> int:
        """Return how many copies all accepted documents have to lead to, by their agreements."""
        accepted = Counter(
            entry.agreement for entry in self._seen.decisions.values() if entry.decision is Outcome.ACCEPTED
        )
        return sum(
            count * len(required_agreement(self._stage.directory, name or "").recipients)
            for name, count in accepted.items()
        )

    async def _wait(self, task: TaskID, count: Callable[[], int], wanted: int) -> None:
        """Wait until a count reaches what is wanted, watching that everything still runs."""
        until_s = time.monotonic() + PATIENCE_S
        while (found := count()) < wanted:
            self._progress.update(task, completed=found)
            self._processes.require_running()
            self._watcher.require_reading()
            if time.monotonic() > until_s:
                description = self._progress.tasks[task].description
                raise TransportError(
                    f"after {PATIENCE_S:.0f} s only {found} of {wanted}: {description}",
                    remedy=f"see {self._stage.folder / 'logs'}",
                )
            await asyncio.sleep(WATCH_INTERVAL_S)
        self._progress.update(task, completed=found)

    def _judge(self) -> None:
        """Compare what was seen with what had to come."""
        outcome, decisions = self._outcome, self._seen.decisions
        outcome.rules = rule_counts(decisions)
        outcome.kinds = self._kinds()
        outcome.problems += judge_wrong(decisions, self._expected)
        outcome.problems += judge_good(decisions, self._expected)
        outcome.problems += [
            f"no document broke a rule of {name}" for name in missing_families(outcome.rules)
        ]
        outcome.problems += [
            f"{one.entry.kind}: expected registration to name {one.entry.rule}, but {one.detail}"
            for one in outcome.registration
            if not one.is_found
        ]
        if self._seen.delivered != self._deliveries:
            outcome.problems.append(f"deliveries: expected {self._deliveries}, found {self._seen.delivered}")

    def _kinds(self) -> dict[str, KindCounts]:
        """Return what became of the documents of each package: those accepted, and their copies."""
        directory = self._stage.directory
        accepted = Counter(
            required_agreement(directory, entry.agreement or "").package.text
            for entry in self._seen.decisions.values()
            if entry.decision is Outcome.ACCEPTED
        )
        kinds: dict[str, KindCounts] = {}
        for package in directory.packages.values():
            copies = {
                topic: count
                for (type_, topic), count in self._seen.deliveries.items()
                if type_ in package.types
            }
            kinds[package.id.text] = KindCounts(accepted[package.id.text], sum(copies.values()), len(copies))
            if not copies:
                self._outcome.problems.append(f"no document of {package.id} was delivered")
        return kinds

    async def _audit(self) -> None:
        task = self._progress.add_task("audited", total=None)

        def on_progress(_: str, done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)

        self._outcome.audit = await audit_stage(self._stage, on_progress)
        self._outcome.problems += audit_problems(self._outcome.audit)

    def _write_examples(self) -> None:
        """Leave two documents of the civil registry, one good and one wrong, for whoever wants to try."""
        agreement = required_agreement(self._stage.directory, "births")
        text = document_text(agreement, self._inventor, self._documents + 1)
        good = {"record": dict(text.record), "body": to_json(text.body), "attributes": dict(text.attributes)}
        wrong = {**good, "attributes": {**text.attributes, "dataclassification": "restricted"}}
        for name, value in (("good", good), ("wrong", wrong)):
            path = self._stage.folder / EXAMPLES[name]
            path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
