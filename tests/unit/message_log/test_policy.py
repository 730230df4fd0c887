"""Trust policies: the grammar, the rules on keys and names, and what a quorum is."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.errors import ConfigError, NoteError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import ED25519, Ed25519NoteSigner, Note, NoteSignature, vkey_text
from govbus.message_log.policy import (
    GROUPS_MAX,
    LOGS_MAX,
    POLICY_BYTES_MAX,
    WITNESSES_MAX,
    Cosigned,
    Policy,
    PolicyGroup,
    PolicyWitness,
)
from govbus.signing.merkle import EMPTY_ROOT

ORIGIN = "bus.example/log/heads"
KEYS = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    MLDSA44PrivateKey.from_seed_bytes(bytes(range(32))),
)
LOG_SIGNERS = KEYS.signers(ORIGIN)
LOG_LINES = "".join(f"log {signer.verifier.to_vkey()}\n" for signer in LOG_SIGNERS)
CHECKPOINT = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
AT_S = 1_800_000_000


def _cosigner(number):
    """Return a witness: every odd one signs by Ed25519, every even one by ML-DSA-44."""
    seed = bytes([number]) * 32
    if number % 2:
        return Ed25519CosignatureSigner(
            f"witness.example/{number}", Ed25519PrivateKey.from_private_bytes(seed)
        )
    return CosignatureSigner(f"witness.example/{number}", MLDSA44PrivateKey.from_seed_bytes(seed))


COSIGNERS = {f"w{number}": _cosigner(number) for number in range(1, 7)}
WITNESS_LINES = "".join(f"witness {name} {signer.verifier.to_vkey()}\n" for name, signer in COSIGNERS.items())
TWO_LEVELS = (
    LOG_LINES
    + WITNESS_LINES
    + "group X 2 w1 w2 w3\ngroup Y any w4 w5 w6\ngroup X-and-Y all X Y\nquorum X-and-Y\n"
)


def _note(*names, signers=LOG_SIGNERS, at_s=AT_S):
    note = Note.from_text(sign_checkpoint(CHECKPOINT, signers, at_s=at_s))
    lines = [COSIGNERS[name].sign(note.text, at_s=at_s + number) for number, name in enumerate(names)]
    return Note(note.text, (*note.signatures, *lines)).to_text()


def _broken(note, index):
    parsed = Note.from_text(note)
    lines = list(parsed.signatures)
    octets = lines[index].signature
    lines[index] = lines[index]._replace(signature=octets[:-1] + bytes([octets[-1] ^ 1]))
    return Note(parsed.text, tuple(lines)).to_text()


def test_reads_all_that_the_grammar_allows():
    """Comments, tabs, spaces around, empty lines, URLs, octets above 0x7F and any order of lines are read."""
    witness = COSIGNERS["w1"].verifier.to_vkey().encode()
    log = LOG_SIGNERS[0].verifier.to_vkey().encode()
    octets = (
        b"# comment \xff\n\n \t \n\t #quorum none\nwitness\tK\xe2\x84\xaa\xff "
        + witness
        + b" \t https://w.example/\xc3\xa9 \n"
        b" group all any K\xe2\x84\xaa\xff\nquorum all\nlog  " + log + b" https://log.example\n"
    )
    policy = Policy.from_bytes(octets)

    assert "https://log.example" == policy.logs[0].url
    assert ["K\u212a\udcff"] == [item.name for item in policy.witnesses]
    assert "https://w.example/é" == policy.witnesses[0].url
    assert (PolicyGroup("all", 1, ("K\u212a\udcff",)),) == policy.groups
    assert policy == Policy.from_text(policy.to_text())
    assert "no cosignature of K\u212a\ufffd" in policy.open(_note()).missing


@pytest.mark.parametrize("text", [TWO_LEVELS, "quorum none\n", LOG_LINES + "quorum none\n"])
def test_round_trip(text):
    """A policy without comments is written as it was read."""
    assert text == Policy.from_text(text).to_text()


def test_keys_of_a_log():
    """Several lines of one origin are the keys of one log, in order."""
    other = Ed25519NoteSigner("other.example/log", Ed25519PrivateKey.from_private_bytes(bytes([99]) * 32))
    policy = Policy.from_text(f"log {other.verifier.to_vkey()}\n{LOG_LINES}quorum none\n")

    assert tuple(signer.verifier for signer in LOG_SIGNERS) == policy.log_verifiers(ORIGIN)
    assert () == policy.log_verifiers("unknown.example/log")
    assert ("other.example/log", ORIGIN) == policy.origins


W1, W2 = (f"witness {name} {COSIGNERS[name].verifier.to_vkey()}\n" for name in ("w1", "w2"))
ED25519_PUBLIC = KEYS.ed25519.public_key().public_bytes_raw()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "exactly one quorum"),
        (LOG_LINES, "exactly one quorum"),
        ("quorum none\nquorum none\n", "exactly one quorum"),
        ("quorum none\ud800\n", "lone surrogate"),
        ("quorum none", "does not end in a newline"),
        ("quorum none\r\n", "0x0d"),
        ("# \x00\nquorum none\n", "line 1: octet 0x00"),
        ("quorum none\n# \x7f\n", "line 2: octet 0x7f"),
        ("quorum\u00a0none\n", "line 1: expected"),
        ("quorum none none\n", "line 1: expected"),
        ("quorum\n", "line 1: expected"),
        ("Quorum none\n", "line 1: expected"),
        ("quorum w1\n" + W1, "line 1: the quorum w1"),
        (W1 + "quorum w2\n", "line 2: the quorum w2"),
        (W1 + W1.replace("w1 ", "w2 ", 1) + "quorum none\n", "listed twice"),
        (W1 + W2.replace("w2 ", "w1 ", 1) + "quorum none\n", "w1 is defined twice"),
        (W1.replace("w1 ", "none ", 1) + "quorum none\n", "none is defined twice or not allowed"),
        (W1 + "group w1 any w1\nquorum none\n", "w1 is defined twice"),
        (W1 + "group none any w1\nquorum none\n", "none is defined twice or not allowed"),
        (W1 + "group g any none\nquorum none\n", "member none is not defined"),
        (W1 + "group g any g\nquorum none\n", "member g is not defined"),
        (W1 + "group g any w1 w2\n" + W2 + "quorum g\n", "member w2 is not defined"),
        (W1 + "group g any w1 w1\nquorum g\n", "w1 is a member twice"),
        (W1 + W2 + "group g any w1 w2\ngroup h any w1\nquorum g\n", "w1 is a member twice"),
        (W1 + "group g any\nquorum none\n", "line 2: expected"),
        (W1 + "group g all\nquorum none\n", "line 2: expected"),
        (W1 + "group g 1\nquorum none\n", "line 2: expected"),
        (W1 + "group g 0 w1\nquorum none\n", "line 2: expected"),
        (W1 + "group g 01 w1\nquorum none\n", "line 2: expected"),
        (W1 + "group g +1 w1\nquorum none\n", "line 2: expected"),
        (W1 + "group g \u0661 w1\nquorum none\n", "line 2: expected"),
        (W1 + "group g 2 w1\nquorum none\n", "asks for 2 of 1"),
        (W1 + "group g some w1\nquorum none\n", "line 2: expected"),
        (W1[:-1] + " https://a b\nquorum none\n", "line 1: expected"),
        ("witness w1\nquorum none\n", "line 1: expected"),
        ("log\nquorum none\n", "line 1: expected"),
        ("log x+00000000+AQ==\nquorum none\n", "line 1: the key id"),
        (LOG_LINES + LOG_LINES + "quorum none\n", "listed twice"),
        (
            f"{LOG_LINES}log {vkey_text('other.example', ED25519, ED25519_PUBLIC)}\nquorum none\n",
            "listed twice",
        ),
        (f"{LOG_LINES}log {vkey_text(ORIGIN, 0x04, ED25519_PUBLIC)}\nquorum none\n", "listed twice"),
        (f"witness w {LOG_SIGNERS[0].verifier.to_vkey()}\nquorum none\n", "type 0x04 or 0x06"),
        (f"{LOG_LINES}witness w {LOG_SIGNERS[1].verifier.to_vkey()}\nquorum w\n", "cannot witness itself"),
    ],
)
def test_refused(text, reason):
    """A policy that breaks one rule of the specification is refused, and the error says which."""
    with pytest.raises(ConfigError, match=reason.replace("+", r"\+")):
        Policy.from_text(text)


def _many_witnesses(count):
    verifiers = [
        Ed25519CosignatureSigner("w", Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)).verifier
        for number in range(count)
    ]
    return "".join(f"witness w{number} {verifier.to_vkey()}\n" for number, verifier in enumerate(verifiers))


def _many_logs(count):
    keys = [
        Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key().public_bytes_raw()
        for number in range(count)
    ]
    return "".join(f"log {vkey_text(f'log{number}', ED25519, key)}\n" for number, key in enumerate(keys))


def _many_groups(count):
    chain = "".join(f"group g{number} all g{number - 1}\n" for number in range(1, count))
    return W1 + "group g0 all w1\n" + chain


@pytest.mark.parametrize(
    ("made", "limit"), [(_many_witnesses, WITNESSES_MAX), (_many_logs, LOGS_MAX), (_many_groups, GROUPS_MAX)]
)
def test_limits(made, limit):
    """As many logs, witnesses or groups as the limit are taken, one more is refused."""
    assert limit >= 32
    Policy.from_text(made(limit) + "quorum none\n")
    with pytest.raises(ConfigError, match=f"over the limit of {limit}"):
        Policy.from_text(made(limit + 1) + "quorum none\n")


def test_size_limit():
    """A policy of the largest size is taken, one octet more is refused before it is looked at."""
    end = "\nquorum none\n"
    text = "#" * (POLICY_BYTES_MAX - len(end)) + end

    assert "none" == Policy.from_text(text).quorum
    with pytest.raises(ConfigError, match="may have"):
        Policy.from_text("#" + text)


def test_policy_made_in_code_is_checked_too():
    """A policy that no file could hold cannot be made either."""
    witness = PolicyWitness("a b", COSIGNERS["w1"].verifier)
    with pytest.raises(ConfigError, match="not allowed"):
        Policy((), (witness,), "none")
    with pytest.raises(ConfigError, match="quorum x is not defined"):
        Policy((), (), "x")
    with pytest.raises(ConfigError, match="URL"):
        Policy((), (PolicyWitness("a", COSIGNERS["w1"].verifier, "x\ny"),), "none")


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["w1", "w2", "w4"], ""),
        (["w6", "w3", "w1"], ""),
        (["w1", "w2", "w3", "w4", "w5", "w6"], ""),
        (
            ["w1", "w4"],
            "X-and-Y has 1 of the 2 it needs (X has 1 of the 2 it needs (no cosignature of w2, no cosignature of w3))",
        ),
        (
            ["w1", "w2", "w3"],
            "X-and-Y has 1 of the 2 it needs (Y has 0 of the 1 it needs "
            "(no cosignature of w4, no cosignature of w5, no cosignature of w6))",
        ),
    ],
)
def test_quorum_in_two_levels(names, missing):
    """Two of one group and one of another make the quorum; what lacks is told by name."""
    policy = Policy.from_text(TWO_LEVELS)
    opened = policy.open(_note(*names), ORIGIN)

    assert missing == opened.missing
    assert (not missing) is opened.is_quorum
    assert CHECKPOINT == opened.checkpoint
    assert [(name, AT_S + names.index(name)) for name in sorted(names)] == list(opened.cosignatures)
    if missing:
        with pytest.raises(NoteError, match="X-and-Y has"):
            policy.require(_note(*names), ORIGIN)
    else:
        assert opened == policy.require(_note(*names).encode(), ORIGIN)


@pytest.mark.parametrize(("quorum", "is_quorum"), [("none", True), ("w1", True), ("w2", False)])
def test_quorum_of_one_witness(quorum, is_quorum):
    """The quorum may be one witness, or none; other cosignatures do not make up for it."""
    policy = Policy.from_text(f"{LOG_LINES}{WITNESS_LINES}quorum {quorum}\n")

    assert is_quorum is policy.open(_note("w1", "w3")).is_quorum


def test_any_key_of_the_log_is_enough_unless_all_are_asked_for():
    """C2SP takes one of the log's keys; the strict option takes nothing less than all of them."""
    policy = Policy.from_text(LOG_LINES + "quorum none\n")
    one, both = _note(signers=LOG_SIGNERS[:1]), _note()

    assert (LOG_SIGNERS[0].verifier,) == policy.open(one).log_keys
    with pytest.raises(NoteError, match="signatures of 2 keys, found 1"):
        policy.open(one, is_every_log_key_required=True)
    with pytest.raises(NoteError, match="signatures of 2 keys, found 1"):
        policy.require(one, is_every_log_key_required=True)
    assert 2 == len(policy.require(both, is_every_log_key_required=True).log_keys)


