"""``govbus log keys``: private keys with and without a password, never overwritten."""

from __future__ import annotations

import stat

import pytest
from typer.testing import CliRunner

from govbus.cli import message_log
from govbus.errors import ConfigError


def run(*arguments):
    CliRunner().invoke(message_log.app, [str(one) for one in arguments], catch_exceptions=False)


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_keys_are_made_and_open_again(tmp_path, is_encrypted):
    """Private files are their owner's alone, encrypted where a password is given, and open with it."""
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    options = ("--password-file", password) if is_encrypted else ()
    run("keys", tmp_path / "log", *options)
    for name in (message_log.ED25519_KEY, message_log.ML_DSA_KEY):
        assert is_encrypted == (b"ENCRYPTED" in (tmp_path / "log" / name).read_bytes())
        assert 0o600 == stat.S_IMODE((tmp_path / "log" / name).stat().st_mode)
    opened = message_log._private_keys(tmp_path / "log", "", password if is_encrypted else None)
    assert opened.public == message_log._public_keys(tmp_path / "log")


def test_keys_of_another_kind_are_refused(tmp_path):
    """An ML-DSA key in the place of the Ed25519 key is told."""
    run("keys", tmp_path / "log")
    with pytest.raises(ConfigError, match="one Ed25519 and one ML-DSA-44 key"):
        message_log._private_keys(tmp_path / "log", str(tmp_path / "log" / message_log.ML_DSA_KEY), None)


def printed(*arguments):
    return CliRunner().invoke(message_log.app, [str(one) for one in arguments], catch_exceptions=False).stdout


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_the_next_pair_is_made_beside_the_one_of_now(tmp_path, is_encrypted):
    """Nothing of the pair of now is touched; verifier keys of both are printed; both open with the password."""
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    options = ("--password-file", password) if is_encrypted else ()
    folder = tmp_path / "log"
    run("keys", folder, *options)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = printed("vkeys", folder, "--bus", "bus.example").splitlines()
    run("rotate", folder, *options)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    for name in (message_log.ED25519_KEY, message_log.ML_DSA_KEY):
        assert 0o600 == stat.S_IMODE((folder / "pair-1" / name).stat().st_mode)
        assert is_encrypted == (b"ENCRYPTED" in (folder / "pair-1" / name).read_bytes())
    both = printed("vkeys", folder, "--bus", "bus.example").splitlines()
    assert both[:2] == lines
    assert len(set(both)) == 4
    opened = message_log._signing_keys(folder, "", password if is_encrypted else None)
    assert opened.pending is not None
    assert opened.current.public == message_log._public_keys(folder)


def test_a_second_pair_waits_for_the_first(tmp_path):
    """While a pair waits for its hand-over no other is made."""
    run("keys", tmp_path / "log")
    run("rotate", tmp_path / "log")
    with pytest.raises(ConfigError, match="waits for its hand-over"):
        run("rotate", tmp_path / "log")
