"""What the demo says at its end: a summary for people, and the same figures as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from govbus.cli.demo.evidence import ARCHIVE, BUNDLE, trust_options
from govbus.cli.demo.evidence_summary import evidence_lines, evidence_report
from govbus.cli.demo.outside import WITNESSES
from govbus.cli.demo.run import DemoOutcome
from govbus.document.finding import Outcome
from govbus.routing.rules.catalogue import RULES
from govbus.service.sample_directory import CIVIL_REGISTRY


def report_of(outcome: DemoOutcome) -> dict[str, Any]:
    """Return the figures by their names in ``report.json``."""
    seen, audit = outcome.seen, outcome.audit
    return {
        "published": outcome.published,
        "accepted": seen.outcomes[Outcome.ACCEPTED],
        "refused": dict(sorted(outcome.refused.items())),
        "duplicates_answered": seen.outcomes[Outcome.DUPLICATE],
        "delivered": seen.delivered,
        "receipts": len(seen.receipts),
        "entities": outcome.entities,
        "precision": round(outcome.precision, 6),
        "recall": round(outcome.recall, 6),
        "docs_per_s": round(outcome.docs_per_s, 1),
        "latency_p50_ms": outcome.latency_p50_ms,
        "latency_p99_ms": outcome.latency_p99_ms,
        "log_entries": audit.entries,
        "log_verified": audit.is_clean,
        "evidence": evidence_report(outcome.evidence),
    }


def write_report(path: Path, outcome: DemoOutcome) -> None:
    """Write ``report.json``."""
    path.write_text(json.dumps(report_of(outcome), indent=2) + "\n", encoding="utf-8")


def print_summary(console: Console, folder: Path, outcome: DemoOutcome, *, is_kept: bool) -> None:
    """Print what happened, in the order in which it happened."""
    seen, audit = outcome.seen, outcome.audit
    refused = sum(outcome.refused.values())
    table = Table.grid(padding=(0, 2))
    rows = (
        ("published", f"{outcome.published:,} documents of two agencies, signed, on a real Kafka"),
        (
            "accepted",
            f"{seen.outcomes[Outcome.ACCEPTED]:,}, each delivered exactly once ({seen.delivered:,} deliveries)",
        ),
        (
            "refused",
            f"{refused:,} bad documents of {outcome.kinds} kinds, each with its rule in a signed receipt:",
        ),
    )
    console.print()
    for name, text in rows:
        table.add_row(f"[bold]{name}[/]", text)
    for rule, count in sorted(outcome.refused.items(), key=lambda one: -one[1]):
        table.add_row("", f"{count:>5}  {rule:<6} {RULES[rule].explanation}")
    for name, text in (
        (
            "answered",
            f"{seen.outcomes[Outcome.DUPLICATE]:,} resent documents with their first receipt, not delivered again",
        ),
        ("receipts", f"{len(seen.receipts):,}, because one may cover a run of documents"),
        (
            "linked",
            f"{outcome.entities:,} persons; precision {outcome.precision:.4f}, recall {outcome.recall:.4f} "
            "(exact identifiers only)",
        ),
        ("fast", f"{outcome.docs_per_s:,.0f} documents/s from the agencies' files to the inbox"),
        (
            "",
            f"at 100 documents/s: p50 {outcome.latency_p50_ms:.0f} ms, p99 {outcome.latency_p99_ms:.0f} ms "
            "from adapter to inbox",
        ),
        ("log", _verdict(outcome)),
        *zip(("evidence", *[""] * 9), evidence_lines(outcome.evidence), strict=False),
        ("took", f"{outcome.seconds:.0f} s; figures in {folder / 'report.json'}"),
    ):
        table.add_row(f"[bold]{name}[/]", text)
    console.print(table)
    for problem in outcome.problems:
        console.print(f"[red]not as it should be:[/] {problem}")
    _print_next(console, folder, outcome, is_kept=is_kept)
    if not audit.is_clean:
        console.print("[red]the log does not verify[/]")


def _verdict(outcome: DemoOutcome) -> str:
    audit = outcome.audit
    state = "[green]verifies[/]" if audit.is_clean else "[red]does not verify[/]"
    return (
        f"{state}: {audit.entries:,} decisions taken again, {audit.signatures_verified:,} documents' signatures, "
        f"{audit.checkpoints:,} checkpoints"
    )


def _print_next(console: Console, folder: Path, outcome: DemoOutcome, *, is_kept: bool) -> None:
    start = "" if is_kept else " && govbus kafka start"
    audit = f"--archive {folder / ARCHIVE} {' '.join(trust_options(folder))}"
    console.print(
        "\nTry next, without a broker, after `. .venv/bin/activate`:\n"
        f"  govbus verify {folder / BUNDLE} --trust {folder / 'trust'}\n"
        f"  govbus audit verify {audit}\n"
        f"  govbus witness show {folder / 'witnesses' / WITNESSES[0]}\n"
        f"and after `export GOVBUS_DATA_FOLDER={folder}{start}`:\n"
        f"  govbus trace {outcome.example_id}\n"
        f"  govbus trace {outcome.evidence.erased_document}\n"
        f"  govbus inbox list {CIVIL_REGISTRY}\n"
        "and at the end `govbus kafka stop`."
    )