def test_log_known_from_elsewhere():
    """A policy without logs opens a checkpoint by keys that the caller knows, and by none otherwise."""
    policy = Policy.from_text("quorum none\n")
    verifiers = [signer.verifier for signer in LOG_SIGNERS]

    assert CHECKPOINT == policy.require(_note(), log_verifiers=verifiers).checkpoint
    with pytest.raises(NoteError, match="no key of the log"):
        policy.open(_note())
    with pytest.raises(NoteError, match="no key of the log"):
        policy.open(_note(), log_verifiers=KEYS.public.verifiers("bus.example/log/0"))


def test_other_log():
    """A checkpoint of another log than the expected one is refused although its signatures hold."""
    policy = Policy.from_text(LOG_LINES + "quorum none\n")
    with pytest.raises(NoteError, match="expected a checkpoint of bus.example/log/0"):
        policy.open(_note(), "bus.example/log/0")


def test_not_signed_by_the_log():
    """Cosignatures without a signature of the log prove nothing."""
    policy = Policy.from_text(TWO_LEVELS)
    note = Note.from_text(_note("w1", "w2", "w4"))
    with pytest.raises(NoteError, match="not signed by a known key"):
        policy.open(Note(note.text, note.signatures[2:]).to_text())


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_wrong_signature_of_a_known_key(index):
    """One wrong signature of a known key, of log or witness, refuses the whole note."""
    policy = Policy.from_text(TWO_LEVELS)
    note = _note("w1", "w2", "w4")

    assert policy.open(note).is_quorum
    with pytest.raises(NoteError, match="does not hold"):
        policy.open(_broken(note, index))


