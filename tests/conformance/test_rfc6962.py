"""Merkle vectors of the transparency-dev project: 518 proofs, right and wrong, and the hashes of its test trees."""

import base64
import itertools
import json
import re

import pytest

from govbus.errors import ProofError
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_path,
    inclusion_paths,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

pytestmark = pytest.mark.conformance_set("vectors/transparency-dev-merkle")


@pytest.fixture(scope="module")
def folder(conformance_data):
    return conformance_data / "vectors/transparency-dev-merkle"


def _octets(case, *names):
    return [base64.b64decode(case[name]) for name in names]


def _verify(kind, case):
    proof = [base64.b64decode(octets) for octets in case["proof"] or []]
    if kind == "inclusion":
        leaf, root = _octets(case, "leafHash", "root")
        verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof, root)
    elif kind == "subtreeinclusion":
        leaf, root = _octets(case, "leafHash", "root")
        verify_subtree_inclusion(leaf, case["leafIdx"], case["start"], case["end"], proof, root)
    elif kind == "consistency":
        root1, root2 = _octets(case, "root1", "root2")
        verify_consistency(case["size1"], case["size2"], root1, root2, proof)
    else:
        root1, root2 = _octets(case, "root1", "root2")
        verify_subtree_consistency(case["start"], case["end"], case["size"], root1, root2, proof)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("inclusion", 98), ("consistency", 98), ("subtreeinclusion", 204), ("subtreeconsistency", 118)],
)
def test_proofs(folder, kind, count, record_property):
    """Every proof of the suite is accepted or refused as its file says."""
    files = sorted((folder / "testdata" / kind).rglob("*.json"))
    wrong = []
    for file in files:
        case = json.loads(file.read_text())
        try:
            _verify(kind, case)
            is_refused = False
        except ProofError:
            is_refused = True
        if is_refused != case["wantErr"]:
            wrong.append(f"{file.relative_to(folder)}: {case['desc']}")

    record_property("cases", len(files))
    assert [] == wrong
    assert count == len(files)


def _function(folder, name):
    """Return the hex literals inside one function of constants.go."""
    source = (folder / "testonly/constants.go").read_text()
    body = re.search(rf"^func {name}\(\).*?^}}", source, re.MULTILINE | re.DOTALL)
    return body.group(0)


def _hex(text):
    return [bytes.fromhex(octets) for octets in re.findall(r'hd\("([0-9a-f]*)"\)', text)]


def test_test_tree(folder):
    """Leaves, nodes and roots of the suite's test tree come out as its constants say."""
    inputs = _hex(_function(folder, "LeafInputs"))
    levels = [_hex(level) for level in _function(folder, "NodeHashes").split("}, {")]
    roots = [EMPTY_ROOT, *_hex(_function(folder, "RootHashes"))]

    leaves = [leaf_hash(entry) for entry in inputs]
    assert [8, 4, 2, 1] == [len(level) for level in levels]
    assert levels[0] == leaves
    for below, above in itertools.pairwise(levels):
        assert above == [node_hash(*below[at : at + 2]) for at in range(0, len(below), 2)]
    assert 9 == len(roots)
    assert roots == [root_of(leaves[:size]) for size in range(9)]
    assert _hex(_function(folder, "EmptyRootHash")) == [EMPTY_ROOT]


def test_compact_trees(folder):
    """The right edge of each test tree consists of the nodes that the suite lists."""
    levels = [_hex(level) for level in _function(folder, "NodeHashes").split("}, {")]
    lines = re.findall(r"^\t\t\{(nh.*)\},$", _function(folder, "CompactTrees"), re.MULTILINE)
    tree = CompactTree()
    for size, line in enumerate(lines, start=1):
        tree.append(levels[0][size - 1])
        nodes = [levels[int(level)][int(at)] for level, at in re.findall(r"nh\[(\d)\]\[(\d)\]", line)]
        assert size.to_bytes(8, "big") + b"".join(nodes) == tree.to_bytes()

    assert 8 == len(lines)


def test_hasher(folder):
    """Leaf and node hashes of the suite's hasher test come out."""
    source = (folder / "rfc6962/rfc6962_test.go").read_text()
    wants = re.findall(r'want: "([0-9a-f]{64})"', source)

    found = [EMPTY_ROOT, leaf_hash(b""), leaf_hash(b"L123456"), node_hash(b"N123", b"N456")]
    assert wants == [octets.hex() for octets in found]


def test_own_proofs_are_the_suites(folder):
    """The proofs that we make for the test tree are the ones of the suite's happy cases."""
    leaves = _hex(_function(folder, "NodeHashes").split("}, {")[0])
    checked = 0
    for file in sorted((folder / "testdata/inclusion").rglob("happy-path.json")):
        case = json.loads(file.read_text())
        proof = [base64.b64decode(octets) for octets in case["proof"] or []]
        tree = leaves[: case["treeSize"]]
        assert proof == inclusion_path(tree, case["leafIdx"])
        assert b"".join(proof) == inclusion_paths(tree)[1][case["leafIdx"]]
        checked += 1
    for file in sorted((folder / "testdata/consistency").rglob("happy-path.json")):
        case = json.loads(file.read_text())
        proof = [base64.b64decode(octets) for octets in case["proof"] or []]
        assert proof == consistency_proof(leaves[: case["size2"]], case["size1"])
        checked += 1

    assert 10 == checked
