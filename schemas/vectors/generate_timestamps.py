"""Writes timestamps/ and renewal/: tokens of real and of made-up authorities, whose keys nobody keeps.

Every run makes new keys, so the files differ; what the tests ask of them does not.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.serialization import Encoding

from govbus.audit.archive.rehash import mark_of
from govbus.audit.archive.values import pack_value
from govbus.document.ids import AgencyId
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogKeys
from govbus.message_log.renewal import Digests, RenewalStatement
from govbus.message_log.second_tree import SecondTree, second_leaf, value_leaf
from govbus.service.openssl_tsa import OpensslTsa
from govbus.service.timestamps import TimestampAuthority
from govbus.signing.merkle import leaf_hash, root_of
from govbus.testing.tsa import FakeTsa, root

HERE = Path(__file__).parent
BUS = AgencyId.from_text("bus.example")
DAY_MS = 86_400_000
START_MS = 1_795_478_400_000
"""24 November 2026."""


def _checkpoint() -> Checkpoint:
    return Checkpoint(head_origin(BUS), 1, root_of([leaf_hash(b"bus.example/log/0\n1\n")]))


def write_timestamps(folder: Path) -> None:
    """Write what openssl answers, without its root and with it."""
    text = _checkpoint().to_text().encode()
    folder.mkdir()
    (folder / "text").write_bytes(text)
    with TemporaryDirectory() as keys:
        for name, sends_chain in (("plain", False), ("chain", True)):
            with OpensslTsa(Path(keys), sends_chain=sends_chain) as tsa:
                der = asyncio.run(TimestampAuthority("openssl", tsa.url, tsa.anchors).stamp(text))
                (folder / f"{name}.tsr").write_bytes(der)
                (folder / "ca.pem").write_bytes(tsa.ca_file.read_bytes())


def write_renewal(folder: Path) -> None:
    """Write a timestamp and two renewals, each by an authority that ends a year or more after the one before."""
    anchor = root("Test timestamp root")
    days = (365, 800, 1600)
    first, second, third = (
        FakeTsa.make(issuer=anchor, not_before_ms=START_MS - DAY_MS, not_after_ms=START_MS + end * DAY_MS)
        for end in days
    )
    evidence = folder / "segments/00000001/evidence"
    evidence.mkdir(parents=True)
    (folder / "roots.pem").write_bytes(anchor.certificate.public_bytes(Encoding.PEM))
    note = sign_checkpoint(_checkpoint(), LogKeys.generate().signers(head_origin(BUS)), at_s=START_MS // 1000)
    (evidence / "1.note").write_text(note, encoding="utf-8")
    (evidence / "1.1.tsr").write_bytes(first.response(_checkpoint().to_text().encode(), START_MS))
    listed = ["segments/00000001/evidence/1.1.tsr", "segments/00000001/evidence/1.note"]
    previous = None
    for number, tsa, at in ((1, second, 335), (2, third, 770)):
        items = {path: Digests.of((folder / path).read_bytes()) for path in listed}
        statement = RenewalStatement(BUS, number, previous, items).to_bytes()
        path = f"renewals/{number:08}"
        (folder / path).mkdir(parents=True)
        (folder / path / "statement").write_bytes(statement)
        der = tsa.response(statement, START_MS + at * DAY_MS, imprint_hash="sha512")
        (folder / path / "tsa.tsr").write_bytes(der)
        listed, previous = [f"{path}/statement", f"{path}/tsa.tsr"], Digests.of(statement)


def second_tree() -> str:
    """Return entries and values under SHA-512, the same on every run."""
    entries = [b"entry %d" % number for number in range(5)]
    salts = [bytes([number]) * 16 for number in range(5)]
    frames = [
        pack_value([salts[0]], b"\x00\x00\x00\x00\x07" + b"first"),
        pack_value([salts[1]], b"\x00\x00\x00\x00\x07" + b"second"),
        b"",
        pack_value([], None),
        pack_value([salts[4]], b"\x00\x00\x00\x00\x07"),
    ]
    marks = [mark_of(frame) for frame in frames]
    leaves = [second_leaf(entry) for entry in entries]
    value_leaves = [value_leaf(leaf, mark) for leaf, mark in zip(leaves, marks, strict=True)]
    roots, value_roots = [], []
    for size in range(len(entries) + 1):
        for found, tree_leaves in ((roots, leaves), (value_roots, value_leaves)):
            tree = SecondTree()
            tree.extend(tree_leaves[:size])
            found.append(tree.root())
    lists = {
        "entries": entries,
        "values": frames,
        "leaves": leaves,
        "marks": marks,
        "value_leaves": value_leaves,
        "roots": roots,
        "value_roots": value_roots,
    }
    data = {name: [base64.b64encode(one).decode("ascii") for one in found] for name, found in lists.items()}
    return json.dumps(data, indent=1) + "\n"


if __name__ == "__main__":
    for name, write in (("timestamps", write_timestamps), ("renewal", write_renewal)):
        shutil.rmtree(HERE / name, ignore_errors=True)
        write(HERE / name)
    (HERE / "second-tree-v1.json").write_text(second_tree(), encoding="utf-8")
