"""``govbus catalog`` beside a real bus: a router accepts documents, and the catalogue finds them."""

import json

import pytest
from typer.testing import CliRunner

from govbus.cli import catalog as command
from govbus.document.finding import Outcome

from .bus import CIVIL_REGISTRY, Bus

pytestmark = pytest.mark.kafka

DOCUMENTS, MORE = 7, 4
TIMEOUT_S = 120


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    made = Bus(embedded_kafka_factory(), tmp_path / "bus")
    yield made
    made.kill_all()


def _accepted(bus):
    return sum(entry.decision is Outcome.ACCEPTED for entry in bus.entries())


def test_documents_of_a_running_bus_are_found(bus, tmp_path, monkeypatch):
    """index, search, show, findings and export as a person runs them; a second index reads only what is new."""
    for name, value in bus.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    authority = str(bus.stage.sample.authority_certificate)
    data = str(tmp_path / "index")

    def run(*arguments):
        result = CliRunner().invoke(
            command.app, [*arguments, "--authority", authority], catch_exceptions=False
        )
        return result.exit_code, result.output

    bus.add_router("router-1")
    bus.add_agency(CIVIL_REGISTRY.agency)
    bus.start()
    bus.append(CIVIL_REGISTRY.agency, 0, DOCUMENTS)
    bus.wait(lambda: _accepted(bus) >= DOCUMENTS, TIMEOUT_S, "acceptance")

    assert (0, f"directory version 1; {DOCUMENTS} log entries read, {DOCUMENTS} documents added\n") == run(
        "index", "--data", data
    )
    bus.append(CIVIL_REGISTRY.agency, DOCUMENTS, MORE)
    bus.wait(lambda: _accepted(bus) >= DOCUMENTS + MORE, TIMEOUT_S, "acceptance")
    code, output = run("search", "--kind", "document", "--json", "--data", data, "--no-refresh")
    assert (0, DOCUMENTS) == (code, json.loads(output)["matches"])
    code, output = run("search", "--kind", "document", "--json", "--data", data)
    found = json.loads(output)
    assert (0, DOCUMENTS + MORE) == (code, found["matches"])
    assert f"{MORE} log entries read" not in run("index", "--data", data)[1]

    one = found["items"][0]
    code, shown = run("show", "document", one["id"], "--data", data)
    assert CIVIL_REGISTRY.agency == json.loads(shown)["headers"]["ce_source"].split("/")[2]
    assert "body" not in json.loads(shown)
    code, output = run("search", one["detail"]["record"]["record_id"], "--data", data)
    assert one["id"] in output
    assert (0, "0 findings\n") == run("findings", "--data", data)
    code, output = run("export", "asyncapi")
    assert (0, "3.1.0") == (code, json.loads(output)["asyncapi"])
    assert {0} == set(bus.stop().values())
