"""``govbus directory check`` and its friends, without a broker."""

import json

import pytest
import yaml
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


@pytest.mark.parametrize(("options", "told"), [((), "2 agreements"), (("--government",), "11 agreements")])
def test_sample_to_begin_from(tmp_path, options, told):
    """Either sample is a directory in which nothing is wrong."""
    folder = tmp_path / "directory"
    run("init", str(folder), *options)
    result = run("check", str(folder))

    assert 0 == result.exit_code
    assert told in result.output
    assert "no mistakes" in result.output


def test_apply_without_a_key(tmp_path):
    """A key that is not there is named."""
    folder = tmp_path / "directory"
    run("init", str(folder))

    with pytest.raises(ConfigError, match=r"none\.pem cannot be read"):
        run("apply", str(folder), "--key", "none.pem", "--certificate", "none.pem")


def test_check_with_warnings_alone(tmp_path):
    """Warnings are told as such, and the exit code is 0."""
    folder = tmp_path / "directory"
    run("init", str(folder))
    file = next((folder / "agreements").glob("*.yaml"))
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"review_due": "2020-01-01"}))
    result = run("check", str(folder))

    assert 0 == result.exit_code
    assert [
        f"warning: agreements/{file.name}: review_due: the review was due on 2020-01-01T23:59:59.999Z (DRM-3)",
        "bus.example: 4 agencies, 1 taxonomies, 2 data assets, 1 packages, 2 agreements, 1 warnings",
    ] == result.output.splitlines()


def test_check_names_the_rule(tmp_path):
    """A mistake that a rule of the standards is about names the rule."""
    folder = tmp_path / "directory"
    run("init", str(folder))
    file = next((folder / "agreements").glob("*.yaml"))
    fields = yaml.safe_load(file.read_text())
    del fields["legal_authority"]
    file.write_text(yaml.safe_dump(fields))
    result = run("check", str(folder))

    assert 1 == result.exit_code
    assert [f"agreements/{file.name}: legal_authority: this field is required (DRM-3)"] == (
        result.output.splitlines()
    )


def test_schemas(tmp_path):
    """One schema is printed as it is, all of them by kind; a folder gets one file for each."""
    one = json.loads(run("schema", "asset").output)
    every = json.loads(run("schema").output)
    folder = tmp_path / "schemas"

    assert "govbus directory: asset" == one["title"]
    assert one == every["asset"]
    assert f"wrote 7 schemas to {folder}\n" == run("schema", "--folder", str(folder)).output
    assert {f"{kind}.schema.json" for kind in every} == {path.name for path in folder.iterdir()}
    assert one == json.loads((folder / "asset.schema.json").read_text())


def test_schema_of_something_else(tmp_path):
    """A kind that there is none of, and a folder that cannot be made, are reported."""
    with pytest.raises(ConfigError, match="expected one of bus, agency"):
        run("schema", "person")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        run("schema", "--folder", str(tmp_path / "file" / "x"))
