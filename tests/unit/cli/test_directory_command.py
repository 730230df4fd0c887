"""``govbus directory check`` and its friends, without a broker."""

import pytest
from typer.testing import CliRunner

from govbus.cli import directory as command
from govbus.errors import ConfigError


def run(*arguments):
    return CliRunner().invoke(command.app, list(arguments), catch_exceptions=False)


def test_check_lists_every_mistake(tmp_path):
    """Every mistake is listed on a line of its own, and the exit code is 1."""
    folder = tmp_path / "directory"
    run("init", str(folder))
    (folder / "agencies" / "a.yaml").write_text("id: a\n")
    (folder / "agencies" / "b.yaml").write_text("id: b\ncolour: red\n")
    result = run("check", str(folder))

    assert 1 == result.exit_code
    assert [
        "agencies/a.yaml: name: this field is required",
        "agencies/b.yaml: name: this field is required",
        "agencies/b.yaml: colour: this field is unknown",
    ] == result.output.splitlines()


def test_apply_without_a_key(tmp_path):
    """A key that is not there is named."""
    folder = tmp_path / "directory"
    run("init", str(folder))

    with pytest.raises(ConfigError, match=r"none\.pem cannot be read"):
        run("apply", str(folder), "--key", "none.pem", "--certificate", "none.pem")
