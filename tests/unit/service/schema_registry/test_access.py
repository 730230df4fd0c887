"""Who may use the registry."""

import base64

import pytest

from govbus.errors import ConfigError
from govbus.service.schema_registry.access import Access, Role, new_credential
from govbus.service.schema_registry.errors import RegistryError
from govbus.service.schema_registry.server import RegistrySocket


@pytest.fixture
def clients(tmp_path):
    """A file with a reader and a writer, and their secrets."""
    made = {role: new_credential(f"{role}.example", role) for role in Role}
    path = tmp_path / "clients"
    path.write_text("# clients\n\n" + "\n".join(line for _, line in made.values()) + "\n", "utf-8")
    return path, {role: secret for role, (secret, _) in made.items()}


def basic(name, secret):
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def test_everyone_without_a_file():
    """On loopback nobody is asked."""
    Access().check(None, is_change=True)


def test_known_clients(clients):
    """A known client gets in by either scheme; the writer may change things."""
    path, secrets = clients
    access = Access.from_file(path)
    access.check(basic("read.example", secrets[Role.READ]), is_change=False)
    access.check(f"Bearer {secrets[Role.READ]}", is_change=False)
    access.check(basic("write.example", secrets[Role.WRITE]), is_change=True)


def test_reader_changes_nothing(clients):
    """A reader is known, and refused."""
    path, secrets = clients
    with pytest.raises(RegistryError) as caught:
        Access.from_file(path).check(f"Bearer {secrets[Role.READ]}", is_change=True)
    assert (caught.value.code, caught.value.status) == (40301, 403)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "Basic",
        "Basic !!!",
        "Basic w6Q=",
        "Digest x",
        basic("read.example", ""),
    ],
)
def test_strangers(clients, authorization):
    """Whoever shows nothing that the file knows stays out, also from reading."""
    path, _ = clients
    with pytest.raises(RegistryError) as caught:
        Access.from_file(path).check(authorization, is_change=False)
    assert (caught.value.code, caught.value.status) == (40101, 401)


def test_secret_of_another_name(clients):
    """A secret belongs to one name."""
    path, secrets = clients
    with pytest.raises(RegistryError):
        Access.from_file(path).check(basic("read.example", secrets[Role.WRITE]), is_change=False)


def test_the_file_holds_no_secret(clients):
    """Who reads the file cannot get in with it."""
    path, secrets = clients
    text = path.read_text("utf-8")
    assert not any(secret in text for secret in secrets.values())
    for line in text.splitlines()[2:]:
        with pytest.raises(RegistryError):
            Access.from_file(path).check(f"Bearer {line.split()[2]}", is_change=False)


@pytest.mark.parametrize(
    "line", ["reader x " + "0" * 64, "read x y", "read x", "hunter2", "read a b " + "0" * 64]
)
def test_broken_file(tmp_path, line):
    """A broken line is named by its number and not repeated, because it may hold a secret."""
    path = tmp_path / "clients"
    path.write_text("# clients\n" + line, "utf-8")
    with pytest.raises(ConfigError, match="line 2") as caught:
        Access.from_file(path)
    assert line not in str(caught.value).replace(str(path), "")


def test_missing_file(tmp_path):
    """A file that is not there lets nobody in."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Access.from_file(tmp_path / "none")


def test_name_of_a_client():
    """A name that would break the file is refused."""
    with pytest.raises(ConfigError, match="name"):
        new_credential("a b", Role.READ)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_asks_nobody(host):
    """Only this machine can connect there."""
    assert RegistrySocket(host).is_loopback
    RegistrySocket(host).access()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "registry.example"])  # noqa: S104  # what is refused
def test_elsewhere_is_denied_by_default(host, clients):
    """Others can connect there, so clients are named, and their secrets do not cross the network in the clear."""
    path, _ = clients
    with pytest.raises(ConfigError, match="--clients"):
        RegistrySocket(host).access()
    with pytest.raises(ConfigError, match="--plain-http"):
        RegistrySocket(host, clients_file=path).access()
    RegistrySocket(host, clients_file=path, is_plain_allowed=True).access()
