"""Trust policies (C2SP ``tlog-policy``): which logs, which witnesses, and how many of them make a checkpoint valid.

A policy is a text file. What it says is judged here and nowhere else: the log service collects cosignatures until
`Policy.open` finds the quorum, a verifier accepts nothing that `Policy.require` refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from govbus.errors import ConfigError, NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.cosignature import WitnessVerifier, cosigned_at_s, witness_verifier_from_vkey
from govbus.message_log.keys import verifier_from_vkey
from govbus.message_log.note import Note, NoteVerifier, parse_vkey, verify_note

LOGS_MAX = 64
WITNESSES_MAX = 48
GROUPS_MAX = 48
"""C2SP strongly recommends to take at least 32 of each; govbus's logs and witnesses have two keys, a line for each."""
POLICY_BYTES_MAX = 1_048_576
"""Room for that many ML-DSA-44 keys of 1.8 kB each, and as much again for comments."""
NO_QUORUM = "none"
"""The predefined name that asks for no cosignature."""

_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_TOKEN = re.compile(r"[^\t\n ]+")
_COUNT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """One key of a log; a log with two keys has two of these."""

    verifier: NoteVerifier
    """Its name is the log's origin."""
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """One key of a witness."""

    name: str
    """What the policy calls it; the witness's own name is its key's."""
    verifier: WitnessVerifier
    url: str = ""
    """Submission prefix (C2SP ``tlog-witness``); empty where only verification is asked for."""


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Members of which at least `threshold` must have witnessed."""

    name: str
    threshold: int
    members: tuple[str, ...]
    """Names of witnesses and groups that were defined before."""


class Cosigned(NamedTuple):
    """One witness of the policy whose cosignature holds."""

    name: str
    """What the policy calls it."""
    time_s: int
    """Earliest time that it stated, seconds since 1970; 0 if it stated none."""


@dataclass(frozen=True, slots=True)
class WitnessedCheckpoint:
    """A checkpoint that its log signed, and what the witnesses of a policy say about it."""

    checkpoint: Checkpoint
    log_keys: tuple[NoteVerifier, ...]
    """Keys of the log that signed, at least one."""
    cosignatures: tuple[Cosigned, ...]
    """In the policy's order."""
    is_quorum: bool
    missing: str
    """What the quorum lacks, in words; empty if it is met."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A trust policy; making one checks all rules of the specification.

    Raises:
        ConfigError: if a rule is broken.
    """

    logs: tuple[PolicyLog, ...]
    """None where the log is known from elsewhere."""
    definitions: tuple[PolicyWitness | PolicyGroup, ...]
    """Witnesses and groups, each after what it refers to."""
    quorum: str
    """Name of a witness or a group, or ``none``."""

    def __post_init__(self) -> None:
        _require_sound(self)

    @classmethod
    def from_text(cls, text: str) -> Policy:
        """Parse a policy; octets that are no UTF-8 stand in the text as Python's surrogate escapes.

        Raises:
            ConfigError: if it breaks the grammar or a rule; the message names the line.
        """
        try:
            octets = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as err:
            raise ConfigError("policy: a lone surrogate stands for no octet") from err
        return cls.from_bytes(octets)

    @classmethod
    def from_bytes(cls, octets: bytes) -> Policy:
        """Parse a policy as stored.

        Raises:
            ConfigError: if it breaks the grammar or a rule; the message names the line.
        """
        logs: list[PolicyLog] = []
        definitions: list[PolicyWitness | PolicyGroup] = []
        quorums: list[str] = []
        known = {NO_QUORUM}
        for number, words in _lines(octets):
            try:
                parsed = _parse_line(words)
            except (ConfigError, NoteError) as err:
                raise ConfigError(f"policy, line {number}: {err.message}") from err
            match parsed:
                case PolicyLog():
                    logs.append(parsed)
                case PolicyWitness() | PolicyGroup():
                    definitions.append(parsed)
                    known.add(parsed.name)
                case str() if parsed in known:
                    quorums.append(parsed)
                case str():
                    raise ConfigError(
                        f"policy, line {number}: the quorum {_shown(parsed)} is not defined on a line before"
                    )
        if len(quorums) != 1:
            raise ConfigError(f"policy: expected exactly one quorum line, found {len(quorums)}")
        return cls(tuple(logs), tuple(definitions), quorums[0])

    def to_text(self) -> str:
        """Return the policy without comments; `from_text` reads it back."""
        lines = [" ".join(filter(None, ("log", log.verifier.to_vkey(), log.url))) for log in self.logs]
        for definition in self.definitions:
            if isinstance(definition, PolicyWitness):
                words = ("witness", definition.name, definition.verifier.to_vkey(), definition.url)
                lines.append(" ".join(filter(None, words)))
            else:
                lines.append(
                    " ".join(("group", definition.name, _threshold(definition), *definition.members))
                )
        return "\n".join([*lines, f"quorum {self.quorum}", ""])

    @property
    def witnesses(self) -> tuple[PolicyWitness, ...]:
        """Every witness, in order."""
        return tuple(item for item in self.definitions if isinstance(item, PolicyWitness))

    @property
    def groups(self) -> tuple[PolicyGroup, ...]:
        """Every group, in order."""
        return tuple(item for item in self.definitions if isinstance(item, PolicyGroup))

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of the logs, each once, in order."""
        return tuple(dict.fromkeys(log.verifier.name for log in self.logs))

    def log_verifiers(self, origin: str) -> tuple[NoteVerifier, ...]:
        """Return the keys of one log, in order; none for an unknown origin."""
        return tuple(log.verifier for log in self.logs if log.verifier.name == origin)

    def open(
        self,
        note: str | bytes,
        origin: str | None = None,
        *,
        log_verifiers: Sequence[NoteVerifier] | None = None,
        is_every_log_key_required: bool = False,
    ) -> WitnessedCheckpoint:
        """Verify the signatures on a checkpoint and say whether the quorum is met; the caller must look.

        Args:
            note: the signed note.
            origin: the log it must be of; by default any log of the policy.
            log_verifiers: keys of the log, where they are known from elsewhere instead of from the policy.
            is_every_log_key_required: refuse unless all keys of the log signed. C2SP asks for any one of them.

        Raises:
            NoteError: if the note or checkpoint is malformed, is of another log, is not signed by the log, or a
                signature of a known key does not hold.
        """
        # Step 1: shape.
        parsed = Note.from_bytes(note) if isinstance(note, bytes) else Note.from_text(note)
        checkpoint = Checkpoint.from_text(parsed.text)
        # Step 2: the right log. An Ed25519 note signature does not cover the key name, so the text must.
        if origin is not None and checkpoint.origin != origin:
            raise NoteError(f"expected a checkpoint of {origin[:80]}, found one of {checkpoint.origin[:80]}")
        candidates = log_verifiers if log_verifiers is not None else self.log_verifiers(checkpoint.origin)
        log_keys = [verifier for verifier in candidates if verifier.name == checkpoint.origin]
        if not log_keys:
            raise NoteError(f"no key of the log {checkpoint.origin[:80]} is known")
        # Step 3: signatures of the log.
        signed = verify_note(parsed, log_keys)
        if is_every_log_key_required and len(signed) != len(log_keys):
            raise NoteError(
                f"checkpoint of {checkpoint.origin[:80]}: expected signatures of {len(log_keys)} keys, "
                f"found {len(signed)}"
            )
        # Step 4: signatures of the witnesses, and what they amount to.
        cosignatures = tuple(self._cosigned(parsed))
        missing = self._missing({cosigned.name for cosigned in cosignatures})
        return WitnessedCheckpoint(checkpoint, tuple(signed), cosignatures, not missing, missing)

    def require(
        self,
        note: str | bytes,
        origin: str | None = None,
        *,
        log_verifiers: Sequence[NoteVerifier] | None = None,
        is_every_log_key_required: bool = False,
    ) -> WitnessedCheckpoint:
        """Return a checkpoint that is valid under this policy; arguments as for `open`.

        Raises:
            NoteError: as for `open`, and if the quorum is not met.
        """
        opened = self.open(
            note,
            origin,
            log_verifiers=log_verifiers,
            is_every_log_key_required=is_every_log_key_required,
        )
        if not opened.is_quorum:
            raise NoteError(
                f"checkpoint of {opened.checkpoint.origin[:80]} at size {opened.checkpoint.size}: {opened.missing}"
            )
        return opened

    def _cosigned(self, note: Note) -> Iterator[Cosigned]:
        for witness in self.witnesses:
            key = witness.verifier
            lines = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
            for line in lines:
                key.verify(note.text, line.signature)
            if lines:
                yield Cosigned(witness.name, min(cosigned_at_s(line.signature) for line in lines))

    def _missing(self, cosigned: set[str]) -> str:
        """Return what the quorum lacks; what a group lacks is told through its members."""
        lacking: dict[str, str] = {NO_QUORUM: ""}
        for item in self.definitions:
            if isinstance(item, PolicyWitness):
                lacking[item.name] = "" if item.name in cosigned else f"no cosignature of {_shown(item.name)}"
                continue
            absent = [lacking[member] for member in item.members if lacking[member]]
            count = len(item.members) - len(absent)
            lacking[item.name] = (
                ""
                if count >= item.threshold
                else f"{_shown(item.name)} has {count} of the {item.threshold} it needs ({', '.join(absent)})"
            )
        return lacking[self.quorum]


def _lines(octets: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield number and words of every line that is neither empty nor a comment."""
    if len(octets) > POLICY_BYTES_MAX:
        raise ConfigError(f"a policy may have {POLICY_BYTES_MAX} bytes, found {len(octets)}")
    forbidden = _FORBIDDEN.search(octets)
    if forbidden is not None:
        number = octets.count(b"\n", 0, forbidden.start()) + 1
        raise ConfigError(f"policy, line {number}: octet {forbidden.group()[0]:#04x} is not allowed")
    *lines, rest = octets.decode("utf-8", "surrogateescape").split("\n")
    if rest:
        raise ConfigError("policy: the last line does not end in a newline")
    for number, line in enumerate(lines, start=1):
        words = _TOKEN.findall(line)
        if words and not words[0].startswith("#"):
            yield number, words


