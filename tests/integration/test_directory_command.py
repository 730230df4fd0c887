"""``govbus directory`` against a real Kafka."""

import asyncio

import pytest
from typer.testing import CliRunner

from govbus.cli import directory as command
from govbus.document import topics
from govbus.errors import DirectoryError
from govbus.transport.base import TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport

pytestmark = pytest.mark.kafka


async def _create_topic(bootstrap):
    administrator = KafkaTransport(KafkaConnection(bootstrap)).administrator()
    await administrator.start()
    await administrator.create_topics([TopicSpec(topics.DIRECTORY, 1, 1, {"cleanup.policy": "compact"})])
    await administrator.stop()


def test_commands(embedded_kafka_factory, tmp_path, monkeypatch):
    """init, check, apply, apply again and show, as a person runs them."""
    kafka_bootstrap = embedded_kafka_factory().start(90)
    asyncio.run(_create_topic(kafka_bootstrap))
    monkeypatch.setenv("GOVBUS_KAFKA__BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("COLUMNS", "200")
    folder = str(tmp_path / "directory")
    key, certificate = f"{folder}/keys/authority.key.pem", f"{folder}/certificates/authority.pem"

    def run(*arguments):
        result = CliRunner().invoke(command.app, list(arguments), catch_exceptions=False)
        return result.exit_code, result.output

    assert f"govbus directory apply {folder} --key {key}" in run("init", folder)[1]
    assert (
        0,
        "bus.example: 4 agencies, 1 taxonomies, 2 data assets, 1 packages, 2 agreements, no mistakes\n",
    ) == run("check", folder)
    assert (0, "published version 1, 11 entries new\n") == run(
        "apply", folder, "--key", key, "--certificate", certificate
    )
    assert (0, "nothing to do: version 1 says the same\n") == run(
        "apply", folder, "--key", key, "--certificate", certificate
    )
    code, shown = run("show", "--authority", certificate)
    assert 0 == code
    assert "version 1 by Example governing authority" in shown
    assert "civil.person.health-fund.example" in shown
    with pytest.raises(DirectoryError, match="no version 7"):
        run("show", "7", "--authority", certificate)
