"""The YAML files of a directory, where they differ from the entries that are made of them.

A file names certificates, schemas and message formats; the entry holds their content.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from govbus.routing.directory.entries import (
    AgencyFields,
    AgreementEntry,
    AssetEntry,
    BusFields,
    CodesEntry,
    PackageFields,
    TaxonomyEntry,
)
from govbus.routing.directory.fields import Cites, FileName, Model, StartMoment
from govbus.routing.directory.parts import NiemFormatFields
from govbus.routing.trust.path import CHAIN_CERTIFICATES_MAX
from govbus.signing.certificates import CertificateRole

VALIDITY_DAYS_DEFAULT = 365


class BusFile(BusFields):
    """bus.yaml: the bus itself."""

    anchors: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=50)]
    """Files (PEM) with the certificates of the authorities whose certificates agencies may use."""
    validity_days: Annotated[int, Field(ge=1, le=3650)] = VALIDITY_DAYS_DEFAULT
    """For how long a version of the directory is good."""


class CertificateLine(Model):
    """A certificate of an agency."""

    file: FileName
    """File (PEM) that holds it."""
    revoked: StartMoment | None = None
    """Signatures from this moment on are refused."""
    role: CertificateRole = CertificateRole.SEAL
    """What is signed with it: seal for the agency itself, officer for a person who answers for a document."""
    chain: Annotated[tuple[FileName, ...], Field(max_length=CHAIN_CERTIFICATES_MAX)] = ()
    """Files (PEM) of the certificates between it and an anchor of the bus, nearest first."""


class AgencyFile(AgencyFields):
    """agencies/*.yaml: a participating organisation."""

    certificates: Annotated[tuple[CertificateLine, ...], Field(max_length=200)] = ()
    """Certificates that its documents may be signed with."""


class SchemaLine(Model):
    """One version of a package's payload schema."""

    file: FileName
    """File (.avsc) that holds it: the payload alone, without the shared metadata."""
    id: Annotated[int, Field(ge=100, le=999_999_999)]
    """Id in the frame of every document, from 100; never used for another schema."""
    version: Annotated[int, Field(ge=1, le=9999)]
    """From 1."""


class NiemFormatLine(NiemFormatFields):
    """The message format of the NIEM messages that a package's documents carry."""

    files: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=500)]
    """Files of the format: XML Schema documents, or one JSON Schema."""


class PackageFile(PackageFields):
    """packages/*.yaml: an exchange package."""

    schemas: Annotated[tuple[SchemaLine, ...], Field(min_length=1, max_length=50), Cites("DRM-3")]
    """Every version of its payload schema."""
    niem: Annotated[tuple[NiemFormatLine, ...], Field(max_length=20)] = ()
    """Message formats of the NIEM messages in its documents."""


FILE_MODELS: dict[str, type[Model]] = {
    "bus": BusFile,
    "agency": AgencyFile,
    "taxonomy": TaxonomyEntry,
    "asset": AssetEntry,
    "package": PackageFile,
    "agreement": AgreementEntry,
    "codes": CodesEntry,
}
"""The model of the YAML file of each kind of entry."""
FOLDERS: dict[str, str] = {
    "agencies/": "agency",
    "taxonomies/": "taxonomy",
    "assets/": "asset",
    "packages/": "package",
    "agreements/": "agreement",
    "codes/": "codes",
}
"""Kind of the entries in each folder."""