def _parse_line(words: list[str]) -> PolicyLog | PolicyWitness | PolicyGroup | str:
    """Return what one line defines; a quorum is its name."""
    match words:
        case ["log", vkey, *url] if len(url) <= 1:
            return PolicyLog(verifier_from_vkey(vkey), *url)
        case ["witness", name, vkey, *url] if len(url) <= 1:
            return PolicyWitness(name, witness_verifier_from_vkey(vkey), *url)
        case ["group", name, "all", *members] if members:
            return PolicyGroup(name, len(members), tuple(members))
        case ["group", name, "any", *members] if members:
            return PolicyGroup(name, 1, tuple(members))
        case ["group", name, count, *members] if members and _COUNT.fullmatch(count):
            return PolicyGroup(name, int(count), tuple(members))
        case ["quorum", name]:
            return name
        case _:
            raise ConfigError(
                "expected log <vkey> [<url>], witness <name> <vkey> [<url>], "
                "group <name> all|any|<k> <name>..., or quorum <name>"
            )


def _shown(name: str) -> str:
    """Return a name for a message; octets that are no UTF-8 cannot be printed."""
    return name[:80].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _threshold(group: PolicyGroup) -> str:
    if group.threshold == len(group.members):
        return "all"
    return "any" if group.threshold == 1 else str(group.threshold)