def test_unknown_keys_are_ignored():
    """A signature of an unknown key changes nothing, and a witness's other key makes no cosignature."""
    policy = Policy.from_text(TWO_LEVELS)
    note = Note.from_text(_note("w1", "w2"))
    stranger = NoteSignature(COSIGNERS["w4"].name, b"\0\0\0\0", b"\0" * 72)
    opened = policy.open(Note(note.text, (*note.signatures, stranger)).to_text())

    assert ["w1", "w2"] == [cosigned.name for cosigned in opened.cosignatures]
    assert not opened.is_quorum


def test_a_witness_counts_once():
    """Two cosignatures by one witness are one, with the earlier of its times."""
    policy = Policy.from_text(f"{LOG_LINES}{W1}{W2}group g all w1 w2\nquorum g\n")
    note = Note.from_text(_note("w1"))
    again = COSIGNERS["w1"].sign(note.text, at_s=AT_S - 5)
    opened = policy.open(Note(note.text, (*note.signatures, again)).to_text())

    assert (Cosigned("w1", AT_S - 5),) == opened.cosignatures
    assert not opened.is_quorum


def test_all_witnesses_fit_into_one_note():
    """A note of the log's own two signatures and one of each of the most witnesses is read."""
    seeds = [bytes([number]) * 32 for number in range(WITNESSES_MAX)]
    signers = [
        CosignatureSigner(f"w.example/{seed[0]}", MLDSA44PrivateKey.from_seed_bytes(seed)) for seed in seeds
    ]
    names = [f"w{number}" for number in range(WITNESSES_MAX)]
    lines = [
        f"witness {name} {signer.verifier.to_vkey()}\n" for name, signer in zip(names, signers, strict=True)
    ]
    policy = Policy.from_text(LOG_LINES + "".join(lines) + f"group g all {' '.join(names)}\nquorum g\n")
    note = Note.from_text(_note())
    cosigned = Note(note.text, (*note.signatures, *(signer.sign(note.text, at_s=1) for signer in signers)))

    assert policy.open(cosigned.to_text()).is_quorum
