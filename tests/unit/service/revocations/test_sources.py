"""Where status is to be had, and what is believed of what comes from there."""

import pytest

from govbus.routing.trust.reading import MATERIAL_BYTES_MAX
from govbus.service.revocations.sources import StatusClient, sources_of
from govbus.signing.issuing import CertificateAuthority
from govbus.testing.example_bus import BASE_AT_MS


def only_source(site):
    (source,) = sources_of(site.directory()).values()
    return source


async def fetched(site):
    return await StatusClient(timeout_s=5).fetch(only_source(site))


async def test_certificates_with_one_list_are_one_source(site):
    """A list is asked for once, however many certificates name it; certificates that name nothing have no source."""
    source = only_source(site)
    assert (f"{site.url}/list.crl", 2) == (source.name, len(source.subjects))


async def test_certificates_without_a_list_are_asked_for_one_by_one(site):
    """A certificate that names a responder alone is a source of its own."""
    site.certify(has_list=False)
    assert 2 == len(sources_of(site.directory()))


async def test_schemes_that_are_not_http(site):
    """Only HTTP is spoken: nothing is ever opened by another scheme that a certificate names."""
    site.certify(url="ldap://pki.example")
    assert {} == sources_of(site.directory())


async def test_the_list_alone(site):
    """Where the list is there, no responder is asked."""
    found = await fetched(site)
    assert ([site.list()], "") == ([one.der for one in found.materials], found.fault)
    assert ["list"] == site.asked


@pytest.mark.parametrize("answer", [404, b"noise", b""])
async def test_responders_where_the_list_fails(site, answer):
    """Where the list cannot be had, every certificate is asked for."""
    site.list_answer = answer
    found = await fetched(site)
    assert (2, "") == (len(found.materials), found.fault)
    assert ["list", "ocsp", "ocsp"] == site.asked


async def test_a_list_by_somebody_else(site):
    """A list that another key signed under the same name is not believed."""
    other = CertificateAuthority.create("Site", at_ms=BASE_AT_MS)
    site.list_answer, site.ocsp_answer = other.crl(**site.times()), 500
    found = await fetched(site)
    assert () == found.materials
    assert "does not hold" in found.fault
    assert "HTTP 500" in found.fault


async def test_an_answer_about_another_certificate(site):
    """An answer about another certificate of the authority is none about this one."""
    site.certify(has_list=False)
    pem = site.authority.issue(
        "other", not_before_ms=BASE_AT_MS, not_after_ms=BASE_AT_MS + 1000
    ).certificate_pem
    site.ocsp_answer = site.authority.ocsp_response(pem, **site.times())
    for source in sources_of(site.directory()).values():
        found = await StatusClient(timeout_s=5).fetch(source)
        assert () == found.materials
        assert "says nothing about certificate" in found.fault


async def test_endless_answer(site):
    """No more than the bound is read."""
    site.list_answer, site.ocsp_answer = bytes(MATERIAL_BYTES_MAX + 1), 500
    assert f"over {MATERIAL_BYTES_MAX} bytes" in (await fetched(site)).fault


async def test_nobody_listens(site):
    """A connection that is refused is a fault, not an error."""
    site.certify(url="http://127.0.0.1:1")
    found = await fetched(site)
    assert () == found.materials
    assert "does not answer" in found.fault
