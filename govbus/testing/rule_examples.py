"""Runs the examples that rules carry: registers a directory, sends documents, and returns every finding.

An example is YAML over a base in which nothing is wrong (`govbus.testing.example_bus`). Keys, all optional:

- ``headers``, ``record``, ``body``: what the document says; ``time``: its ``ce_time``; ``at``: when it is decided on;
- ``before``: documents sent earlier, each with keys of its own, the rest as in the base;
- ``raw``: what is done to the bytes (`govbus.testing.example_documents`);
- ``bus``, ``agency``, ``consumer``, ``package``, ``asset``, ``taxonomy``, ``agreement``: entries of the directory;
- ``schema`` or ``schemas``: the payload schema, or its versions; documents have the last;
- ``codes``: a code list of the bus's own, or several; ``files``: further files of the directory, by name;
- ``revocation_list``: that the example's authority has published: ``next_update``, and ``revoked``, a time by name of
  a certificate;
- ``scenario``: one of `govbus.testing.scenarios` instead of a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from govbus.document.finding import Finding, Outcome
from govbus.errors import DirectoryError
from govbus.routing.decide import Decision, decide, prior_of
from govbus.routing.directory.model import Directory
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationRecords, RevocationState
from govbus.schemas.catalog import DocumentSchema
from govbus.signing.algorithms import Algorithm
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, ORIGIN, ExampleBus
from govbus.testing.example_documents import make_record, required_time_ms
from govbus.testing.example_signatures import TWIN_ALGORITHM
from govbus.testing.example_yaml import example_fields
from govbus.testing.scenarios import SCENARIOS

KEYS: Final = frozenset(
    {
        "headers",
        "record",
        "body",
        "time",
        "at",
        "before",
        "raw",
        "bus",
        "agency",
        "consumer",
        "package",
        "asset",
        "taxonomy",
        "agreement",
        "schema",
        "schemas",
        "codes",
        "files",
        "revocation_list",
        "scenario",
    }
)


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """What became of an example."""

    registration: tuple[Finding, ...]
    """What the directory's registration found; the field begins with the file."""
    decisions: tuple[Decision, ...]
    """One for each document sent, the example's own last; none where the directory was not accepted."""
    scenario: tuple[Finding, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        """What happened to the example's own document; None where none was sent."""
        return self.decisions[-1].outcome if self.decisions else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding of the registration and about the example's own document."""
        own = self.decisions[-1].findings if self.decisions else ()
        return (*self.registration, *own, *self.scenario)

    def of_rule(self, rule: str) -> tuple[Finding, ...]:
        """Return the findings of one rule."""
        return tuple(finding for finding in self.findings if finding.rule == rule)


def run_example(text: str) -> ExampleResult:
    """Run an example.

    Raises:
        ValueError: if it is no such YAML, or has a key that is not known.
        SchemaError: if its document does not fit its schema.
    """
    example = example_fields(text)
    if not example.keys() <= KEYS:
        raise ValueError(f"unknown keys: {sorted(example.keys() - KEYS)}")
    bus = ExampleBus.of(example, _algorithms(example))
    found = registration_findings(bus)
    try:
        directory = bus.directory()
    except DirectoryError:
        return ExampleResult(found, ())
    schema = directory.schemas.schemas[bus.versions - 1]
    if "scenario" in example:
        record = make_record({}, schema, index=0, offset=0, at_ms=BASE_AT_MS)
        return ExampleResult(found, (), SCENARIOS[example["scenario"]](directory, record))
    return ExampleResult(found, _sent(example, directory, schema))


def registration_findings(bus: ExampleBus) -> tuple[Finding, ...]:
    """Return what registration has to say about a bus."""
    return tuple(
        Finding(
            problem.rule,
            problem.severity,
            f"{problem.place}: {problem.field}",
            problem.detail,
        )
        for problem in bus.files.problems
    )


def _sent(example: Mapping[str, Any], directory: Directory, schema: DocumentSchema) -> tuple[Decision, ...]:
    """Send the documents in turn, decided on as a router does."""
    history = MemoryHistory()
    revocations = _revocations(example.get("revocation_list"))
    decisions: list[Decision] = []
    for offset, document in enumerate([*(example.get("before") or []), example]):
        at_ms = _at_ms(document)
        record = make_record(document, schema, index=history.next_index(ORIGIN), offset=offset, at_ms=at_ms)
        decision = decide(record, directory, history, at_ms=at_ms, revocations=revocations)
        prior = prior_of(decision, time_ms=at_ms, receipt_first=offset)
        if prior is not None:
            history.remember(ORIGIN, prior)
        decisions.append(decision)
    return tuple(decisions)


def _revocations(fields: Mapping[str, Any] | None) -> RevocationState:
    """Return what is known about certificates: the list that an example gives, or nothing."""
    if fields is None:
        return NOTHING_KNOWN
    authority, records = example_keys.authority(), RevocationRecords()
    records.add(
        authority.crl(
            [
                authority.revoked_of(example_keys.issued(name).certificate_pem, required_time_ms(time))
                for name, time in (fields.get("revoked") or {}).items()
            ],
            this_update_ms=example_keys.VALID_FROM_MS,
            next_update_ms=required_time_ms(fields["next_update"]),
        )
    )
    return records.state()


def _at_ms(document: Mapping[str, Any]) -> int:
    """Return when a document is decided on: at its own time, or else when all are, but not before it was made."""
    if "at" in document:
        return required_time_ms(document["at"])
    return max(BASE_AT_MS, required_time_ms(document["time"]) if "time" in document else 0)


def _algorithms(example: Mapping[str, Any]) -> frozenset[Algorithm]:
    """Return the algorithms that the example's documents are signed with besides the usual one."""
    documents = [*(example.get("before") or []), example]
    raws = [document.get("raw") or {} for document in documents]
    named = {Algorithm(raw["algorithm"]) for raw in raws if "algorithm" in raw}
    if any("twin" in raw.get("signed_by", ()) for raw in raws):
        named.add(TWIN_ALGORITHM)
    return frozenset(named - {Algorithm.ED25519})
