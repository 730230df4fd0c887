"""The vectors of timestamps, renewals and the second tree: what the code says of them, and what openssl says."""

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from govbus.document.ids import AgencyId
from govbus.message_log.renewal import Digests, Renewal, RenewalChain, verified_span
from govbus.message_log.timestamp import Timestamp

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schemas" / "vectors"
BUS = AgencyId.from_text("bus.example")
EVIDENCE = "segments/00000001/evidence/1.1.tsr"


def anchors(path):
    return x509.load_pem_x509_certificates((FOLDER / path).read_bytes())


@pytest.mark.parametrize(("page", "times"), [("timestamps.md", 2), ("renewal.md", 3)])
def test_the_commands_of_the_page_verify_the_vectors(tmp_path, page, times):
    """Every command succeeds, and openssl takes each timestamp as verified."""
    text = (ROOT / "docs" / "specs" / page).read_text(encoding="utf-8")
    commands = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1]
    shutil.copytree(FOLDER, tmp_path / "schemas" / "vectors")
    if page == "timestamps.md":
        # The page is read while the certificate is valid; this test runs later too.
        at = Timestamp.from_response((FOLDER / "timestamps" / "chain.tsr").read_bytes()).time_ms // 1000
        commands = commands.replace("ca.pem", f"ca.pem -attime {at}")

    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert times == (done.stdout + done.stderr).count("Verification: OK")


@pytest.mark.parametrize("name", ["plain", "chain"])
def test_timestamps_verify(name):
    """Those of openssl, with its root among the certificates and without."""
    stamp = Timestamp.from_response((FOLDER / "timestamps" / f"{name}.tsr").read_bytes())
    text = (FOLDER / "timestamps" / "text").read_bytes()

    assert stamp.time_ms == stamp.verify(text, anchors("timestamps/ca.pem"))
    assert {"plain": 1, "chain": 2}[name] == len(stamp.certificates)


def read_renewal(number):
    path = f"renewals/{number:08}"
    folder = FOLDER / "renewal" / path
    return Renewal(
        (folder / "statement").read_bytes(), {f"{path}/tsa.tsr": (folder / "tsa.tsr").read_bytes()}
    )


def test_renewals_carry_the_evidence_on():
    """From the first certificate's end to the third one's."""
    trusted = anchors("renewal/roots.pem")
    der = (FOLDER / "renewal" / EVIDENCE).read_bytes()
    text = (FOLDER / "renewal" / EVIDENCE).with_name("1.note").read_text(encoding="utf-8")
    span = verified_span(der, text.partition("\n\n")[0].encode() + b"\n", trusted)
    ends = []
    for count in range(3):
        renewals = [read_renewal(number) for number in range(1, count + 1)]
        chain = RenewalChain(renewals, trusted, bus=BUS)
        ends.append(chain.held_until_ms(EVIDENCE, Digests.of(der), span.ends_ms) // 1000)

    assert [1827014400, 1864598400, 1933718400] == ends


def sha512(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def root_of(leaves):
    """RFC 9162 section 2.1.1 with SHA-512."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha512()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha512(b"\x01", root_of(leaves[:split]), root_of(leaves[split:]))


def test_the_second_tree_is_what_the_page_says():
    """Computed from the page alone, without the code."""
    data = json.loads((FOLDER / "second-tree-v1.json").read_text(encoding="utf-8"))
    vectors = {name: [base64.b64decode(one) for one in found] for name, found in data.items()}
    leaves = [sha512(b"\x00", entry) for entry in vectors["entries"]]
    first, second, _, null, empty = vectors["values"]
    marks = [
        b"\x01" + sha512(first[3:19], b"first"),
        b"\x01" + sha512(second[3:19], b"second"),
        bytes(65),
        b"\x02" + sha512(null),
        b"\x01" + sha512(empty[3:19]),
    ]
    value_leaves = [sha512(b"\x00", leaf, mark) for leaf, mark in zip(leaves, marks, strict=True)]

    assert (leaves, marks, value_leaves) == (vectors["leaves"], vectors["marks"], vectors["value_leaves"])
    assert [root_of(leaves[:size]) for size in range(6)] == vectors["roots"]
    assert [root_of(value_leaves[:size]) for size in range(6)] == vectors["value_roots"]


def test_the_second_tree_is_what_the_script_makes():
    """The code gives the committed file, byte for byte."""
    spec = importlib.util.spec_from_file_location("generate_timestamps", FOLDER / "generate_timestamps.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    assert (FOLDER / "second-tree-v1.json").read_text(encoding="utf-8") == generate.second_tree()
