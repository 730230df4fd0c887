"""Writes heads-v1.json: records of a checkpoints topic, the entries of the head tree that they make, and its roots.

ML-DSA-44 signatures are randomized, so that every run writes other bytes that verify all the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.signing.merkle import leaf_hash, root_of

FILE = Path(__file__).with_name("heads-v1.json")
BUS, WITNESS_NAME = "bus.example", "court.example/witness"
HEADS = f"{BUS}/log/heads"
TIME_S = 1_795_466_700
PARTITION_LEAVES = {
    number: [leaf_hash(f"entry {number}.{index}\n".encode()) for index in range(8)] for number in (0, 1)
}


def _keys(name: str) -> LogKeys:
    """Return keys that are no secret: those of the vectors for witnesses."""
    ed25519, ml_dsa_44 = (
        hashlib.sha256(f"govbus vector {name} {kind}".encode()).digest() for kind in ("a", "b")
    )
    return LogKeys(
        Ed25519PrivateKey.from_private_bytes(ed25519), MLDSA44PrivateKey.from_seed_bytes(ml_dsa_44)
    )


LOG, STRANGER, WITNESS = _keys("log"), _keys("other log"), _keys("witness")


def note(origin: str, leaves: list[bytes], keys: LogKeys = LOG) -> str:
    """Return a signed checkpoint over leaf hashes."""
    return sign_checkpoint(
        Checkpoint(origin, len(leaves), root_of(leaves)), keys.signers(origin), at_s=TIME_S
    )


def partition_note(number: int, size: int, keys: LogKeys = LOG) -> str:
    """Return a signed checkpoint over the first entries of an example partition."""
    return note(f"{BUS}/log/{number}", PARTITION_LEAVES[number][:size], keys)


def text_of(signed: str) -> str:
    """Return the note text: what an entry of the head tree is."""
    return signed.partition("\n\n")[0] + "\n"


def cosigned(signed: str) -> str:
    """Return a note with the witness's cosignatures under it."""
    parsed = Note.from_text(signed)
    signers = (
        CosignatureSigner(WITNESS_NAME, WITNESS.ml_dsa_44),
        Ed25519CosignatureSigner(WITNESS_NAME, WITNESS.ed25519),
    )
    lines = [signer.sign(parsed.text, at_s=TIME_S + 1) for signer in signers]
    return Note(parsed.text, (*parsed.signatures, *lines)).to_text()


def main() -> None:
    """Write the file."""
    first, second, third = partition_note(0, 3), partition_note(1, 1), partition_note(0, 5)
    entries = [text_of(one) for one in (first, second, third)]
    leaves = [leaf_hash(entry.encode()) for entry in entries]
    records = [
        ("0", first, "entry 0"),
        ("1", second, "entry 1"),
        ("heads", note(HEADS, leaves[:2]), "head checkpoint over entries 0 and 1"),
        ("1", second, "published again after a crash: no entry"),
        ("0", partition_note(0, 8, STRANGER), "not signed by the log's keys: no entry"),
        ("01", third, "a key that no partition has: no entry"),
        ("later/kind", "anything", "a key that is not known: passed over"),
        ("0", third, "entry 2"),
        ("heads", note(HEADS, leaves), "head checkpoint over entries 0 to 2"),
    ]
    records.append(("heads", cosigned(records[-1][1]), "the same text with cosignatures"))
    vectors: dict[str, Any] = {
        "bus": BUS,
        "log": [signer.verifier.to_vkey() for signer in LOG.signers(HEADS)],
        "log_pem": [pem.decode() for pem in LOG.public.to_pem()],
        "policy": "".join(
            (
                f"witness ml-dsa-44 {CosignatureSigner(WITNESS_NAME, WITNESS.ml_dsa_44).verifier.to_vkey()}\n",
                f"witness ed25519 {Ed25519CosignatureSigner(WITNESS_NAME, WITNESS.ed25519).verifier.to_vkey()}\n",
                "group court all ml-dsa-44 ed25519\nquorum court\n",
            )
        ),
        "records": [{"key": key, "value": value, "what": what} for key, value, what in records],
        "entries": entries,
        "roots": [
            base64.b64encode(root_of(leaves[:size])).decode("ascii") for size in range(1, len(leaves) + 1)
        ],
    }
    FILE.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
