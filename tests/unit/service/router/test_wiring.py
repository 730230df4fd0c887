"""A router starts only with a key that readers believe."""

import pytest

from govbus.errors import ConfigError
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationRecords
from govbus.service.router.wiring import require_own_certificate
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, TAX, ExampleBus

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def directory():
    return ExampleBus.of({}).directory()


def known(revoked_ms):
    """Return what is known once the bus's certificate is revoked from a moment on."""
    authority, records = example_keys.authority(), RevocationRecords()
    revoked = authority.revoked_of(example_keys.issued(BUS.text).certificate_pem, revoked_ms)
    records.add(authority.crl([revoked], this_update_ms=BASE_AT_MS, next_update_ms=BASE_AT_MS + DAY_MS))
    return records.state()


def test_the_bus_own_key(directory):
    """The bus's key serves, until the moment from which it is revoked."""
    signer = example_keys.signer(BUS.text)
    require_own_certificate(signer, directory, NOTHING_KNOWN, BASE_AT_MS)
    require_own_certificate(signer, directory, known(BASE_AT_MS), BASE_AT_MS - 1)
    with pytest.raises(ConfigError, match="nobody would believe the receipts"):
        require_own_certificate(signer, directory, known(BASE_AT_MS), BASE_AT_MS)


def test_the_key_of_an_agency(directory):
    """An agency cannot sign receipts."""
    with pytest.raises(ConfigError, match=r"does not bind this certificate to the bus bus\.example"):
        require_own_certificate(example_keys.signer(TAX.text), directory, NOTHING_KNOWN, BASE_AT_MS)
