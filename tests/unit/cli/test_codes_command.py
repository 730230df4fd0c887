"""``govbus codes``: lists are shown with their sources, and a further edition gets into a directory folder."""

import json

import pytest
from typer.testing import CliRunner

from govbus.cli import codes as command
from govbus.errors import ConfigError
from govbus.routing.codes import CodeLists
from govbus.routing.codes.files import read_code_list
from govbus.routing.codes.lists import moment_ms
from govbus.routing.directory.files import directory_from_files
from govbus.service.directory.publishing import read_folder
from govbus.service.sample_directory import write_sample_directory

AT_MS = 1_795_466_700_000
LIST = "cui-supplemental"
UPDATE = """
list: cui-supplemental
title: Supplemental administrative markings
editions:
  - from: 2027-01-01
    source: NARA CUI Registry
    source_date: 2026-12-01
    codes:
      DELIBERATIVE: {name: In a deliberative status}
      DRAFT: {name: Not final}
      ON HOLD: {name: Waits for something}
"""


def run(*arguments):
    result = CliRunner().invoke(command.app, list(map(str, arguments)), catch_exceptions=False)
    assert 0 == result.exit_code
    return result.output


@pytest.fixture
def update(tmp_path):
    path = tmp_path / "update.yaml"
    path.write_text(UPDATE)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "directory"
    path.mkdir()
    return path


def test_list_has_every_list():
    """Every shipped list is there in both forms, with its count."""
    listed = {one["list"]: one["editions"][-1]["codes"] for one in json.loads(run("list", "--json"))}
    assert {one.id: len(one.editions[-1].codes) for one in CodeLists.shipped().lists.values()} == listed
    table = run("list")
    assert all(one in table for one in listed)


def test_list_of_one_names_its_source():
    """The editions of one list are shown with their sources."""
    assert "NIEM" in run("list", LIST)
    (one,) = json.loads(run("list", LIST, "--json"))
    assert ("2025-01-01", 5) == (one["editions"][0]["from"], one["editions"][0]["codes"])


def test_show():
    """All codes, or one of them, in both forms."""
    assert "PRE-DECISIONAL" in run("show", LIST)
    assert "General Privacy" in run("show", "cui-categories", "PRVCY")
    assert {"PRVCY": {"name": "General Privacy", "kinds": ["basic", "specified"]}} == json.loads(
        run("show", "cui-categories", "PRVCY", "--json")
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "nonsense"], "no list"),
        (["show", "nonsense"], "no list"),
        (["show", LIST, "NONSENSE"], "no code"),
        (["show", LIST, "--at", "yesterday"], "expected a day"),
    ],
)
def test_what_is_not_there_is_said(arguments, words):
    """A list, code or time that does not exist is answered with what to do."""
    with pytest.raises(ConfigError, match=words):
        run(*arguments)


def test_update_adds_an_edition_behind_the_others(update, folder):
    """The folder gets the shipped editions and the new one, and what changes is shown."""
    output = run("update", update, "--directory", folder)
    assert "added 1: ON HOLD" in output
    assert "removed 3: PRE-DECISIONAL, PROVISIONAL, PROVISIONAL - IN WORK" in output
    assert "changed 1: DRAFT" in output
    found, _ = read_code_list((folder / "codes" / f"{LIST}.yaml").read_bytes())
    assert CodeLists.shipped().lists[LIST].editions == found.editions[:-1]
    assert {"DELIBERATIVE", "DRAFT", "ON HOLD"} == set(found.editions[-1].codes)


def test_show_by_the_edition_of_a_time(update, folder):
    """With a folder, codes are shown as its lists have them at the time."""
    run("update", update, "--directory", folder)
    for at, count in (("2026-12-31", 5), ("2027-01-01", 3)):
        assert count == len(json.loads(run("show", LIST, "--at", at, "--directory", folder, "--json")))


def test_update_continues_what_the_folder_has(update, folder):
    """A second update stands behind the first, in the same file."""
    run("update", update, "--directory", folder)
    (folder / "codes" / f"{LIST}.yaml").rename(folder / "codes" / "supplemental.yml")
    update.write_text(UPDATE.replace("2027-01-01", "2028-01-01"))
    assert "nothing differs but the date" in run("update", update, "--directory", folder)
    (path,) = (folder / "codes").iterdir()
    found, _ = read_code_list(path.read_bytes())
    assert [moment_ms(f"{year}-01-01") for year in (2025, 2027, 2028)] == [
        one.from_ms for one in found.editions
    ]


def test_update_twice_is_refused(update, folder):
    """An edition that is not later than the last changes what documents were judged by, and is refused."""
    run("update", update, "--directory", folder)
    before = (folder / "codes" / f"{LIST}.yaml").read_bytes()
    with pytest.raises(ConfigError, match="expected an edition from after 2027-01-01"):
        run("update", update, "--directory", folder)
    assert before == (folder / "codes" / f"{LIST}.yaml").read_bytes()


def test_update_of_a_new_list(update, folder):
    """A list that nobody ships becomes one of the directory's own."""
    update.write_text(UPDATE.replace(LIST, "court-chambers"))
    assert "a new list of 3 codes" in run("update", update, "--directory", folder)
    assert 3 == len(json.loads(run("show", "court-chambers", "--directory", folder, "--json")))


def test_check_writes_nothing(update, folder):
    """With --check the difference is shown and the folder stays as it was."""
    assert "added 1: ON HOLD" in run("update", update, "--directory", folder, "--check")
    assert [] == list(folder.iterdir())


def test_mistakes_are_located(update, folder):
    """Every mistake is said with file and field, and nothing is written."""
    update.write_text(UPDATE.replace("{name: Not final}", "Not final").replace("2027-01-01", "soon"))
    result = CliRunner().invoke(command.app, ["update", str(update), "--directory", str(folder)])
    assert 1 == result.exit_code
    assert f"{update}: editions.0.from: expected a day" in result.stderr
    assert f"{update}: editions.0.codes.DRAFT: expected at least a name" in result.stderr
    assert [] == list(folder.iterdir())


def test_the_directory_takes_the_list(update, tmp_path):
    """What update writes is a file of the directory, and documents are judged by it from its day on."""
    folder = tmp_path / "sample"
    write_sample_directory(folder, at_ms=AT_MS)
    run("update", update, "--directory", folder)
    files = read_folder(folder)
    assert [] == [str(problem) for problem in files.problems]
    octets = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "keys" not in path.parts
    }
    directory = directory_from_files(octets, version=1, issued_ms=AT_MS, expires_ms=AT_MS + 1_000_000)
    assert 5 == len(directory.codes.codes(LIST, moment_ms("2027-01-01") - 1))
    assert 3 == len(directory.codes.codes(LIST, moment_ms("2027-01-01")))
