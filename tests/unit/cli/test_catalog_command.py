"""``govbus catalog`` on a folder of directory files: what a person sees, and how the command ends."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from govbus.cli import catalog as command
from govbus.errors import ConfigError, MissingPartError
from govbus.service.sample_directory import write_sample_directory
from govbus.testing.example_bus import BASE_AT_MS, ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The rich example bus as a folder of files."""
    made = tmp_path_factory.mktemp("catalog")
    for name, octets in ExampleBus.of(RICH_EXAMPLE).files._files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(octets)
    return made


def _run(*arguments):
    result = CliRunner().invoke(command.app, [str(one) for one in arguments], catch_exceptions=False)
    return result.exit_code, result.output


def test_search_shows_a_table_and_facets(folder, monkeypatch):
    """Results stand in a table with how many there are; facets have counts."""
    monkeypatch.setenv("COLUMNS", "200")
    code, output = _run("search", "rates", "--directory", folder, "--facets")

    assert 0 == code
    assert "tax.example/rates" in output
    assert "found," in output
    assert "kind:" in output
    assert "public" in output


def test_search_as_json_with_every_filter(folder):
    """Every filter is taken at once; the result is JSON with matches, facets and details."""
    code, output = _run(
        *(
            "search",
            "rates",
            "--json",
            "--directory",
            folder,
            "--kind",
            "agreement",
            "--agency",
            "court.example",
        ),
        *("--topic", "taxes", "--classification", "public", "--access-level", "public"),
        *("--from", "2026-01-01", "--to", "2026-12-31T00:00:00Z", "--limit", "5"),
    )

    found = json.loads(output)
    assert (0, 1) == (code, found["matches"])
    assert ["tax-rates"] == [one["id"] for one in found["items"]]
    assert "court.example" in found["items"][0]["detail"]["consumers"]


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_time_that_is_none(folder, option):
    """A moment that is none is told with its option."""
    with pytest.raises(ConfigError, match=f"{option}: expected a day"):
        _run("search", "--directory", folder, option, "yesterday")


def test_titles_cannot_paint_the_terminal():
    """Control characters and markup of a title are shown, not obeyed."""
    assert "\\[red]�\\[/red]" == command._safe("[red]\x1b[/red]")


def test_show(folder):
    """One thing is shown as JSON with everything that is known of it; an unknown id ends in one sentence."""
    code, output = _run("show", "schema", "tax.rates/1", "--directory", folder)

    assert 0 == code
    assert {"field": "rate", "doc": "Rate in percent."} in json.loads(output)["fields"]
    with pytest.raises(MissingPartError, match="there is no asset nowhere"):
        _run("show", "asset", "nowhere", "--directory", folder)


def test_exports_are_written(folder, tmp_path):
    """Each form is written to standard output, or to a file."""
    for form, word in (("dcat-us-1.1", "dcat:Catalog"), ("dcat-us-3.0", "Catalog"), ("asyncapi", "3.1.0")):
        code, output = _run("export", form, "--directory", folder, "--server", "kafka:9092")
        assert 0 == code
        assert word in json.dumps(json.loads(output))
        assert "kafka:9092" in output
    file = tmp_path / "c.odcs.yaml"
    assert (0, f"wrote {file}\n") == _run(
        "export", "odcs", "tax-rates", "--directory", folder, "--output", file
    )
    assert "tax-rates" == yaml.safe_load(file.read_text("utf-8"))["id"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["odcs"], ConfigError, "name it"),
        (["odcs", "nowhere"], MissingPartError, "there is no agreement nowhere"),
        (["asyncapi", "tax-rates"], ConfigError, "leave the agreement out"),
        (["asyncapi", "--output", "/nowhere/x.json"], ConfigError, "cannot be written"),
    ],
)
def test_exports_that_cannot_be(folder, arguments, error, words):
    """What is missing or too much is one sentence with what to do."""
    with pytest.raises(error, match=words):
        _run("export", *arguments, "--directory", folder)


def test_import(folder, tmp_path):
    """A contract becomes files of a new folder; what the directory has no place for is said."""
    file = tmp_path / "c.odcs.yaml"
    _run("export", "odcs", "tax-rates", "--directory", folder, "--output", file)
    file.write_text(file.read_text("utf-8") + "price: {priceAmount: 1}\n", encoding="utf-8")
    target = tmp_path / "new"
    write_sample_directory(target, at_ms=BASE_AT_MS)

    code, output = _run("import-odcs", file, "--directory", target)

    assert 0 == code
    assert "wrote agreements/tax-rates.yaml" in output
    assert "the directory has no place for: price" in output
    assert (target / "packages/tax.rates.yaml").exists()


def test_without_folder_and_authority_nothing_is_guessed(tmp_path):
    """Neither a folder nor an authority: the command says which option it needs."""
    for arguments in (["search"], ["export", "asyncapi"], ["findings"]):
        with pytest.raises(ConfigError, match="--authority"):
            _run(*arguments, *([] if arguments[0] == "export" else ["--data", tmp_path]))
