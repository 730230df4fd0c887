"""Where the time of a spooled document goes: encode, put, seal, read, forget, each in microseconds a document.

Run it from a checkout: ``python bench/spool_profile.py [--documents N] [--chunk N] [--batch N] [--body-bytes N]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from govbus.adapters.outgoing import DocumentIds, DocumentTemplate, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.document.ids import Origin
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.codec import AvroCodec
from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner

ORIGIN = Origin.from_text("tax.example/main")
SCHEMA = {
    "type": "record",
    "name": "Measured",
    "namespace": "govbus.bench",
    "fields": [
        {
            "name": "record",
            "type": {"type": "record", "name": "Meta", "fields": [{"name": "record_id", "type": "string"}]},
        },
        {
            "name": "body",
            "type": {"type": "record", "name": "Body", "fields": [{"name": "text", "type": "string"}]},
        },
    ],
}
Result = TypeVar("Result")


class Stopwatch:
    """Wall and CPU seconds by step."""

    def __init__(self) -> None:
        self.wall_s: Counter[str] = Counter()
        self.cpu_s: Counter[str] = Counter()

    def measure(self, step: str, action: Callable[[], Result]) -> Result:
        """Run an action and add its time to a step."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = action()
        self.wall_s[step] += time.perf_counter() - wall
        self.cpu_s[step] += time.process_time() - cpu
        return result


def _seal_signer(at_ms: int) -> KeySigner:
    issued = CertificateAuthority.create("Bench", at_ms=at_ms).issue(
        "tax.example", Algorithm.ED25519, not_before_ms=at_ms, not_after_ms=at_ms + 86_400_000
    )
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="tax.example/seal")


def profile(documents: int, chunk: int, batch: int, body_bytes: int) -> Stopwatch:
    """Send so many documents through a spool, all but the broker."""
    at_ms = time.time_ns() // 1_000_000
    watch, ids, signer = Stopwatch(), DocumentIds(), _seal_signer(at_ms)
    schema = DocumentSchema(100, "https://bus.example/schemas/bench/1", "bench", 1, AvroCodec(SCHEMA))
    template = DocumentTemplate(
        ORIGIN, "example.bench.v1", "bench-2026", "internal", "non-pii", "non-public", schema
    )
    text = "x" * body_bytes
    outgoing = [
        OutgoingDocument(ids.new(at_ms), f"subject-{n}", at_ms, {"record_id": str(n)}, {"text": text})
        for n in range(documents)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        Spool.open(Path(folder) / "s", ORIGIN, next_index=0) as spool,
    ):
        for start in range(0, documents, chunk):
            part = outgoing[start : start + chunk]
            encoded = watch.measure("encode", lambda part=part: [template.encode(one) for one in part])
            watch.measure("put", lambda encoded=encoded: spool.put(encoded, at_ms=at_ms))
            watch.measure(
                "seal", lambda: spool.seal([signer], at_ms=at_ms, batch_max=batch, documents_max=chunk)
            )
            first = spool.published_next
            records = watch.measure("unpublished", lambda: spool.unpublished(chunk))
            last = first + len(records) - 1
            watch.measure("mark_published", lambda last=last: spool.mark_published(last))
        if spool.stats(at_ms).published_next != documents:
            raise SystemExit("documents are left in the spool")
    return watch


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--chunk", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--body-bytes", type=int, default=1024)
    options = parser.parse_args()
    watch = profile(options.documents, options.chunk, options.batch, options.body_bytes)
    print(f"{'step':<16}{'wall us':>10}{'CPU us':>10}")
    for step, wall_s in watch.wall_s.items():
        per = 1e6 / options.documents
        print(f"{step:<16}{wall_s * per:>10.2f}{watch.cpu_s[step] * per:>10.2f}")
    total = sum(watch.wall_s.values())
    spool_s = total - watch.wall_s["encode"]
    print(
        f"{options.documents / total:,.0f} documents/s, {options.documents / spool_s:,.0f} without encoding"
    )


if __name__ == "__main__":
    main()
