"""The ``govbus`` command: one module a verb; whatever is heavy is imported inside the verb."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from govbus import __version__
from govbus.cli import (
    adapter,
    archive,
    audit,
    audit_evidence,
    audit_replay,
    catalog,
    check,
    codes,
    directory,
    doctor,
    flow,
    inbox,
    kafka,
    keys,
    message_log,
    pki,
    registry,
    revocations,
    rules,
    schema_registry,
    topics,
    trace,
    tsa,
    witness,
)
from govbus.cli.demo import demo
from govbus.cli.erase import erase
from govbus.cli.router import router
from govbus.cli.send import send
from govbus.cli.verify import verify
from govbus.errors import GovbusError

app = typer.Typer(
    name="govbus",
    help="Message bus and document flow between government agencies, on Apache Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo)
app.add_typer(kafka.app, name="kafka")
app.add_typer(directory.app, name="directory")
app.add_typer(topics.app, name="topics")
app.command("send")(send)
app.add_typer(check.app, name="check")
app.add_typer(inbox.app, name="inbox")
app.command("trace")(trace.trace)
app.command("flow")(flow.flow)
app.add_typer(adapter.app, name="adapter")
app.command("router")(router)
app.add_typer(keys.app, name="keys")
app.add_typer(pki.app, name="pki")
app.add_typer(message_log.app, name="log")
app.add_typer(witness.app, name="witness")
app.add_typer(registry.app, name="registry")
app.add_typer(revocations.app, name="revocations")
app.add_typer(schema_registry.app, name="schema-registry")
app.add_typer(rules.app, name="rules")
app.add_typer(codes.app, name="codes")
app.add_typer(catalog.app, name="catalog")
audit.app.command("replay")(audit_replay.replay)
audit.app.command("prove")(audit_evidence.prove)
audit.app.command("export")(audit_evidence.export)
audit.app.command("verify-bundle")(audit_evidence.verify_bundle)
app.add_typer(audit.app, name="audit")
app.add_typer(archive.app, name="archive")
app.add_typer(tsa.app, name="tsa")
app.command("verify")(verify)
app.command("erase")(erase)
app.command("doctor")(doctor.doctor)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"govbus {__version__}")
        raise typer.Exit


@app.callback()
def root(
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            "--bootstrap-servers",
            help="Kafka to use, host:port[,host:port]. Default: GOVBUS_KAFKA__BOOTSTRAP_SERVERS, "
            "else the broker that `govbus kafka start` runs.",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001  # its callback prints and leaves
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Point every command at one Kafka."""
    if bootstrap_servers:
        os.environ["GOVBUS_KAFKA__BOOTSTRAP_SERVERS"] = bootstrap_servers


def main(arguments: list[str] | None = None) -> int:
    """Run one command; every error is one sentence with what to do, on standard error."""
    try:
        result = app(args=arguments, standalone_mode=False)
    except GovbusError as err:
        print(f"govbus: {err}", file=sys.stderr)  # noqa: T201  # the one place where a command says what went wrong
        return 1
    except typer.Abort:
        return 130
    except typer.Exit as leave:
        return leave.exit_code
    except Exception as err:
        if hasattr(err, "show") and hasattr(err, "exit_code"):  # click's own usage errors know how to print
            err.show()
            return int(err.exit_code)
        raise
    return result if isinstance(result, int) else 0
