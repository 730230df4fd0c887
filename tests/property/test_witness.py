"""Witnesses and policies under whatever comes: one history for each log, and one meaning for each policy."""

import contextlib
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import ConfigError, NoteError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy, PolicyGroup, PolicyWitness
from govbus.message_log.witness import AddCheckpoint, Answer, SignSubtree, Witness
from govbus.signing.merkle import consistency_proof, leaf_hash, root_of

ORIGIN = "bus.example/log/heads"
LOG = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
WITNESS = Witness(
    CosignatureSigner("w.example", MLDSA44PrivateKey.from_seed_bytes(bytes([2]) * 32)),
    Ed25519CosignatureSigner("w.example", Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)),
    lambda origin: LOG.public.verifiers(origin)[:1] if origin == ORIGIN else (),
)
HISTORIES = [[leaf_hash(bytes([fork, number])) for number in range(24)] for fork in range(3)]
for _history, _common in zip(HISTORIES, (0, 5, 11), strict=True):
    _history[:_common] = HISTORIES[0][:_common]
NOTES = {
    (fork, size): sign_checkpoint(
        Checkpoint(ORIGIN, size, root_of(leaves[:size])), LOG.signers(ORIGIN)[:1], at_s=1
    )
    for fork, leaves in enumerate(HISTORIES)
    for size in range(25)
}
SIZES = st.integers(0, 24)


@given(st.lists(st.tuples(st.integers(0, 2), st.none() | SIZES, SIZES, st.integers(1, 100)), max_size=30))
def test_one_history(requests):
    """Whatever a log that has three histories asks, all that is cosigned is one history that grows."""
    latest, cosigned = None, []
    for fork, said_size, size, at_s in requests:
        known = latest.size if latest else 0
        old_size = known if said_size is None else said_size
        leaves = HISTORIES[fork][:size]
        proof = tuple(consistency_proof(leaves, old_size)) if 0 < old_size < size else ()
        received = WITNESS.receive(AddCheckpoint(old_size, proof, NOTES[fork, size]).to_text().encode())
        if isinstance(received, Answer):
            assert (400, True) == (received.status, old_size > size)
            continue
        answer, new, _ = WITNESS.decide(received, latest, at_s=at_s)
        is_grown = known == 0 or leaves[:known] == HISTORIES[cosigned[-1][0]][:known]
        assert (200 if is_grown else 422) == answer.status if old_size == known else 409 == answer.status
        if new is not None:
            cosigned.append((fork, new.size, new.time_s))
            latest = new
    assert sorted(size for _, size, _ in cosigned) == [size for _, size, _ in cosigned]
    assert sorted(time for _, _, time in cosigned) == [time for _, _, time in cosigned]
    for fork, size, _ in cosigned:
        assert HISTORIES[cosigned[-1][0]][:size] == HISTORIES[fork][:size]


@given(st.binary(), st.text())
def test_requests_are_read_strictly(octets, text):
    """What is read as a request is written back to the same bytes; everything else is answered, never raised."""
    for kind in (AddCheckpoint, SignSubtree):
        for body in (octets, text.encode(), b"old " + octets, b"subtree " + text.encode()):
            with contextlib.suppress(NoteError):
                assert body == kind.from_bytes(body).to_text().encode()
    assert 400 == WITNESS.sign_subtree(octets).status
    assert isinstance(WITNESS.receive(octets), Answer)


KEYS = [
    Ed25519CosignatureSigner(f"w{number}.example", Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
    for number in range(10, 18)
]
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters=" "), min_size=1)


@st.composite
def policies(draw):
    """Draw a policy of up to 8 witnesses in groups of groups."""
    names = draw(st.lists(NAMES.filter(lambda name: name != "none"), min_size=8, max_size=16, unique=True))
    witnesses = [
        PolicyWitness(name, key.verifier, draw(st.sampled_from(["", "https://w.example/\u00e9"])))
        for name, key in zip(names, KEYS, strict=False)
    ]
    definitions, free = list(witnesses), [witness.name for witness in witnesses]
    for name in names[len(KEYS) :]:
        count = draw(st.integers(1, max(1, len(free))))
        members = tuple(free[:count])
        if not members:
            break
        definitions.append(PolicyGroup(name, draw(st.integers(1, len(members))), members))
        free = [*free[count:], name]
    quorum = draw(st.sampled_from(["none", *(one.name for one in definitions)]))
    return Policy((), tuple(definitions), quorum)


def _is_met(policy, name, signed):
    """The definition of a group, word by word."""
    if name == "none":
        return True
    one = next(item for item in policy.definitions if item.name == name)
    if isinstance(one, PolicyWitness):
        return name in signed
    return sum(_is_met(policy, member, signed) for member in one.members) >= one.threshold


@given(policies(), st.sets(st.integers(0, len(KEYS) - 1)))
def test_policies_mean_what_they_say(policy, who):
    """A policy reads back as it was written, and its quorum is met exactly when the definition says so."""
    assert policy == Policy.from_text(policy.to_text())
    note = Note.from_text(NOTES[0, 5])
    lines = [KEYS[number].sign(note.text, at_s=number + 1) for number in who]
    opened = policy.open(
        Note(note.text, (*note.signatures, *lines)).to_text(), log_verifiers=LOG.public.verifiers(ORIGIN)
    )
    signed = {policy.witnesses[number].name for number in who}

    assert signed == {name for name, _ in opened.cosignatures}
    assert _is_met(policy, policy.quorum, signed) is opened.is_quorum
    assert opened.is_quorum is (not opened.missing)


@given(policies(), st.sets(st.integers(0, len(KEYS) - 1), max_size=7), st.integers(0, len(KEYS) - 1))
def test_more_cosignatures_never_hurt(policy, who, other):
    """A quorum that is met stays met when one more witness cosigns."""
    names = [witness.name for witness in policy.witnesses]
    before = policy._missing({names[number] for number in who})
    after = policy._missing({names[number] for number in who | {other}})

    assert not (after and not before)


@given(st.binary())
def test_policies_are_read_or_refused(octets):
    """Any octets are a policy or are refused in one way; what is read is written to something that reads the same."""
    for text in (octets, octets + b"\nquorum none\n"):
        with contextlib.suppress(ConfigError):
            policy = Policy.from_bytes(text)
            assert policy == replace(Policy.from_text(policy.to_text()))
