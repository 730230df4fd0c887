"""``govbus witness`` as a person runs it."""

import json

import pytest
from typer.testing import CliRunner

from govbus.cli import witness as command
from govbus.errors import ConfigError
from govbus.message_log.policy import Policy


def _run(*arguments):
    return CliRunner().invoke(command.app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_keys_and_show(tmp_path):
    """The lines that are printed make a policy; a new witness has cosigned nothing."""
    folder = tmp_path / "witness"
    made = _run(
        "keys",
        folder,
        "--name",
        "court.example/witness",
        "--url",
        "https://w.example",
        "--policy-name",
        "court",
    )
    policy = Policy.from_text(made.stdout + "quorum court\n")

    assert ["court-ml-dsa-44", "court-ed25519"] == [witness.name for witness in policy.witnesses]
    assert {"https://w.example"} == {witness.url for witness in policy.witnesses}
    assert "stays on the machine" in made.stderr
    shown = json.loads(_run("show", folder, "--json").stdout)
    assert ("court.example/witness", [], []) == (shown["name"], shown["logs"], shown["refused"])
    assert [witness.verifier.to_vkey() for witness in policy.witnesses] == shown["verifier_keys"]
    assert "witness court.example/witness\n" == _run("show", folder).stdout


@pytest.mark.parametrize(
    "options", [("--url", "https://a b"), ("--policy-name", "a b"), ("--policy-name", "none"), ("--url", " ")]
)
def test_words_that_no_policy_holds(tmp_path, options):
    """A name or URL that would break the policy is refused before keys are made."""
    with pytest.raises(ConfigError, match="hold no space"):
        _run("keys", tmp_path / "witness", "--name", "court.example/witness", *options)
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize("text", ["", "log x\n", None])
def test_serve_without_usable_logs(tmp_path, text):
    """A file of logs that is missing, breaks the grammar or names no log ends the command."""
    _run("keys", tmp_path / "witness", "--name", "court.example/witness")
    logs = tmp_path / "logs.policy"
    if text is not None:
        logs.write_text(text)
    with pytest.raises(ConfigError):
        _run("serve", "--keys", tmp_path / "witness", "--logs", logs, "--http", "127.0.0.1:0")


def test_show_without_keys(tmp_path):
    """A folder without a witness is named, with what makes one."""
    with pytest.raises(ConfigError, match="govbus witness keys"):
        _run("show", tmp_path)
