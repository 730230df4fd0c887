"""The commands of docs/keys.md are run as they stand there, and its example profile opens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from govbus.cli import app
from govbus.service.agency_profile import AgencyProfile

PAGE = Path(__file__).parents[3] / "docs" / "keys.md"


def test_the_commands_of_the_page_work(tmp_path, monkeypatch):
    """From a key through two authorities to a profile whose seal opens and shows without a finding."""
    monkeypatch.chdir(tmp_path)
    for name in ("password", "root-password", "issuing-password"):
        (tmp_path / name).write_text(f"secret of {name}\n")
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    (profile,) = re.findall(r"^```yaml\n# agency.yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "agency.yaml").write_text(profile)
    assert ["govbus"] * 5 == [line.split()[0] for line in lines]
    for line in lines:
        result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
        assert 0 == result.exit_code, (line, result.output)
    (seal,) = AgencyProfile.from_file(tmp_path / "agency.yaml").signers()
    assert "tax.example/seal" == seal.kid
    assert "O=Tax office" in seal.certificate.subject
