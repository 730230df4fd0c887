"""A directory from files: what it becomes, and where each mistake is reported."""

import json

import pytest
import yaml

from govbus.document.ids import AgencyId
from govbus.errors import DirectoryError
from govbus.routing.directory.files import DirectoryFiles, directory_from_files
from govbus.routing.directory.model import AgreementStatus, Delivery
from govbus.service.sample_directory import (
    BUS,
    CIVIL_REGISTRY,
    HEALTH_FUND,
    POPULATION_REGISTER,
    write_sample_directory,
)
from govbus.signing.certificates import Certificate
from govbus.signing.issuing import CertificateAuthority

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000
PERSON = "packages/civil.person.yaml"
SEAL = "agencies/civil-registry.example.yaml"
AGREEMENT = "agreements/civil.person.civil-registry.example.yaml"


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
    content = yaml.safe_load(files[file]) | fields
    files[file] = yaml.safe_dump({k: v for k, v in content.items() if v is not None}).encode()


def build(files):
    return directory_from_files(files, version=3, issued_ms=AT_MS, expires_ms=AT_MS + DAY_MS)


def test_sample(files, sample):
    """The sample becomes a directory in which everything is found."""
    directory = build(files)
    agreement = directory.agreement("civil.person.health-fund.example")
    thumbprint = Certificate.from_pem(sample.certificate(HEALTH_FUND).read_bytes()).thumbprint

    assert (3, BUS, AT_MS, AT_MS + DAY_MS) == (
        directory.version,
        directory.bus,
        directory.issued_ms,
        directory.expires_ms,
    )
    assert "Health fund" == directory.agency("health-fund.example").name
    assert HEALTH_FUND == directory.certificate(thumbprint).agency
    assert (HEALTH_FUND, (POPULATION_REGISTER,)) == (agreement.supplier, agreement.consumers)
    assert ("govbus.in.population-register.example",) == agreement.recipients
    assert (Delivery.INBOX, AgreementStatus.ACTIVE) == (agreement.delivery, agreement.status)
    assert "desk@health-fund.example" == agreement.contacts[HEALTH_FUND].email
    assert (100,) == directory.package("civil.person").schema_ids
    assert "https://bus.example/schemas/civil.person/1" == directory.schemas.by_id(100).uri


def test_what_is_not_there(files):
    """Unknown ids and thumbprints are answered with None."""
    directory = build(files)

    assert [None] * 4 == [
        directory.agency("tax.example"),
        directory.certificate("x"),
        directory.package("tax.return"),
        directory.agreement("none"),
    ]


def test_agreements_of(files):
    """An agency's agreements are those in which it supplies or consumes."""
    directory = build(files)

    assert ["civil.person.civil-registry.example"] == [a.id for a in directory.agreements_of(CIVIL_REGISTRY)]
    assert 2 == len(directory.agreements_of(POPULATION_REGISTER))
    assert () == directory.agreements_of(AgencyId("tax.example"))


def test_publication(files):
    """A package that is published has its publication topic as the only recipient."""
    change(files, PERSON, delivery="publish")

    assert ("govbus.pub.civil.person",) == build(files).agreement(
        "civil.person.health-fund.example"
    ).recipients


def test_days(files):
    """A day as valid_from begins, and as valid_to ends, with the day in UTC."""
    change(files, AGREEMENT, valid_from="2026-01-31", valid_to="2026-02-01")
    agreement = build(files).agreement("civil.person.civil-registry.example")

    assert 1_769_817_600_000 == agreement.valid_from_ms
    assert agreement.valid_from_ms + 2 * DAY_MS - 1 == agreement.valid_to_ms


def test_revoked(files):
    """A revocation is kept with its moment."""
    file = "certificates/civil-registry.example.pem"
    change(files, SEAL, certificates=[{"file": file, "revoked": "2026-02-01T10:00:00.5+01:00"}])
    thumbprint = Certificate.from_pem(files[file]).thumbprint

    assert 1_769_936_400_500 == build(files).certificate(thumbprint).revoked_ms


def test_expiry(files):
    """A directory is good up to its last moment and not a millisecond longer."""
    directory = build(files)

    directory.require_current(AT_MS + DAY_MS)
    with pytest.raises(DirectoryError, match="version 3 of the directory expired on 2026-11-24"):
        directory.require_current(AT_MS + DAY_MS + 1)


