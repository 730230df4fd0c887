"""The directory of exchange: taxonomies, data assets, code lists, message formats and whole agreements from files."""

import json

import pytest
import yaml

from govbus.document.finding import Severity
from govbus.document.ids import AgencyId
from govbus.errors import DirectoryError
from govbus.routing.codes import CodeLists
from govbus.routing.directory.entries import entry_from_json
from govbus.routing.directory.files import DirectoryFiles, directory_from_files
from govbus.routing.directory.model import (
    AssetKind,
    Contact,
    Impact,
    QueryPoint,
    RecordsSchedule,
    Restriction,
    Sector,
    SecurityCategory,
    TopicReference,
    TrafficMode,
)
from govbus.routing.directory.records import entry_key, entry_values
from govbus.routing.rules.rule import Profile
from govbus.schemas.compatibility import Compatibility
from govbus.service.sample_directory import CIVIL_REGISTRY, write_sample_directory

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000
BUS, TOPICS = "bus.yaml", "taxonomies/example-topics.yaml"
AGENCY, PACKAGE = "agencies/civil-registry.example.yaml", "packages/civil.person.yaml"
ASSET = "assets/civil-registry.example.persons.yaml"
AGREEMENT = "agreements/civil.person.civil-registry.example.yaml"
PERSONS = "civil-registry.example/persons"
LIST = {
    "list": "cui-categories",
    "title": "Categories of the example bus",
    "editions": [
        {
            "from": "2026-01-01",
            "source": "Example governing authority",
            "source_date": "2026-01-01",
            "codes": {"NO": {"name": "Norwegian files", "kinds": ["basic"]}},
        }
    ],
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample_directory(tmp_path_factory.mktemp("sample") / "directory", at_ms=AT_MS)


@pytest.fixture
def files(sample):
    """The sample's files, to be changed at will."""
    return {
        path.relative_to(sample.folder).as_posix(): path.read_bytes()
        for path in sample.folder.rglob("*")
        if path.is_file()
    }


def change(files, file, /, **fields):
    """Sets fields of one YAML file; None removes one."""
    content = (yaml.safe_load(files[file]) if file in files else {}) | fields
    files[file] = yaml.safe_dump({k: v for k, v in content.items() if v is not None}).encode()


def build(files):
    return directory_from_files(files, version=3, issued_ms=AT_MS, expires_ms=AT_MS + DAY_MS)


def told(files):
    """Returns every problem as text."""
    return [str(problem) for problem in DirectoryFiles(files, at_ms=AT_MS).problems]


def test_sample(files):
    """The sample has no mistake and no warning, and everything that the DRM names is found in it."""
    assert [] == told(files)
    directory = build(files)
    asset, package = directory.asset(PERSONS), directory.package("civil.person")

    assert "Persons" == directory.topic(TopicReference("example-topics", "persons")).name
    assert directory.topic(TopicReference("example-topics", "gardens")) is None
    assert directory.topic(TopicReference("gardens", "persons")) is None
    assert PERSONS == package.data_asset
    assert (AssetKind.DATABASE, CIVIL_REGISTRY) == (asset.kind, asset.steward.agency)
    assert "population" == directory.taxonomies["example-topics"].topics["persons"].broader
    assert {Profile.CORE, Profile.US_FEDERAL, Profile.DCAT_US, Profile.CUI} == directory.profiles
    assert 2 == len(directory.assets)


def test_bus_profiles(files):
    """Without profiles a bus has the core rules alone, and core cannot be left out."""
    change(files, BUS, profiles=None)
    assert {Profile.CORE} == build(files).profiles
    change(files, BUS, profiles=["niem"])
    assert {Profile.CORE, Profile.NIEM} == build(files).profiles


def test_agency(files):
    """Sector, country, lists and other identifiers of an agency are kept."""
    change(
        files,
        AGENCY,
        sector="contractor",
        country="USA",
        lists=["TASK FORCE"],
        external_ids={"us-omb": "015:45"},
    )
    agency = build(files).agency(CIVIL_REGISTRY.text)

    assert (Sector.CONTRACTOR, "USA", frozenset({"TASK FORCE"})) == (
        agency.sector,
        agency.country,
        agency.lists,
    )
    assert {"us-omb": "015:45"} == agency.external_ids


def test_asset(files):
    """Everything that DCAT-US asks of a dataset can be said of a data asset."""
    change(
        files,
        ASSET,
        geospatial="true",
        steward={
            "agency": "civil-registry.example",
            "contact": {"name": "a", "email": "a@b.example"},
            "department": "Files",
        },
        publisher="population-register.example",
        contact={"name": "c", "email": "c@d.example"},
        keywords=["one", "two"],
        modified="2026-03-01",
        access_level="restricted public",
        license="https://bus.example/licence",
        languages=["en", "fr-CA"],
        issued="2020-01-01T12:00:00+01:00",
        frequency="R/P1D",
        spatial="Example land",
        temporal="2020-01-01/2025-12-31",
        landing_page="https://civil-registry.example/persons#top",
        bureau_codes=["015:45"],
        program_codes=["015:001"],
        system_of_records="https://civil-registry.example/sorn",
        use_restriction={"status": "Unrestricted"},
        cui={"banner": "CUI//SP-TAX", "designation": "Controlled by: Example registry"},
    )
    asset = build(files).asset(PERSONS)

    assert (True, "Files") == (asset.is_geospatial, asset.steward.department)
    assert ("population-register.example", Contact("c", "c@d.example")) == (
        asset.publisher.text,
        asset.contact,
    )
    assert (1_772_323_200_000, 1_577_876_400_000) == (asset.modified_ms, asset.issued_ms)
    assert (("en", "fr-CA"), "R/P1D") == (asset.languages, asset.frequency)
    assert (("015:45",), ("015:001",)) == (asset.bureau_codes, asset.program_codes)
    assert (Restriction("Unrestricted"), "CUI//SP-TAX") == (asset.use_restriction, asset.cui.banner)
    assert "https://civil-registry.example/persons#top" == asset.landing_page
    assert ("Example land", "2020-01-01/2025-12-31") == (asset.spatial, asset.temporal)


def test_agreement(files):
    """Everything that CA-3 asks of an agreement, and what the rules look at, is kept."""
    change(
        files,
        AGREEMENT,
        mode="test",
        profiles=["nss"],
        impact={"c": "NA", "i": "LOW", "a": "HIGH"},
        cui={"categories": ["SP-TAX", "PRVCY"], "dissemination": ["FED ONLY"]},
        encryption="true",
        system_of_records="https://civil-registry.example/sorn",
        frequency="R/P1M",
        frequency_tolerance_percent=10,
        review_due="2027-06-30",
    )
    agreement = build(files).agreement("civil.person.civil-registry.example")

    assert (TrafficMode.TEST, frozenset({Profile.NSS})) == (agreement.mode, agreement.profiles)
    assert ("govbus.test.in.population-register.example",) == agreement.recipients
    assert SecurityCategory(Impact.NA, Impact.LOW, Impact.HIGH) == agreement.impact
    assert {"SP-TAX", "PRVCY"} == agreement.cui_categories
    assert {"FED ONLY"} == agreement.cui_dissemination
    assert (True, "R/P1M", 10) == (
        agreement.is_encryption_allowed,
        agreement.frequency,
        agreement.frequency_tolerance_percent,
    )
    assert 1_814_399_999_999 == agreement.review_due_ms
    assert {"non-pii", "non-sensitive-pii", "sensitive-pii"} == agreement.data_categories
    assert ("confidential", "Persons from Civil registry") == (agreement.classification, agreement.name)
    expected = RecordsSchedule("DAA-GRS-2017-0003-0002", "Event_age", "Destroy", 7, "final action")
    assert expected == agreement.records_schedule
    assert "https://civil-registry.example/sorn" == agreement.system_of_records


def test_package(files):
    """Topics, query points, compatibility and message formats of a package are kept, with the files' content."""
    schema = b'{"type": "object"}\n'
    files["niem/message.json"] = schema
    change(
        files,
        PACKAGE,
        compatibility="BACKWARD",
        query_points=[
            {"address": "https://civil-registry.example/query", "languages": ["HTTP GET"], "name": "Query"}
        ],
        niem=[
            {
                "syntax": "json",
                "place": "body.given_name",
                "files": ["niem/message.json"],
                "main": "niem/message.json",
                "context": {"nc": "https://docs.oasis-open.org/niemopen/ns/model/niem-core/6.0/"},
            }
        ],
    )
    package = build(files).package("civil.person")

    assert (Compatibility.BACKWARD, (TopicReference("example-topics", "persons"),)) == (
        package.compatibility,
        package.topics,
    )
    assert (
        QueryPoint("https://civil-registry.example/query", ("HTTP GET",), "Query"),
    ) == package.query_points
    assert {"niem/message.json": schema} == package.niem[0].schemas
    assert ("json", None) == (package.niem[0].syntax, package.niem[0].root)
    assert ["nc"] == list(package.niem[0].context)


def test_code_list(files):
    """A code list in the folder replaces the one that comes with govbus; its codes are text, whatever YAML thinks."""
    files["codes/cui-categories.yaml"] = yaml.safe_dump(LIST).replace("'NO'", "NO").encode()
    codes = build(files).codes

    assert {"NO": {"name": "Norwegian files", "kinds": ["basic"]}} == codes.codes("cui-categories", AT_MS)
    assert CodeLists.shipped().codes("genc-countries", AT_MS) == codes.codes("genc-countries", AT_MS)
    assert CodeLists.shipped().codes("cui-categories", AT_MS) == build(
        {name: octets for name, octets in files.items() if not name.startswith("codes/")}
    ).codes.codes("cui-categories", AT_MS)


def test_registered_by_the_lists_of_the_bus(files):
    """What enters the directory is judged by the bus's own code lists, in force at the time of registration."""
    change(files, AGREEMENT, cui={"categories": ["NO"]})
    assert [f"{AGREEMENT}: cui.categories.0: expected a code of the list cui-categories (CUI-1)"] == told(
        files
    )
    files["codes/cui-categories.yaml"] = yaml.safe_dump(LIST).encode()
    assert [] == told(files)


@pytest.mark.parametrize(
    ("editions", "field"),
    [
        ([], "editions"),
        ([LIST["editions"][0] | {"from": "soon"}], "editions.0.from"),
        ([LIST["editions"][0] | {"codes": {"A": {}}}], "editions.0.codes.A"),
        ([LIST["editions"][0]] * 2, "editions.1.from"),
    ],
)
def test_code_lists_that_are_none(files, editions, field):
    """A mistake in a code list is located, and so is one in an entry that was signed."""
    broken = LIST | {"editions": editions}
    change(files, "codes/x.yaml", **broken)

    assert [f"codes/x.yaml: {field}"] == [": ".join(one.split(": ")[:2]) for one in told(files)]
    with pytest.raises(ValueError, match=field):
        entry_from_json("codes", json.dumps(broken).encode())


def test_entries(files):
    """Every entry is read back from its bytes as it was; an asset's key has its agency and its name."""
    files["codes/cui-categories.yaml"] = yaml.safe_dump(LIST).encode()
    values = entry_values(DirectoryFiles(files, at_ms=AT_MS).content)
    kinds = {key.split("/")[0] for key in values}

    assert {"bus", "agency", "taxonomy", "asset", "package", "agreement", "codes"} == kinds
    assert any(key.startswith(f"asset/{PERSONS}/") for key in values)
    for key, octets in values.items():
        kind, _, rest = key.partition("/")
        entry = entry_from_json(kind, octets)
        assert rest.rpartition("/")[0] == entry.id
        assert key == entry_key(octets, f"{kind}/{entry.id}")


MISTAKES = {
    "topic twice": (
        TOPICS,
        {"topics": [{"id": "persons", "name": "a"}, {"id": "persons", "name": "b"}]},
        "topics.1.id: stands twice (DRM-5)",
    ),
    "topic above that is not there": (
        TOPICS,
        {"topics": [{"id": "persons", "name": "a", "broader": "x"}]},
        "topics.0.broader: there is no topic x (DRM-5)",
    ),
    "topic above itself": (
        TOPICS,
        {"topics": [{"id": "persons", "name": "a", "broader": "persons"}]},
        "topics.0.broader: the topic stands above itself (DRM-5)",
    ),
    "asset id without agency": (ASSET, {"id": "persons"}, "id: expected <agency id>/<name>"),
    "asset id with three parts": (ASSET, {"id": "a.example/b/c"}, "id: id must be dotted lower-case labels"),
    "asset id too long": (ASSET, {"id": "a.example/" + "b" * 111}, "id: expected <agency id>/<name>"),
    "unknown publisher": (
        ASSET,
        {"publisher": "tax.example"},
        "publisher: agency tax.example is not in the directory (DCAT-1)",
    ),
    "time span": (ASSET, {"temporal": "2020 to 2021"}, "temporal: expected the first and the last day"),
    "language": (ASSET, {"languages": ["english please"]}, "languages.0: expected a BCP 47"),
    "language that is not well-formed": (ASSET, {"languages": ["en-a-a"]}, "languages.0: expected a BCP 47"),
    "relative licence": (ASSET, {"license": "/licence"}, "license: expected an absolute URI"),
    "profile": (BUS, {"profiles": ["core", "all"]}, "profiles.1: should be 'core'"),
    "profile twice": (BUS, {"profiles": ["core", "core"]}, "profiles: expected every value once"),
    "country": (AGENCY, {"country": "us"}, "country: expected a GENC code of 3 capital letters"),
    "country that is none": (
        AGENCY,
        {"country": "XXZ"},
        "country: expected a code of the list genc-countries (CUI-5)",
    ),
    "scheme": (AGENCY, {"external_ids": {"duns": "1"}}, "external_ids.duns: this scheme is unknown"),
    "CGAC n/a": (
        AGENCY,
        {"external_ids": {"us-cgac": "n/a"}},
        "external_ids.us-cgac: expected the three digits",
    ),
    "message format elsewhere": (
        PACKAGE,
        {"niem": [{"syntax": "xml", "place": "record.title", "files": ["bus.yaml"], "main": "bus.yaml"}]},
        "niem.0.place: expected a path such as body.message",
    ),
    "message format without its file": (
        PACKAGE,
        {
            "niem": [
                {"syntax": "xml", "place": "body.given_name", "files": ["niem/a.xsd"], "main": "niem/a.xsd"}
            ]
        },
        "niem.0.files.0: there is no file niem/a.xsd",
    ),
    "message format whose main file is another": (
        PACKAGE,
        {
            "niem": [
                {"syntax": "xml", "place": "body.given_name", "files": ["bus.yaml"], "main": "niem/a.xsd"}
            ]
        },
        "niem.0.main: expected one of the format's files, bus.yaml",
    ),
    "category twice": (
        AGREEMENT,
        {"data_categories": ["sensitive-pii", "sensitive-pii"]},
        "data_categories: expected every value once",
    ),
    "no impact on integrity": (
        AGREEMENT,
        {"impact": {"c": "NA", "i": "NA", "a": "LOW"}},
        "impact.i: should be 'LOW', 'MOD' or 'HIGH', found 'NA' (SEC-1)",
    ),
    "tolerance": (AGREEMENT, {"frequency_tolerance_percent": -1}, "frequency_tolerance_percent: "),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, files):
    """Each mistake is reported once, with file, field, what was expected, and the rule where one asks for it."""
    file, fields, expected = MISTAKES[name]
    change(files, file, **fields)
    problems = told(files)

    assert 1 == len(problems), problems
    assert problems[0].startswith(f"{file}: {expected}"), problems


def test_everything_at_once(files):
    """Mistakes in several files are all told; what a broken file would have had is not said to be missing."""
    change(files, TOPICS, name=None)
    change(files, ASSET, rights=None)
    change(files, PACKAGE, query_points=[{"address": "x", "languages": ["y"]}])
    change(files, AGREEMENT, purpose=None, review_due=None)
    change(files, AGENCY, name=None)

    assert {
        f"{TOPICS}: name: this field is required",
        f"{ASSET}: rights: expected 1 to 255 characters, because not public (DCAT-3)",
        f"{PACKAGE}: query_points.0.address: expected an absolute URI (DRM-8)",
        f"{AGREEMENT}: purpose: this field is required (DRM-3)",
        f"{AGREEMENT}: review_due: this field is required (DRM-3)",
        f"{AGENCY}: name: this field is required",
    } == set(told(files))


def test_warnings_do_no_harm(files):
    """A directory with warnings alone may be published; they are told as such."""
    change(files, AGREEMENT, review_due="2026-01-01")
    read = DirectoryFiles(files, at_ms=AT_MS)

    assert [(Severity.WARN, "DRM-3", "review_due")] == [
        (one.severity, one.rule, one.field) for one in read.problems
    ]
    assert all(one.is_warning for one in read.problems)
    assert build(files).agreement("civil.person.civil-registry.example") is not None
    change(files, AGREEMENT, purpose=None)
    with pytest.raises(DirectoryError, match=r"purpose: this field is required \(DRM-3\)$"):
        build(files)


def test_new_schema_version(files):
    """A version that readers of the ones before cannot read is refused, and the version is named."""
    schema = json.loads(files["schemas/civil.person.v1.avsc"])
    schema["fields"].append({"name": "shoe_size", "doc": "Size of the shoes.", "type": "int"})
    files["schemas/civil.person.v2.avsc"] = json.dumps(schema).encode()
    lines = [
        {"file": f"schemas/civil.person.v{number}.avsc", "id": 99 + number, "version": number}
        for number in (2, 1)
    ]
    change(files, PACKAGE, schemas=lines)
    problems = told(files)

    assert [f"{PACKAGE}: schemas.0.definition"] == [one.split(".fields")[0] for one in problems]
    assert "version 1" in problems[0]
    assert problems[0].endswith("(AVR-2)")
    change(files, PACKAGE, compatibility="NONE")
    assert [] == told(files)


def test_publisher_of_another_sector(files):
    """Bureau codes are asked of an asset only where a federal agency publishes it."""
    change(files, AGENCY, sector="federal")
    assert [
        f"{ASSET}: {field}: expected at least one code, because a federal agency publishes the data asset (DCAT-1)"
        for field in ("bureau_codes", "program_codes")
    ] == told(files)
    change(files, ASSET, publisher="health-fund.example")
    assert [] == told(files)


def test_agencies_of_a_directory(files):
    """An agency that holds a data asset must take part."""
    change(files, ASSET, id="tax.example/persons")
    change(files, PACKAGE, data_asset="tax.example/persons")

    assert AgencyId("tax.example").text in told(files)[0]
    assert 1 == len(told(files))


def niem(files, **fields):
    """Switches NIEM on and gives the package one message format."""
    files["niem/message.json"] = (
        b'{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}'
    )
    one = {
        "syntax": "json",
        "place": "body.record_id",
        "files": ["niem/message.json"],
        "main": "niem/message.json",
        "context": {"nc": "https://docs.oasis-open.org/niemopen/ns/model/niem-core/6.0/"},
    }
    change(files, BUS, profiles=["core", "niem"])
    change(files, PACKAGE, niem=[one | fields])


def test_message_formats_that_cannot_be_used(files):
    """With profile niem, a message format that does not compile or has no place is refused when it is registered."""
    niem(files, place="body.shoe_size")
    assert [f"{PACKAGE}: niem.0.place"] == [": ".join(one.split(": ")[:2]) for one in told(files)]
    assert told(files)[0].endswith("(NDR-13)")
    niem(files, place=text_field(files))
    assert [] == told(files)
    files["niem/message.json"] = b"{"
    problems = told(files)
    assert problems
    assert all(one.startswith(f"{PACKAGE}: niem.0.") and one.endswith("(NDR-13)") for one in problems)
    change(files, BUS, profiles=["core"])
    assert [] == told(files)


def text_field(files):
    """Returns the place of a field of the payload that holds text."""
    fields = json.loads(files["schemas/civil.person.v1.avsc"])["fields"]
    return "body." + next(one["name"] for one in fields if one["type"] in ("string", ["null", "string"]))


def test_names_of_schemas_that_say_they_are_niem(files):
    """With profile niem, a schema that says it is NIEM is warned of names that are not NIEM's."""
    schema = json.loads(files["schemas/civil.person.v1.avsc"])
    namespace = "https://docs.oasis-open.org/niemopen/ns/model/niem-core/6.0/"
    schema["govbus.niem"] = {"namespace": namespace, "version": "6.0", "language": "en-US"}
    files["schemas/civil.person.v1.avsc"] = json.dumps(schema).encode()
    assert [] == told(files)
    change(files, BUS, profiles=["core", "niem"])
    problems = DirectoryFiles(files, at_ms=AT_MS).problems

    assert {("NDR-7", Severity.WARN)} == {(one.rule, one.severity) for one in problems}
    assert all(one.field.startswith("schemas.0.definition.fields.1.type") for one in problems)