def _require_sound(policy: Policy) -> None:
    for limit, found, what in (
        (LOGS_MAX, len(policy.logs), "logs"),
        (WITNESSES_MAX, len(policy.witnesses), "witnesses"),
        (GROUPS_MAX, len(policy.groups), "groups"),
    ):
        if found > limit:
            raise ConfigError(f"policy: {found} {what} are over the limit of {limit}")
    _require_keys(policy)
    _require_names(policy)


def _require_keys(policy: Policy) -> None:
    """No key twice among logs or among witnesses, whatever name it bears, and none in both."""
    logs = _public_keys([log.verifier for log in policy.logs], "log")
    witnesses = _public_keys([witness.verifier for witness in policy.witnesses], "witness")
    if logs & witnesses:
        raise ConfigError("policy: a key of a log is a witness's too; a log cannot witness itself")
    for url in [log.url for log in policy.logs] + [witness.url for witness in policy.witnesses]:
        if url and not _TOKEN.fullmatch(url):
            raise ConfigError("policy: a URL holds no space, tab or newline")


def _public_keys(verifiers: Sequence[NoteVerifier], what: str) -> set[bytes]:
    keys: set[bytes] = set()
    for verifier in verifiers:
        public = parse_vkey(verifier.to_vkey())[2]
        if public in keys:
            raise ConfigError(f"policy: the public key of {what} {verifier.name[:80]} is listed twice")
        keys.add(public)
    return keys


def _require_names(policy: Policy) -> None:
    """Names are defined once and before their use, and each is a member at most once in the whole policy."""
    known: set[str] = set()
    members: set[str] = set()
    for item in policy.definitions:
        if not _TOKEN.fullmatch(item.name) or item.name == NO_QUORUM or item.name in known:
            raise ConfigError(f"policy: the name {_shown(item.name)} is defined twice or not allowed")
        if isinstance(item, PolicyGroup):
            if not 1 <= item.threshold <= len(item.members):
                raise ConfigError(
                    f"policy: group {_shown(item.name)} asks for {item.threshold} of {len(item.members)} members"
                )
            for member in item.members:
                if member not in known:
                    raise ConfigError(f"policy: member {_shown(member)} is not defined on a line before")
                if member in members:
                    raise ConfigError(f"policy: {_shown(member)} is a member twice")
                members.add(member)
        known.add(item.name)
    if policy.quorum not in known | {NO_QUORUM}:
        raise ConfigError(f"policy: the quorum {_shown(policy.quorum)} is not defined")
