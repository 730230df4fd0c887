"""Our AsyncAPI document by the official AsyncAPI parser, which runs in Node."""

import json
import subprocess

import pytest

from govbus.routing.catalogue.asyncapi import asyncapi_document
from govbus.testing.example_bus import ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE

from .node_tools import installed

pytestmark = pytest.mark.conformance_set("asyncapi")

CHECK_TIMEOUT_S = 120


@pytest.fixture(scope="session")
def parser(tmp_path_factory):
    """Returns the diagnostics of the official parser; it is installed by its lock, once for a lock."""
    node, built = installed("asyncapi")
    folder = tmp_path_factory.mktemp("asyncapi")

    def diagnostics(document):
        file = document
        if isinstance(document, dict):
            file = folder / "document.json"
            file.write_text(json.dumps(document), encoding="utf-8")
        result = subprocess.run(
            [node, "check.js", str(file)],
            check=False,
            cwd=built,
            capture_output=True,
            timeout=CHECK_TIMEOUT_S,
            text=True,
        )
        assert result.returncode in {0, 1}, result.stderr
        found = json.loads(result.stdout)
        assert result.returncode == any(one["severity"] == "error" for one in found)
        return found

    return diagnostics


@pytest.fixture(scope="module")
def document():
    """The description of a bus with every optional field."""
    return asyncapi_document(ExampleBus.of(RICH_EXAMPLE).directory(), broker="kafka.bus.example:9092")


@pytest.mark.parametrize("name", ["streetlights-kafka-asyncapi.yml", "adeo-kafka-request-reply-asyncapi.yml"])
def test_examples_of_others_are_accepted(conformance_data, parser, name):
    """The parser takes the documents of others; a check that found fault with everything would show nothing."""
    assert [] == parser(conformance_data / "asyncapi" / name)


def test_the_bus_is_described_as_the_standard_asks(parser, document):
    """The parser and its Avro plug-in find nothing at all, not even a hint."""
    assert [] == parser(document)


def test_a_bus_without_a_broker_is_described_too(parser):
    """Where no broker is named the document has no servers, and the parser finds nothing."""
    found = asyncapi_document(ExampleBus.of({}).directory())

    assert "servers" not in found
    assert [] == parser(found)


def _without_channel(document):
    channels = dict(document["channels"])
    del channels["govbus.log"]
    return document | {"channels": channels}


def _wrong_avro(document):
    broken = json.loads(json.dumps(document))
    broken["components"]["messages"]["tax.rates.v1"]["payload"]["schema"]["fields"][0]["type"] = (
        "no-such-type"
    )
    return broken


def _wrong_action(document):
    broken = json.loads(json.dumps(document))
    next(iter(broken["operations"].values()))["action"] = "shout"
    return broken


@pytest.mark.parametrize("breaking", [_without_channel, _wrong_avro, _wrong_action])
def test_a_broken_copy_is_refused(parser, document, breaking):
    """With one thing broken, a channel, a payload schema or an action, the parser reports an error."""
    assert "error" in {one["severity"] for one in parser(breaking(document))}
