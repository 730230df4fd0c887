"""What tests of documents share: the sample government, and an example document for each of its agreements."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from govbus.document.ids import Origin
from govbus.routing.directory.build import build_directory
from govbus.routing.directory.model import Directory
from govbus.schemas import bundled
from govbus.service.directory.publishing import read_folder
from govbus.service.document_builder import DocumentBuilder
from govbus.service.document_check import check_document
from govbus.service.government_directory import write_government_directory
from govbus.service.government_exchanges import PACKAGES
from govbus.service.processes import clock_ms
from govbus.service.sending import DocumentText

SCHEMAS = {source.package["id"]: source.schema for source in PACKAGES}


@dataclass
class Government:
    """A directory of the sample government, and what writes and checks documents under it."""

    sample: Any
    directory: Directory
    at_ms: int

    def body(self, agreement_id):
        """Return the example of the payload that is sent under an agreement, as JSON."""
        schema = SCHEMAS[self.directory.agreement(agreement_id).package.text]
        return json.loads((bundled.folder() / f"{schema}.example.json").read_text("utf-8"))

    def builder(self, agreement_id, directory=None):
        """Return what builds documents under an agreement, for the supplier's main outbox."""
        found = directory or self.directory
        agreement = found.agreement(agreement_id)
        return DocumentBuilder(found, Origin(agreement.supplier, "main"), agreement)

    def text(self, agreement_id, *, record=(), body=(), subject=None, attributes=()):
        """Return an example document as its sender writes it, with some fields replaced; None drops one."""
        merged = {"record_id": "X-1", "description": "An example.", **dict(record)}
        return DocumentText(
            {name: value for name, value in merged.items() if value is not None},
            {**self.body(agreement_id), **dict(body)},
            subject,
            dict(attributes),
        )

    def check(self, agreement_id, directory=None, **changes):
        """Return what the router would make of such a document."""
        found = directory or self.directory
        builder = self.builder(agreement_id, found)
        return check_document(builder, found, self.text(agreement_id, **changes), at_ms=self.at_ms)


@pytest.fixture(scope="session")
def government(tmp_path_factory):
    at_ms = clock_ms()
    sample = write_government_directory(tmp_path_factory.mktemp("government") / "directory", at_ms=at_ms)
    content = read_folder(sample.folder, at_ms=at_ms).content
    directory = build_directory(content, version=1, issued_ms=at_ms, expires_ms=at_ms + 86_400_000)
    return Government(sample, directory, at_ms)
