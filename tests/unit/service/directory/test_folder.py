"""The sample directory, and reading directories and certificates from disk."""

import stat

import pytest

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, UntrustedKeyError
from govbus.routing.directory.files import directory_from_files
from govbus.service.directory import publishing
from govbus.service.directory.publishing import read_certificates, read_folder
from govbus.service.sample_directory import (
    BUS,
    CIVIL_REGISTRY,
    HEALTH_FUND,
    POPULATION_REGISTER,
    write_sample_directory,
)
from govbus.signing.algorithms import Algorithm
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000
TAX = AgencyId("tax.example")


def test_sample_is_in_order(tmp_path):
    """The sample folder has no mistakes, and a key for everyone that fits its certificate."""
    sample = write_sample_directory(tmp_path / "new" / "directory", at_ms=AT_MS)

    assert [] == read_folder(sample.folder, at_ms=AT_MS).problems
    for agency in (BUS, CIVIL_REGISTRY, HEALTH_FUND, POPULATION_REGISTER):
        signer = KeySigner.from_pem(
            sample.key(agency).read_bytes(), sample.certificate(agency).read_bytes(), kid="x"
        )
        assert signer.certificate.not_before_ms < AT_MS < signer.certificate.not_after_ms
    KeySigner.from_pem(sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="x")


def test_sample_keys_are_private(tmp_path):
    """Only the owner may read a key, or look into their folder."""
    sample = write_sample_directory(tmp_path / "directory", at_ms=AT_MS)
    keys = sorted((sample.folder / "keys").iterdir())

    assert 6 == len(keys)
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in keys}
    assert 0o700 == stat.S_IMODE((sample.folder / "keys").stat().st_mode)


def test_sample_with_password(tmp_path):
    """With a password every key is encrypted with it."""
    sample = write_sample_directory(tmp_path / "directory", at_ms=AT_MS, password=b"open sesame")
    key, certificate = sample.key(BUS).read_bytes(), sample.certificate(BUS).read_bytes()

    assert all(b"ENCRYPTED" in path.read_bytes() for path in (sample.folder / "keys").iterdir())
    KeySigner.from_pem(key, certificate, kid="x", password=b"open sesame")
    with pytest.raises(ConfigError):
        KeySigner.from_pem(key, certificate, kid="x")


def test_sample_of_ones_own(tmp_path):
    """Suppliers, consumers, delivery and algorithm are the caller's choice."""
    sample = write_sample_directory(
        tmp_path / "directory",
        at_ms=AT_MS,
        suppliers=[TAX],
        consumers=[TAX, CIVIL_REGISTRY],
        delivery="publish",
        algorithm=Algorithm.ES256,
        days=10,
    )
    files = {p.relative_to(sample.folder).as_posix(): p.read_bytes() for p in sample.folder.rglob("*.*")}
    directory = directory_from_files(files, version=1, issued_ms=AT_MS, expires_ms=AT_MS + 1)
    agreement = directory.agreement(sample.agreement(TAX))

    assert {"bus.example", "tax.example", "civil-registry.example"} == set(directory.agencies)
    assert (TAX, (TAX, CIVIL_REGISTRY)) == (agreement.supplier, agreement.consumers)
    assert ("govbus.pub.civil.person",) == agreement.recipients
    assert AT_MS + 10 * DAY_MS == agreement.valid_to_ms
    assert {Algorithm.ES256} == {one.certificate.algorithm for one in directory.certificates.values()}


def test_sample_overwrites_nothing(tmp_path):
    """A folder with anything in it is left as it is."""
    (tmp_path / "mine").write_text("mine")

    with pytest.raises(ConfigError, match="not empty"):
        write_sample_directory(tmp_path, at_ms=AT_MS)
    assert ["mine"] == [path.name for path in tmp_path.iterdir()]


def test_sample_where_nothing_can_be_written(tmp_path):
    """A place where no folder can be made is reported."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be written"):
        write_sample_directory(tmp_path / "file" / "directory", at_ms=AT_MS)


def test_what_is_read(tmp_path, monkeypatch):
    """Keys, hidden files and files of other kinds are not read."""
    sample = write_sample_directory(tmp_path / "directory", at_ms=AT_MS)
    seen = {}
    monkeypatch.setattr(publishing, "DirectoryFiles", lambda files, **_: seen.update(files))
    (sample.folder / ".git").mkdir()
    (sample.folder / ".git" / "x.yaml").write_text("")
    (sample.folder / "README.md").write_text("")
    (sample.folder / "agencies" / "x.yaml").mkdir()
    read_folder(sample.folder)

    assert "bus.yaml" in seen
    assert "certificates/root.pem" in seen
    assert "schemas/civil.person.v1.avsc" in seen
    assert not [
        name for name in seen if "keys/" in name or ".git" in name or name.endswith((".md", "x.yaml"))
    ]


def test_no_folder(tmp_path):
    """A missing folder is reported with what to do."""
    with pytest.raises(ConfigError, match="is not a folder; govbus directory init"):
        read_folder(tmp_path / "none")


def test_folder_beyond_the_limits(tmp_path, monkeypatch):
    """Files that are too large, or too many, are refused before they are read."""
    (tmp_path / "bus.yaml").write_text("id: x")
    (tmp_path / "other.yaml").write_text("id: x")
    monkeypatch.setattr(publishing, "FILES_MAX", 1)
    with pytest.raises(ConfigError, match="over 1 files"):
        read_folder(tmp_path)
    monkeypatch.setattr(publishing, "FILE_BYTES_MAX", 4)
    with pytest.raises(ConfigError, match="over 4 bytes"):
        read_folder(tmp_path)


def test_several_certificates(tmp_path):
    """All certificates of a PEM file are read, in order, whatever stands between them."""
    sample = write_sample_directory(tmp_path / "directory", at_ms=AT_MS)
    both = tmp_path / "both.pem"
    both.write_bytes(
        b"the old one\n" + sample.certificate(BUS).read_bytes() + sample.authority_certificate.read_bytes()
    )

    assert [
        *read_certificates(sample.certificate(BUS)),
        *read_certificates(sample.authority_certificate),
    ] == list(read_certificates(both))


def test_certificates_that_are_none(tmp_path):
    """A file that is missing, empty or broken is reported."""
    broken = tmp_path / "broken.pem"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_certificates(broken)
    broken.write_bytes(b"")
    with pytest.raises(ConfigError, match="holds no PEM certificate"):
        read_certificates(broken)
    broken.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(UntrustedKeyError):
        read_certificates(broken)
