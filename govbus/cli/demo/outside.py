"""What the demo puts outside the bus operator's hand: two witnesses, a time-stamping authority, an auditor's keys."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from govbus.cli.audit_options import read_request
from govbus.cli.demo.stage import Stage
from govbus.cli.public_keys import ED25519_PUBLIC, ML_DSA_PUBLIC
from govbus.message_log.heads import head_origin
from govbus.service.auditing.verifying import Request
from govbus.service.openssl_tsa import OpensslTsa
from govbus.service.witness.keys import WitnessKeys, make_witness

WITNESSES: Final = ("court", "state-archive")
QUORUM: Final = "both"
AUTHORITY: Final = "tsa"
"""Name of the time-stamping authority in records."""
STAMP_INTERVAL_S: Final = 2
"""A minute in production; the demo is not that long."""


@dataclass(slots=True)
class DemoWitness:
    """A witness on a machine of its own, as it were."""

    name: str
    """In the policy."""
    home: Path
    keys: WitnessKeys
    logs_file: Path
    url: str = ""
    """Known once it serves."""

    @property
    def process(self) -> str:
        """Name of its process."""
        return f"witness-{self.name}"

    @property
    def command(self) -> tuple[str, ...]:
        """Serves on any port that is free."""
        files = ("--keys", str(self.home), "--logs", str(self.logs_file))
        return ("witness", "serve", *files, "--http", "127.0.0.1:0")

    @property
    def ready_sign(self) -> str:
        """What it prints, with its URL, once it serves."""
        return f"witness {self.keys.name} at http"


@dataclass(frozen=True, slots=True)
class TrustFolder:
    """An auditor's own keys, laid out like ``trust/`` in an evidence bundle."""

    folder: Path

    @property
    def authority_file(self) -> Path:
        """Certificate of the governing authority."""
        return self.folder / "authority.pem"

    @property
    def policy_file(self) -> Path:
        """Witnesses and their quorum."""
        return self.folder / "policy"

    @property
    def tsa_file(self) -> Path:
        """Root of the time-stamping authority; missing where there is none."""
        return self.folder / "tsa.pem"

    def request(self) -> Request:
        """Return what the auditor brings to every audit."""
        tsa = [self.tsa_file] if self.tsa_file.exists() else []
        return read_request(self.authority_file, self.folder, None, self.policy_file, tsa, None)


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that vouches for the log and is not the operator's."""

    witnesses: tuple[DemoWitness, ...]
    trust: TrustFolder
    log_lines: str
    """Of the policy: the log of heads, by its keys."""
    tsa: OpensslTsa | None

    def write_policy(self) -> None:
        """Write the policy, once all witnesses have their URLs: both have to cosign, with both of their keys."""
        lines = "".join(one.keys.policy_lines(one.name, one.url) for one in self.witnesses)
        members = " ".join(one.name for one in self.witnesses)
        quorum = f"group {QUORUM} all {members}\nquorum {QUORUM}\n"
        self.trust.policy_file.write_text(self.log_lines + lines + quorum, encoding="utf-8")

    def log_settings(self) -> dict[str, str]:
        """Return the environment by which the log service finds the time-stamping authority."""
        if self.tsa is None:
            return {}
        authority = {"name": AUTHORITY, "url": self.tsa.url, "ca_file": str(self.tsa.ca_file)}
        return {
            "GOVBUS_MESSAGE_LOG__TIMESTAMP_INTERVAL_S": str(STAMP_INTERVAL_S),
            "GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES": json.dumps([authority]),
        }


@contextlib.contextmanager
def outside_of(stage: Stage) -> Iterator[Outside]:
    """Make witnesses, an authority that answers while the context lasts, and the auditor's keys.

    Where the machine lacks the openssl command, there is no authority.
    """
    lines = stage.log_keys.public.verifiers(head_origin(stage.directory.bus))
    log_lines = "".join(f"log {one.to_vkey()}\n" for one in lines)
    home = stage.folder / "witnesses"
    home.mkdir()
    logs_file = home / "logs.policy"
    logs_file.write_text(f"{log_lines}quorum none\n", encoding="utf-8")
    witnesses = tuple(
        DemoWitness(name, home / name, make_witness(home / name, f"{name}.example/witness"), logs_file)
        for name in WITNESSES
    )
    trust = TrustFolder(stage.folder / "trust")
    trust.folder.mkdir()
    shutil.copyfile(stage.sample.authority_certificate, trust.authority_file)
    for name in (ED25519_PUBLIC, ML_DSA_PUBLIC):
        shutil.copyfile(stage.folder / "log-keys" / name, trust.folder / name)
    with contextlib.ExitStack() as stack:
        tsa = None
        if has_openssl():
            tsa = stack.enter_context(OpensslTsa(stage.folder / "tsa"))
            shutil.copyfile(tsa.ca_file, trust.tsa_file)
        yield Outside(witnesses, trust, log_lines, tsa)


def has_openssl() -> bool:
    """Return whether the machine has the openssl command."""
    return shutil.which("openssl") is not None