def test_private_key_stays_out(files, sample):
    """A private key in a certificate's file never becomes part of the directory."""
    file = "certificates/civil-registry.example.pem"
    files[file] += sample.key(CIVIL_REGISTRY).read_bytes()

    entries = [entry.model_dump_json() for entry in DirectoryFiles(files, at_ms=AT_MS).content.entries()]

    assert any("BEGIN CERTIFICATE" in entry for entry in entries)
    assert not any("PRIVATE KEY" in entry for entry in entries)


def foreign_pem(subject="x"):
    authority = CertificateAuthority.create("Foreign root", at_ms=AT_MS - DAY_MS)
    return authority.issue(subject, not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS).certificate_pem


PARTY = {"agency": "population-register.example", "contact": {"name": "a", "email": "a@b"}}
BODY = {"type": "record", "name": "x.B", "doc": "A body.", "fields": []}
MISTAKES = {
    "no bus file": (lambda f: f.pop("bus.yaml"), "bus.yaml: this file is required"),
    "file in no known place": (
        lambda f: f.update({"agency/x.yaml": b""}),
        "agency/x.yaml: expected bus.yaml, or a .yaml file in",
    ),
    "file in a folder below": (
        lambda f: f.update({"agencies/old/x.yaml": b""}),
        "agencies/old/x.yaml: expected bus.yaml, or a .yaml file in",
    ),
    "not YAML": (lambda f: f.update({SEAL: b"id: [\n"}), f"{SEAL}: line 2, column 1: "),
    "not UTF-8": (lambda f: f.update({SEAL: b"id: \xff\n"}), f"{SEAL}: is not a YAML file in UTF-8"),
    "name twice": (
        lambda f: f.update({SEAL: b"id: a\nid: b\n"}),
        f"{SEAL}: line 2, column 1: 'id' stands twice",
    ),
    "python object": (
        lambda f: f.update({SEAL: b"!!python/object/apply:os.system [ls]"}),
        f"{SEAL}: ",
    ),
    "unknown field": (lambda f: change(f, SEAL, colour="red"), f"{SEAL}: colour: this field is unknown"),
    "missing field": (lambda f: change(f, SEAL, name=None), f"{SEAL}: name: this field is required"),
    "bad agency id": (
        lambda f: change(f, SEAL, id="Civil Registry"),
        f"{SEAL}: id: agency id must be dotted lower-case labels",
    ),
    "bad e-mail": (
        lambda f: change(f, PERSON, steward=PARTY | {"contact": {"name": "a", "email": "nobody"}}),
        f"{PERSON}: steward.contact.email: ",
    ),
    "bad type": (lambda f: change(f, PERSON, types=["person"]), f"{PERSON}: types.0: expected a reverse"),
    "no type": (lambda f: change(f, PERSON, types=[]), f"{PERSON}: types: expected at least one"),
    "bad classification": (
        lambda f: change(f, PERSON, classification="secret"),
        f"{PERSON}: classification: should be 'public', 'internal', 'confidential' or 'restricted', found 'secret'",
    ),
    "bad frequency": (
        lambda f: change(f, PERSON, frequency="daily"),
        f"{PERSON}: frequency: expected an ISO",
    ),
    "empty interval": (lambda f: change(f, PERSON, frequency="R/P"), f"{PERSON}: frequency: expected an ISO"),
    "bad delivery": (lambda f: change(f, PERSON, delivery="pigeon"), f"{PERSON}: delivery: "),
    "bad day": (
        lambda f: change(f, AGREEMENT, valid_from="2026-02-30"),
        f"{AGREEMENT}: valid_from: expected a day such as 2026-01-31 or an RFC 3339 time, found '2026-02-30'",
    ),
    "no consumers": (lambda f: change(f, AGREEMENT, consumers=[]), f"{AGREEMENT}: consumers: "),
    "no such certificate file": (
        lambda f: f.pop("certificates/civil-registry.example.pem"),
        f"{SEAL}: certificates.0.file: there is no file certificates/civil-registry.example.pem",
    ),
    "no certificate in the file": (
        lambda f: f.update({"certificates/civil-registry.example.pem": b"hello"}),
        f"{SEAL}: certificates.0.file: certificates/civil-registry.example.pem: expected a PEM certificate",
    ),
    "no such anchor": (lambda f: f.pop("certificates/root.pem"), "bus.yaml: anchors.0: there is no file"),
    "path out of the folder": (
        lambda f: change(f, SEAL, certificates=[{"file": "../x.pem"}]),
        f"{SEAL}: certificates.0.file: ",
    ),
    "schema is not JSON": (
        lambda f: f.update({"schemas/civil.person.v1.avsc": b"{"}),
        f"{PERSON}: schemas.0.file: schemas/civil.person.v1.avsc is not JSON, or has a name twice in one object",
    ),
    "schema is a list": (
        lambda f: f.update({"schemas/civil.person.v1.avsc": b"[]"}),
        f"{PERSON}: schemas.0.file: schemas/civil.person.v1.avsc: the payload schema must be a record",
    ),
    "schema without namespace": (
        lambda f: f.update({"schemas/civil.person.v1.avsc": json.dumps(BODY | {"name": "B"}).encode()}),
        f"{PERSON}: schemas.0.file: schemas/civil.person.v1.avsc: package civil.person: the payload schema needs",
    ),
    "schema that does not compile": (
        lambda f: f.update(
            {
                "schemas/civil.person.v1.avsc": json.dumps(
                    BODY | {"fields": [{"name": "a", "doc": "A field.", "type": "strong"}]}
                ).encode()
            }
        ),
        f"{PERSON}: schemas.0.definition.fields.1.type.fields.0.type: type 'x.strong' is not defined",
    ),
    "core schema id": (
        lambda f: change(
            f, PERSON, schemas=[{"file": "schemas/civil.person.v1.avsc", "id": 2, "version": 1}]
        ),
        f"{PERSON}: schemas.0.id: ",
    ),
    "schema id twice": (
        lambda f: change(
            f,
            PERSON,
            schemas=[
                {"file": "schemas/civil.person.v1.avsc", "id": 100, "version": 1},
                {"file": "schemas/civil.person.v1.avsc", "id": 100, "version": 2},
            ],
        ),
        f"{PERSON}: schemas.1.id: is that of https://bus.example/schemas/civil.person/1 already",
    ),
    "schema version twice": (
        lambda f: change(
            f,
            PERSON,
            schemas=[
                {"file": "schemas/civil.person.v1.avsc", "id": 100, "version": 1},
                {"file": "schemas/civil.person.v1.avsc", "id": 101, "version": 1},
            ],
        ),
        f"{PERSON}: schemas.1.version: ",
    ),
    "foreign certificate": (
        lambda f: f.update({"certificates/civil-registry.example.pem": foreign_pem()}),
        f"{SEAL}: certificates.0: certificate CN=x was not issued by an anchor of the bus",
    ),
    "certificate of another agency": (
        lambda f: change(f, SEAL, certificates=[{"file": "certificates/bus.example.pem"}]),
        "is bound to bus.example already",
    ),
    "agency twice": (
        lambda f: f.update({"agencies/again.yaml": f[SEAL].split(b"certificates:")[0]}),
        f"{SEAL}: id: stands twice",
    ),
    "no agency for the bus": (
        lambda f: f.pop("agencies/bus.example.yaml"),
        "bus.yaml: id: the bus is an agency too, and agency bus.example is missing",
    ),
    "no certificate for the bus": (
        lambda f: change(f, "agencies/bus.example.yaml", certificates=[]),
        "bus.yaml: id: agency bus.example needs a certificate",
    ),
    "unknown steward": (
        lambda f: change(f, PERSON, steward=PARTY | {"agency": "tax.example"}),
        f"{PERSON}: steward.agency: agency tax.example is not in the directory",
    ),
    "unknown supplier": (
        lambda f: change(f, AGREEMENT, supplier=PARTY | {"agency": "tax.example"}),
        f"{AGREEMENT}: supplier.agency: agency tax.example is not in the directory",
    ),
    "unknown consumer": (
        lambda f: change(f, AGREEMENT, consumers=[PARTY, PARTY | {"agency": "tax.example"}]),
        f"{AGREEMENT}: consumers.1.agency: agency tax.example is not in the directory",
    ),
    "consumer twice": (
        lambda f: change(f, AGREEMENT, consumers=[PARTY, PARTY]),
        f"{AGREEMENT}: consumers.1.agency: agency population-register.example stands twice",
    ),
    "unknown package": (
        lambda f: change(f, AGREEMENT, package="tax.return"),
        f"{AGREEMENT}: package: package tax.return is not in the directory",
    ),
    "ends before it begins": (
        lambda f: change(f, AGREEMENT, valid_from="2028-01-02", valid_to="2028-01-01"),
        f"{AGREEMENT}: valid_to: lies before valid_from",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, files):
    """Each mistake is reported once, with file, field, what was expected and what was found."""
    spoil, expected = MISTAKES[name]
    spoil(files)
    problems = [str(problem) for problem in DirectoryFiles(files, at_ms=AT_MS).problems]

    assert 1 == len(problems), problems
    assert expected in problems[0]
    with pytest.raises(DirectoryError) as caught:
        build(files)
    assert problems[0] == caught.value.message


def test_several_mistakes(files):
    """The error names the first mistake and how many more there are; the list has them all."""
    change(files, SEAL, name=None, colour="red")
    change(files, AGREEMENT, status="asleep")

    assert 3 == len(DirectoryFiles(files, at_ms=AT_MS).problems)
    with pytest.raises(DirectoryError, match=r"\(and 2 more\)"):
        build(files)


def test_anchor_that_is_no_authority(files):
    """A certificate that is issued by one that may not issue is refused."""
    change(files, "bus.yaml", anchors=["certificates/authority.pem"])

    with pytest.raises(DirectoryError, match="was not issued by an anchor"):
        build(files)


def chained(files):
    """Give the civil registry a certificate by an authority under the root, and return that authority."""
    root = CertificateAuthority.create("Second root", at_ms=AT_MS - DAY_MS, path_length=1)
    middle = root.intermediate("Middle", not_before_ms=AT_MS, not_after_ms=AT_MS + 9 * DAY_MS)
    seal = middle.issue("seal", not_before_ms=AT_MS, not_after_ms=AT_MS + 9 * DAY_MS)
    files |= {
        "certificates/second.pem": root.certificate_pem,
        "certificates/middle.pem": middle.certificate_pem,
        "certificates/own.pem": seal.certificate_pem + seal.key_pem,
    }
    anchors = yaml.safe_load(files["bus.yaml"])["anchors"]
    change(files, "bus.yaml", anchors=[*anchors, "certificates/second.pem"])
    line = {"file": "certificates/own.pem", "chain": ["certificates/middle.pem"]}
    change(files, SEAL, certificates=[line])
    return seal


def test_certificates_between(files):
    """A certificate may lead to its anchor through others, which are published with it."""
    seal = chained(files)
    trusted = build(files).certificate(Certificate.from_pem(seal.certificate_pem).thumbprint)
    assert ["CN=Middle", "CN=Second root"] == [one.subject for one in trusted.issuers]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda f: change(f, SEAL, certificates=[{"file": "certificates/own.pem"}]),
            "certificates.0: certificate CN=seal was not issued by an anchor of the bus (SEC-6)",
        ),
        (
            lambda f: f.pop("certificates/middle.pem"),
            "certificates.0.chain.0: there is no file certificates/middle.pem in the folder",
        ),
        (
            lambda f: f.update({"certificates/middle.pem": b"x"}),
            "certificates.0.chain.0: certificates/middle.pem: expected a PEM certificate (SEC-6)",
        ),
    ],
    ids=["left out", "no file", "no certificate"],
)
def test_mistakes_in_a_chain(files, spoil, expected):
    """What is wrong with a certificate between is told where it is named."""
    chained(files)
    spoil(files)
    assert [f"{SEAL}: {expected}"] == [str(one) for one in DirectoryFiles(files, at_ms=AT_MS).problems]


def test_revocation_policy(files):
    """A bus that says nothing wants the status of certificates that declare it; otherwise it is as it says."""
    assert ("declared", 24) == (build(files).revocation.mode, build(files).revocation.grace_hours)
    change(files, "bus.yaml", revocation={"mode": "required", "grace_hours": 4})
    assert ("required", 4) == (build(files).revocation.mode, build(files).revocation.grace_hours)


@pytest.mark.parametrize(
    "policy", [{"mode": "sometimes"}, {"grace_hours": -1}, {"grace_hours": 721}, {"hours": 1}]
)
def test_mistakes_in_a_revocation_policy(files, policy):
    """Whatever else it says is a finding of the rule."""
    change(files, "bus.yaml", revocation=policy)
    (problem,) = DirectoryFiles(files, at_ms=AT_MS).problems
    assert str(problem).startswith(f"bus.yaml: revocation.{next(iter(policy))}: ")
    assert "SEC-11" == problem.rule
