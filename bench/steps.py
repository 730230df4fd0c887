"""Where the router's CPU time goes, in microseconds a document: the next improvement is the largest line."""

import time
from pathlib import Path

from govbus.document.record import Envelope, Record, unframe
from govbus.document.statement import Statement
from govbus.routing.decide import decide, prior_of
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationState
from govbus.service.router.batch import BatchRouter
from govbus.service.router.state import PartitionHistory, RouterState
from govbus.signing.verifier import VerifiedSignatures, Verifier, check_headers, check_value
from govbus.transport.base import TopicPartition


def router_steps(
    records, directory, signer, folder: Path, at_ms: int, *, revocations: RevocationState = NOTHING_KNOWN
) -> dict[str, float]:
    """Return CPU microseconds a document by step, for records of one origin in index order."""
    taken = [
        Record(one.topic, 0, place, at_ms, one.key, one.value, one.headers)
        for place, one in enumerate(records)
    ]
    steps: dict[str, float] = {}

    def measure(name, action):
        started = time.process_time()
        result = action()
        steps[name] = round((time.process_time() - started) / len(taken) * 1e6, 1)
        return result

    envelopes = measure("read headers", lambda: [Envelope.from_headers(one.headers) for one in taken])
    statements = measure(
        "parse statement", lambda: [Statement.from_bytes(one.statement) for one in envelopes]
    )
    triples = list(zip(taken, envelopes, statements, strict=True))
    measure("hash headers", lambda: [check_headers(one, other) for _, one, other in triples])
    measure("hash value", lambda: [check_value(*one) for one in triples])
    verified = VerifiedSignatures()
    verifier = Verifier(directory, verified)
    measure("signatures and paths", lambda: [verifier.check_signatures(one, two) for _, one, two in triples])
    codec = directory.schemas.by_id(unframe(taken[0].value)[0]).codec
    measure("decode Avro", lambda: [codec.decode(one.value[5:]) for one in taken])
    history, again = MemoryHistory(), VerifiedSignatures()

    def decide_all():
        for one in taken:
            decision = decide(one, directory, history, at_ms=at_ms, verified=again, revocations=revocations)
            prior = prior_of(decision, time_ms=at_ms, receipt_first=0)
            if prior is not None and decision.statement is not None:
                history.remember(decision.statement.origin, prior)

    measure("decide, all of the above and rules", decide_all)
    state = RouterState(folder / "steps.db", documents_max=1_000_000)
    router = BatchRouter(
        history=PartitionHistory(state, run_documents_max=2000),
        verified=VerifiedSignatures(),
        signer=signer,
        name="bench",
        log_partition=0,
        receipt_run_documents_max=2000,
    )
    batches = measure(
        "route: decide, log entry, delivery, receipt",
        lambda: [
            router.route(taken[start : start + 2000], directory, at_ms=at_ms, revocations=revocations)
            for start in range(0, len(taken), 2000)
        ],
    )
    source = TopicPartition(taken[0].topic, 0)
    measure(
        "keep history (SQLite)",
        lambda: [state.remember(one.priors, source=source, log_offset=None) for one in batches],
    )
    state.close()
    return steps
