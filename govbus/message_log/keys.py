"""The keys that sign a bus's message log: one Ed25519 and one ML-DSA-44 key for all of its partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, NoteError
from govbus.message_log.checkpoint import Checkpoint, open_checkpoint
from govbus.message_log.cosignature import (
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    CosignatureSigner,
    CosignatureVerifier,
    witness_verifier_from_vkey,
)
from govbus.message_log.key_handover import (
    KeyHandover,
    LogSize,
    keys_origin,
    open_handovers,
    pair_of_vkeys,
)
from govbus.message_log.note import (
    Ed25519NoteSigner,
    Ed25519NoteVerifier,
    Note,
    NoteSigner,
    NoteVerifier,
    parse_vkey,
)


def log_origin(bus: AgencyId, partition: int) -> str:
    """Return the origin line of one partition's checkpoints, such as ``bus.example/log/3``."""
    return f"{bus}/log/{partition}"


@dataclass(frozen=True, slots=True, repr=False)
class LogKeys:
    """The private keys of a message log."""

    ed25519: Ed25519PrivateKey
    ml_dsa_44: MLDSA44PrivateKey

    @classmethod
    def from_pem(cls, ed25519_pem: bytes, ml_dsa_44_pem: bytes, *, password: bytes | None = None) -> LogKeys:
        """Read two PKCS#8 private keys.

        Raises:
            ConfigError: if one cannot be read or is of another algorithm.
        """
        ed25519, ml_dsa_44 = (
            _loaded(lambda pem: serialization.load_pem_private_key(pem, password), pem)
            for pem in (ed25519_pem, ml_dsa_44_pem)
        )
        return cls.of(ed25519, ml_dsa_44)

    @classmethod
    def of(cls, ed25519: object, ml_dsa_44: object) -> LogKeys:
        """Take two private keys, wherever they lie.

        Raises:
            ConfigError: if one is of another algorithm.
        """
        if not isinstance(ed25519, Ed25519PrivateKey) or not isinstance(ml_dsa_44, MLDSA44PrivateKey):
            raise _wrong_kind(ed25519, ml_dsa_44)
        return cls(ed25519, ml_dsa_44)

    @classmethod
    def generate(cls) -> LogKeys:
        """Return new keys."""
        return cls(Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())

    def to_pem(self) -> tuple[bytes, bytes]:
        """Return both private keys as unencrypted PKCS#8, Ed25519 first."""
        ed25519, ml_dsa_44 = (
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            for key in (self.ed25519, self.ml_dsa_44)
        )
        return ed25519, ml_dsa_44

    def signers(self, origin: str) -> tuple[NoteSigner, ...]:
        """Return both keys under the name of one log."""
        return Ed25519NoteSigner(origin, self.ed25519), CosignatureSigner(origin, self.ml_dsa_44)

    def hand_over(
        self,
        new: LogKeys,
        known: LogPublicKeys,
        *,
        bus: AgencyId,
        partitions: Mapping[int, LogSize],
        heads: LogSize,
        at_ms: int,
    ) -> str:
        """Return the signed hand-over from these keys to new ones.

        Args:
            new: sign from now on.
            known: the public half of these, with all hand-overs before.
            bus: whose log it is.
            partitions: what these keys signed last for each partition's log.
            heads: what they signed last for the head log.
            at_ms: milliseconds since 1970.
        """
        origin = keys_origin(bus)
        handover = KeyHandover.after(
            known.handovers,
            bus=bus.text,
            time_ms=at_ms,
            old=self.public.verifiers(origin),
            new=new.public.verifiers(origin),
            partitions=partitions,
            heads=heads,
        )
        return handover.sign([*self.signers(origin), *new.signers(origin)], at_s=at_ms // 1000)

    @property
    def public(self) -> LogPublicKeys:
        """The public halves."""
        return LogPublicKeys(self.ed25519.public_key(), self.ml_dsa_44.public_key())

    def __repr__(self) -> str:
        return "LogKeys()"


@dataclass(frozen=True, slots=True)
class LogPublicKeys:
    """The public keys of a message log: what an auditor needs to know beforehand.

    Where the keys were changed, the two here are the newest, and each earlier pair counts up to where it was given up.
    """

    ed25519: Ed25519PublicKey
    ml_dsa_44: MLDSA44PublicKey
    handover_notes: tuple[str, ...] = ()
    """The signed hand-overs, in order; `with_handovers` verified them."""
    handovers: tuple[KeyHandover, ...] = ()
    """What they say."""

    @classmethod
    def from_pem(cls, ed25519_pem: bytes, ml_dsa_44_pem: bytes) -> LogPublicKeys:
        """Read two SubjectPublicKeyInfo PEM texts.

        Raises:
            ConfigError: if one cannot be read or is of another algorithm.
        """
        ed25519, ml_dsa_44 = (
            _loaded(serialization.load_pem_public_key, pem) for pem in (ed25519_pem, ml_dsa_44_pem)
        )
        if not isinstance(ed25519, Ed25519PublicKey) or not isinstance(ml_dsa_44, MLDSA44PublicKey):
            raise _wrong_kind(ed25519, ml_dsa_44)
        return cls(ed25519, ml_dsa_44)

    def to_pem(self) -> tuple[bytes, bytes]:
        """Return both keys as SubjectPublicKeyInfo PEM, Ed25519 first."""
        ed25519, ml_dsa_44 = (
            key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            for key in (self.ed25519, self.ml_dsa_44)
        )
        return ed25519, ml_dsa_44

    def verifiers(self, origin: str) -> tuple[NoteVerifier, ...]:
        """Return both newest keys under the name of one log."""
        return Ed25519NoteVerifier(origin, self.ed25519), CosignatureVerifier(origin, self.ml_dsa_44)

    def pairs(self) -> tuple[LogPublicKeys, ...]:
        """Return every pair by itself, from the first to the newest."""
        earlier = (pair_of_vkeys(one.old) for one in self.handovers)
        return (
            *(LogPublicKeys(ed25519.key, ml_dsa_44.key) for ed25519, ml_dsa_44 in earlier),
            LogPublicKeys(self.ed25519, self.ml_dsa_44),
        )

    def with_handovers(self, notes: Sequence[str]) -> LogPublicKeys:
        """Return the keys of all times, going from one known pair forward and back.

        Args:
            notes: every signed hand-over of the bus, in the order of their numbers.

        Raises:
            NoteError: if one does not hold, or the known pair is in none of them.
        """
        if not notes:
            return LogPublicKeys(self.ed25519, self.ml_dsa_44)
        handovers = open_handovers(notes)
        chain = (handovers[0].old, *(one.new for one in handovers))
        known = tuple(one.to_vkey() for one in self.verifiers(handovers[0].origin))
        if known not in chain:
            raise NoteError("the hand-overs of log keys are about other keys than the pair that is known")
        if len(set(chain)) != len(chain) or len({vkey for pair in chain for vkey in pair}) != 2 * len(chain):
            raise NoteError("a key of the log comes back in a later hand-over; each must be new")
        ed25519, ml_dsa_44 = pair_of_vkeys(chain[-1])
        return LogPublicKeys(ed25519.key, ml_dsa_44.key, tuple(notes), handovers)

    def signing(self, note: str | bytes, origin: str) -> tuple[NoteVerifier, ...]:
        """Return the pair under whose keys a checkpoint is to be opened, the newest that has a line for each key.

        No signature is verified here: whoever calls this must verify that both keys signed.

        Args:
            note: the signed checkpoint.
            origin: of the log that it should be about.

        Raises:
            NoteError: if the checkpoint is malformed, or of a size at which that pair did not sign: after it was
                given up, or before it took over.
        """
        if not self.handovers:
            return self.verifiers(origin)
        parsed = Note.from_bytes(note) if isinstance(note, bytes) else Note.from_text(note)
        lines = {(line.name, line.key_id) for line in parsed.signatures}
        pairs = self.pairs()
        for number in range(len(pairs) - 1, -1, -1):
            verifiers = pairs[number].verifiers(origin)
            if all((key.name, key.key_id) in lines for key in verifiers):
                self._require_term(number, Checkpoint.from_text(parsed.text))
                return verifiers
        return self.verifiers(origin)

    def open(self, note: str | bytes, origin: str) -> Checkpoint:
        """Return the checkpoint in a note that both keys of one pair signed while they were the log's.

        Args:
            note: the signed note.
            origin: of the log that it must be about.

        Raises:
            NoteError: if it is malformed, is of another log, or lacks a signature that holds; or if the pair that
                signed it was not the log's at that size.
        """
        return open_checkpoint(note, self.signing(note, origin))

    def _require_term(self, pair: int, checkpoint: Checkpoint) -> None:
        """Check that a pair was the log's at the size of a checkpoint; where two meet, the root is known."""
        after = self.handovers[pair].last(checkpoint.origin) if pair < len(self.handovers) else None
        before = self.handovers[pair - 1].last(checkpoint.origin) if pair else None
        if after is not None and checkpoint.size > after.size:
            raise NoteError(
                f"checkpoint of {checkpoint.origin[:80]} for {checkpoint.size} entries: its keys were given up at "
                f"{after.size}"
            )
        if before is not None and checkpoint.size < before.size:
            raise NoteError(
                f"checkpoint of {checkpoint.origin[:80]} for {checkpoint.size} entries: its keys sign from "
                f"{before.size} on"
            )
        for bound in (after, before):
            if bound is not None and bound.size == checkpoint.size and bound.root != checkpoint.root:
                raise NoteError(
                    f"checkpoint of {checkpoint.origin[:80]} for {checkpoint.size} entries: another root than the "
                    "hand-over of its keys states"
                )


def verifier_from_vkey(vkey: str) -> NoteVerifier:
    """Read a verifier key of any signature type that govbus knows: 0x01, 0x04 and 0x06.

    Raises:
        NoteError: if it is malformed or of another signature type.
    """
    if parse_vkey(vkey)[1] in {ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE}:
        return witness_verifier_from_vkey(vkey)
    return Ed25519NoteVerifier.from_vkey(vkey)


def _loaded(load: Callable[[bytes], object], pem: bytes) -> object:
    try:
        return load(pem)
    except (ValueError, TypeError) as err:
        raise ConfigError(
            "a key of the message log cannot be read", remedy="give a PEM file, or the right password"
        ) from err


def _wrong_kind(ed25519: object, ml_dsa_44: object) -> ConfigError:
    return ConfigError(
        "the keys of the message log must be one Ed25519 and one ML-DSA-44 key, "
        f"found {type(ed25519).__name__} and {type(ml_dsa_44).__name__}"
    )
