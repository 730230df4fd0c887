"""A witness's folder: made once, private, and checked to belong together."""

import pytest

from govbus.errors import ConfigError
from govbus.message_log.policy import Policy
from govbus.service.witness.keys import (
    ED25519_KEY,
    MEMORY,
    ML_DSA_KEY,
    VERIFIER_KEYS,
    make_witness,
    open_memory,
    read_witness,
)


def test_made_and_read(tmp_path, keys):
    """What was made reads back; private keys and memory are for the owner alone."""
    read = read_witness(tmp_path / "witness")

    assert ("court.example/witness", keys.vkeys) == (read.name, read.vkeys)
    for name in (ED25519_KEY, ML_DSA_KEY, MEMORY):
        assert 0o600 == (tmp_path / "witness" / name).stat().st_mode & 0o777
    assert "WitnessKeys('court.example/witness')" == repr(read)


def test_policy_lines(keys):
    """The lines for a policy make a group that asks for both keys, with and without a place to reach them."""
    for url in ("", "https://witness.court.example"):
        policy = Policy.from_text(keys.policy_lines("court", url) + "quorum court\n")

        assert keys.vkeys == tuple(witness.verifier.to_vkey() for witness in policy.witnesses)
        assert [url, url] == [witness.url for witness in policy.witnesses]
        assert [("court", 2)] == [(group.name, group.threshold) for group in policy.groups]


def test_never_overwritten(tmp_path, keys):
    """A folder that holds a witness is left alone."""
    with pytest.raises(ConfigError, match="never overwritten"):
        make_witness(tmp_path / "witness", "other.example")
    assert keys.vkeys == read_witness(tmp_path / "witness").vkeys


@pytest.mark.parametrize("name", ["", "a b", "a+b", "x" * 256, "a\nb"])
def test_name_that_is_none(tmp_path, name):
    """A name that no signature line could bear is refused before anything is made."""
    with pytest.raises(ConfigError, match="cannot be the name"):
        make_witness(tmp_path / "witness", name)
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize("file", [ED25519_KEY, ML_DSA_KEY, VERIFIER_KEYS])
def test_missing_file(tmp_path, keys, file):
    """A folder that lacks one of its files is no witness."""
    (tmp_path / "witness" / file).unlink()
    with pytest.raises(ConfigError, match=f"{file} cannot be read"):
        read_witness(tmp_path / "witness")


def test_encrypted_keys(tmp_path):
    """With a password both private files are encrypted, and read with that password only."""
    folder = tmp_path / "witness"
    made = make_witness(folder, "court.example/witness", secret=lambda: b"secret")

    assert made.vkeys == read_witness(folder, secret=lambda: b"secret").vkeys
    for name in (ED25519_KEY, ML_DSA_KEY):
        assert (folder / name).read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE")
    for secret in (lambda: None, lambda: b"other"):
        with pytest.raises(ConfigError):
            read_witness(folder, secret=secret)


def test_ed25519_key_elsewhere(tmp_path):
    """An Ed25519 key that exists is used where it lies, and the folder holds none."""
    make_witness(tmp_path / "other", "other.example")
    elsewhere, folder = str(tmp_path / "other" / ED25519_KEY), tmp_path / "witness"
    made = make_witness(folder, "court.example/witness", ed25519=elsewhere)

    assert not (folder / ED25519_KEY).exists()
    assert made.vkeys == read_witness(folder, ed25519=elsewhere).vkeys
    with pytest.raises(ConfigError, match="cannot be read"):
        read_witness(folder)
    with pytest.raises(ConfigError, match="one Ed25519 and one ML-DSA-44"):
        make_witness(tmp_path / "third", "third.example", ed25519=str(folder / ML_DSA_KEY))


@pytest.mark.parametrize("file", [ED25519_KEY, ML_DSA_KEY, VERIFIER_KEYS])
def test_file_of_another_witness(tmp_path, keys, file):
    """Keys that do not belong together are refused, whichever of them is another witness's."""
    make_witness(tmp_path / "other", "court.example/witness")
    (tmp_path / "witness" / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(ConfigError, match="does not hold the verifier keys"):
        read_witness(tmp_path / "witness")


@pytest.mark.parametrize("text", ["", "\n", "no key\n"])
def test_verifier_keys_that_are_none(tmp_path, keys, text):
    """A file without verifier keys is refused."""
    (tmp_path / "witness" / VERIFIER_KEYS).write_text(text)
    with pytest.raises(ConfigError, match=VERIFIER_KEYS):
        read_witness(tmp_path / "witness")


def test_memory_of_another_witness(tmp_path, keys):
    """The memory of another witness is not opened for these keys."""
    make_witness(tmp_path / "other", "court.example/witness")
    (tmp_path / "other" / MEMORY).replace(tmp_path / "witness" / MEMORY)
    with pytest.raises(ConfigError, match="made for other keys"):
        open_memory(tmp_path / "witness", keys.vkeys)
