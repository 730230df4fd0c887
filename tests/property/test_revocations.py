"""What is known of a certificate is a function of the first so many records, however and whenever it is asked for."""

import functools

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.errors import UntrustedKeyError
from govbus.routing.decide import decide
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.policy import RevocationMode
from govbus.routing.trust.status import Known, RevocationRecords
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, TAX, ExampleBus
from govbus.testing.example_documents import make_record

DAY_MS = 86_400_000
REASONS = (
    None,
    *sorted(set(x509.ReasonFlags) - {x509.ReasonFlags.remove_from_crl}, key=lambda one: one.value),
)


@functools.cache
def bus(mode):
    """Return a directory with a policy, and a document that its rules accept."""
    directory = ExampleBus.of({"bus": {"revocation": {"mode": mode}}}).directory()
    return directory, make_record({}, directory.schemas.schemas[0], index=0, offset=0, at_ms=BASE_AT_MS)


@functools.cache
def word(kind, day, until_day, revoked_day, reason):
    """Return a list or a response of a day; noise where it is of neither kind."""
    authority, pem = example_keys.authority(), example_keys.issued(TAX.text).certificate_pem
    revoked = None
    if revoked_day is not None:
        revoked = authority.revoked_of(pem, BASE_AT_MS + revoked_day * DAY_MS, reason)
    times = {
        "this_update_ms": BASE_AT_MS + day * DAY_MS,
        "next_update_ms": BASE_AT_MS + max(day, until_day) * DAY_MS,
    }
    if kind == "list":
        return authority.crl([] if revoked is None else [revoked], **times)
    return authority.ocsp_response(pem, revoked, **times) if kind == "response" else b"noise"


WORDS = st.builds(
    word,
    st.sampled_from(["list", "response", "noise"]),
    st.integers(-3, 0),
    st.integers(-2, 2),
    st.one_of(st.none(), st.integers(-3, 1)),
    st.sampled_from(REASONS),
)


def taken(values):
    """Return the records of some values."""
    records = RevocationRecords()
    for value in values:
        try:
            records.add(value)
        except UntrustedKeyError:
            assert b"noise" == value
    return records


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(WORDS, max_size=5),
    mode=st.sampled_from([mode.value for mode in RevocationMode]),
    asked=st.lists(st.integers(0, 5), min_size=1, max_size=6),
)
def test_decision_is_a_function_of_the_prefix(words, mode, asked):
    """A decision by the first n records is the same by who read just these and who read on and came back."""
    directory, record = bus(mode)
    everything = taken(words)
    for count in [min(one, len(words)) for one in asked]:
        decisions = [
            decide(record, directory, MemoryHistory(), at_ms=BASE_AT_MS, revocations=state)
            for state in (taken(words[:count]).state(), everything.state(count))
        ]
        assert decisions[0] == decisions[1]


@settings(max_examples=60, deadline=None)
@given(words=st.lists(WORDS, max_size=5))
def test_revocation_is_never_forgotten(words):
    """More records never make a certificate that is revoked for good less so."""
    directory, _ = bus("required")
    trusted = directory.certificates[example_keys.signer(TAX.text).certificate.thumbprint]
    records = taken(words)
    before = None
    for count in range(len(words) + 1):
        known = records.known_of(trusted.certificate, trusted.issuers[0], count).revoked_ms
        assert before is None or (known is not None and known <= before)
        before = known


SEEDS = (word("list", 0, 1, 0, x509.ReasonFlags.key_compromise), word("response", 0, 1, None, None))


@settings(max_examples=300, deadline=None)
@given(
    octets=st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda seed, at, bits, cut: (
                seed[: at % len(seed)] + bytes([seed[at % len(seed)] ^ bits]) + seed[at % len(seed) + 1 :]
            )[: len(seed) - cut],
            st.sampled_from(SEEDS),
            st.integers(0, 10_000),
            st.integers(0, 255),
            st.sampled_from([0, 0, 0, 1, 40]),
        ),
    )
)
def test_hostile_material(octets):
    """Whatever is published is refused by name or read, and only an authority's own word says anything."""
    directory, _ = bus("required")
    trusted = directory.certificates[example_keys.signer(TAX.text).certificate.thumbprint]
    records = RevocationRecords()
    try:
        records.add(octets)
    except UntrustedKeyError as err:
        assert "SEC-11" == err.rule
    known = records.known_of(trusted.certificate, trusted.issuers[0], 1)
    assert 1 == records.count
    assert octets in SEEDS or known == Known()
