"""JSON Schemas for editors: they accept what the sample says, and underline what is wrong in it."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from govbus.routing.directory.editor import editor_schema, schema_file, schema_line
from govbus.routing.directory.entries import AgreementEntry
from govbus.routing.directory.file_models import FILE_MODELS, FOLDERS
from govbus.routing.yaml_text import yaml_text
from govbus.service.sample_directory import write_sample_directory
from govbus.testing.example_yaml import example_fields

AT_MS = 1_795_466_700_000
CODES = {
    "list": "cui-categories",
    "title": "Categories",
    "editions": [
        {
            "from": "2026-01-01",
            "source": "Example",
            "source_date": "2026-01-01",
            "codes": {"X": {"name": "Example", "kinds": ["basic"]}},
        }
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sample_directory(tmp_path_factory.mktemp("sample") / "directory", at_ms=AT_MS).folder


def parsed(path):
    """Returns a file as an editor reads it; the sample quotes what YAML 1.1 would take for a date."""
    return yaml.safe_load(path.read_text())


def kind_of(name):
    folder, slash, _ = name.rpartition("/")
    return FOLDERS[folder + "/"] if slash else "bus"


def mistakes(kind, content):
    """Returns the paths at which a schema underlines something."""
    validator = jsonschema.Draft202012Validator(editor_schema(kind))
    return sorted(".".join(map(str, error.absolute_path)) for error in validator.iter_errors(content))


@pytest.mark.parametrize("kind", FILE_MODELS)
def test_schemas_are_schemas(kind):
    """Each is a JSON Schema of its dialect, in which every field of a file is explained and none may be null."""
    schema = editor_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)

    assert f"govbus directory: {kind}" == schema["title"]
    assert not [name for name, field in schema["properties"].items() if not field.get("description")]
    assert '"null"' not in json.dumps(schema)


def test_the_sample(folder):
    """Every YAML file of the sample is valid by the schema that its first line names."""
    files = sorted(path for path in folder.rglob("*.yaml"))
    kinds = set()
    for path in files:
        name = path.relative_to(folder).as_posix()
        kinds.add(kind_of(name))
        line = path.read_text().splitlines()[0]
        assert schema_line(name).rstrip() == line
        schema = (path.parent / line.partition("$schema=")[2]).resolve()
        assert editor_schema(kind_of(name)) == json.loads(schema.read_text())
        assert [] == mistakes(kind_of(name), parsed(path)), name
    assert set(FILE_MODELS) - {"codes"} == kinds
    assert [] == mistakes("codes", CODES)


@pytest.mark.parametrize(
    ("name", "change", "path"),
    [
        ("bus.yaml", {"profiles": ["everything"]}, "profiles.0"),
        ("bus.yaml", {"validity_days": 0}, "validity_days"),
        ("agencies/bus.example.yaml", {"country": "us"}, "country"),
        ("taxonomies/example-topics.yaml", {"topics": []}, "topics"),
        ("assets/health-fund.example.persons.yaml", {"id": "persons"}, "id"),
        ("assets/health-fund.example.persons.yaml", {"access_level": "open"}, "access_level"),
        ("packages/civil.person.yaml", {"frequency": "daily"}, "frequency"),
        ("packages/civil.person.yaml", {"types": ["person"]}, "types.0"),
        ("agreements/civil.person.health-fund.example.yaml", {"impact": {"c": "NA", "i": "NA"}}, "impact.i"),
        ("agreements/civil.person.health-fund.example.yaml", {"valid_to": "soon"}, "valid_to"),
        ("agreements/civil.person.health-fund.example.yaml", {"colour": "red"}, ""),
    ],
)
def test_broken_files(folder, name, change, path):
    """A file with one mistake is underlined where the mistake is."""
    content = parsed(folder / name) | change

    assert path in mistakes(kind_of(name), content)


@pytest.mark.parametrize("kind", ["agreement", "package", "asset"])
def test_missing_fields(folder, kind):
    """Each field that a file must have is missed by the schema too."""
    place = next(place for place, one in FOLDERS.items() if one == kind)
    content = parsed(next((folder / place).glob("*.yaml")))
    required = [name for name, field in FILE_MODELS[kind].model_fields.items() if field.is_required()]

    assert required
    for name in required:
        assert [""] == mistakes(kind, {key: value for key, value in content.items() if key != name})


def test_file_names():
    """Schemas are found from a file in a folder and from the one above."""
    assert "agreement.schema.json" == schema_file("agreement")
    assert "# yaml-language-server: $schema=editor/bus.schema.json\n" == schema_line("bus.yaml")
    assert "# yaml-language-server: $schema=../editor/asset.schema.json\n" == schema_line("assets/x.yaml")


def test_the_example_of_the_specification():
    """The agreement that docs/specs/directory.md shows is one, for the schema and for the reader alike."""
    page = (Path(__file__).parents[4] / "docs" / "specs" / "directory.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]

    assert (
        "civil.person.civil-registry.example" == AgreementEntry.model_validate(yaml_text(example.encode())).id
    )
    assert [] == mistakes("agreement", example_fields(example))
