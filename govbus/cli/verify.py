"""``govbus verify``: check evidence that somebody hands over; no broker, no settings, nothing else installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.audit.bundle.check import BundleReport

EXIT_FINDINGS, EXIT_NOT_CHECKED = 1, 2


def verify(
    evidence: Annotated[
        Path, typer.Argument(help="An evidence bundle (.zip or folder), or a .tlog-proof file.")
    ],
    trust: Annotated[
        Path | None,
        typer.Option(help="Folder with keys of your own, laid out like trust/ in a bundle.", file_okay=False),
    ] = None,
    entry: Annotated[
        Path | None,
        typer.Option(
            help="With a .tlog-proof: the file that it is about. Another .tlog-proof stands for the checkpoint in it.",
            dir_okay=False,
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="With a .tlog-proof: logs and witnesses to believe (C2SP tlog-policy).", dir_okay=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check an evidence bundle, or that an entry stands in a log.

    Exit code 0: it holds; 1: it does not, and every step that failed is named; 2: it could not be checked.
    Without --trust a bundle is checked with the keys that came in it: that says that it fits together, not more.
    """
    from govbus.errors import GovbusError

    try:
        if evidence.suffix == ".tlog-proof":
            _verify_proof(evidence, entry, policy, as_json=as_json)
            return
        report = verify_bundle_file(evidence, trust)
    except (GovbusError, OSError) as err:
        print(f"govbus: {err}", file=sys.stderr)  # noqa: T201  # exit code 2 says that nothing was established
        raise typer.Exit(EXIT_NOT_CHECKED) from err
    typer.echo(report.to_json() if as_json else report.to_text())
    if not report.is_verified:
        raise typer.Exit(EXIT_FINDINGS)


def verify_bundle_file(path: Path, trust: Path | None) -> BundleReport:
    """Return what checking a bundle comes to.

    Raises:
        ConfigError: if bundle or trust folder cannot be read.
    """
    from govbus.audit.bundle.check import check_evidence
    from govbus.audit.bundle.contents import evidence_of, trust_of
    from govbus.audit.bundle.shown import shown_steps
    from govbus.audit.bundle.zip_file import changed_files, read_bundle

    files = read_bundle(path)
    evidence = evidence_of(files)
    keys = evidence.trust
    if trust is not None:
        keys = trust_of({one.name: one.read_bytes() for one in trust.iterdir() if one.is_file()})
    report = check_evidence(evidence, keys, is_own_trust=trust is not None, changed=changed_files(files))
    report.steps += shown_steps(files, evidence)
    return report


def _verify_proof(path: Path, entry: Path | None, policy: Path | None, *, as_json: bool) -> None:
    import json

    from govbus.errors import ConfigError, VerificationError
    from govbus.message_log.policy import Policy
    from govbus.message_log.proof import TlogProof
    from govbus.signing.merkle import leaf_hash

    if entry is None or policy is None:
        raise ConfigError(
            "a proof is about a file", remedy="name it with --entry, and the policy with --policy"
        )
    proof = TlogProof.from_bytes(path.read_bytes())
    try:
        seen = proof.verify(leaf_hash(_entry_octets(entry)), Policy.from_bytes(policy.read_bytes()))
    except VerificationError as err:
        typer.echo(
            json.dumps({"verified": False, "found": err.message}) if as_json else f"NOT VERIFIED: {err}"
        )
        raise typer.Exit(EXIT_FINDINGS) from err
    checkpoint = seen.checkpoint
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "verified": True,
                    "index": proof.index,
                    "size": checkpoint.size,
                    "origin": checkpoint.origin,
                    "witnesses": {one.name: one.time_s for one in seen.cosignatures},
                },
                indent=2,
            )
        )
        return
    names = ", ".join(one.name for one in seen.cosignatures) or "none, and the policy asks for none"
    typer.echo(
        f"verified: number {proof.index} of {checkpoint.size} in {checkpoint.origin}; witnesses: {names}"
    )


def _entry_octets(path: Path) -> bytes:
    """Return what a proof's leaf is over: a file, or the text of the checkpoint in another proof."""
    from govbus.message_log.note import Note
    from govbus.message_log.proof import FILE_SUFFIX, TlogProof

    octets = path.read_bytes()
    if path.suffix != FILE_SUFFIX:
        return octets
    return Note.from_text(TlogProof.from_bytes(octets).note).text.encode("utf-8")
