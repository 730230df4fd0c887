"""The frozen hand-overs of log keys open the frozen checkpoints, from whichever pair a reader starts."""

import json
from pathlib import Path

import pytest

from govbus.errors import NoteError
from govbus.message_log.keys import LogPublicKeys

FILE = Path(__file__).parents[2] / "schemas" / "vectors" / "log-keys-v1.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
PAIRS = [LogPublicKeys.from_pem(*(pem.encode() for pem in pems)) for pems in VECTORS["pairs_pem"]]


@pytest.mark.parametrize("known", PAIRS)
@pytest.mark.parametrize("note", VECTORS["accepted"])
def test_what_counts(known, note):
    """Each pair signed up to where it was given up, and from where it took over."""
    keys = known.with_handovers(VECTORS["handovers"])
    assert keys.open(note, VECTORS["origin"]).origin == VECTORS["origin"]


@pytest.mark.parametrize("reason", VECTORS["refused"])
def test_what_does_not_count(reason):
    """Everything else is refused, whatever its signatures."""
    keys = PAIRS[-1].with_handovers(VECTORS["handovers"])
    with pytest.raises(NoteError):
        keys.open(VECTORS["refused"][reason], VECTORS["origin"])
