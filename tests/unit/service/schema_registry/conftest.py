"""A directory to publish, and registries to publish it in."""

import contextlib

import pytest

from govbus.routing.directory.build import build_directory
from govbus.service.directory.publishing import read_folder
from govbus.service.sample_directory import write_sample_directory
from govbus.service.schema_registry.server import RegistrySocket, running_registry

NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="session")
def sample_content(tmp_path_factory):
    """The entries of the sample directory."""
    folder = tmp_path_factory.mktemp("bus") / "directory"
    write_sample_directory(folder, at_ms=NOW_MS)
    return read_folder(folder).content


@pytest.fixture(scope="session")
def directory(sample_content):
    """The sample directory."""
    return build_directory(sample_content, version=1, issued_ms=NOW_MS, expires_ms=NOW_MS + 86_400_000)


@pytest.fixture
def start(tmp_path):
    """Returns a registry on a free port, as a context."""

    @contextlib.asynccontextmanager
    async def make(name="registry", *, is_governed=False, **place):
        async with running_registry(
            tmp_path / f"{name}.sqlite", RegistrySocket(port=0, **place), is_governed=is_governed
        ) as running:
            yield running

    return make
