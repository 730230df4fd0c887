"""Turns the entries of a directory into a `Directory`, once everything in them fits together."""

from __future__ import annotations

from govbus.document.ids import AgencyId
from govbus.routing.codes import CodeLists
from govbus.routing.directory.checks import EntryChecks
from govbus.routing.directory.entries import DirectoryContent
from govbus.routing.directory.model import Directory
from govbus.routing.directory.problems import require_none
from govbus.routing.directory.values import (
    agency_of,
    agreement_of,
    asset_of,
    code_list_of_entry,
    package_of,
    revocation_policy_of,
    taxonomy_of,
)
from govbus.routing.rules.rule import Profile
from govbus.schemas.catalog import SchemaCatalog


def build_directory(content: DirectoryContent, *, version: int, issued_ms: int, expires_ms: int) -> Directory:
    """Return the directory that the entries describe.

    The rules of registration are not looked at: they were when the governing authority published it, and a version
    of long ago must be rebuilt the same by the software of today.

    Args:
        content: every entry.
        version: from 1.
        issued_ms: when the governing authority signs it, milliseconds since 1970.
        expires_ms: after this nobody may rely on it.

    Raises:
        DirectoryError: naming the first thing that does not fit, its entry and field, and how many more there are.
    """
    checks = EntryChecks(content)
    require_none(checks.problems)
    deliveries = {entry.id: entry.delivery for entry in content.packages}
    return Directory(
        version=version,
        bus=AgencyId(content.bus.id),
        name=content.bus.name,
        authority=content.bus.authority,
        issued_ms=issued_ms,
        expires_ms=expires_ms,
        agencies={entry.id: agency_of(entry) for entry in content.agencies},
        certificates=checks.certificates,
        packages={entry.id: package_of(entry) for entry in content.packages},
        agreements={entry.id: agreement_of(entry, deliveries[entry.package]) for entry in content.agreements},
        schemas=SchemaCatalog(checks.schemas),
        taxonomies={entry.id: taxonomy_of(entry) for entry in content.taxonomies},
        assets={entry.id: asset_of(entry) for entry in content.assets},
        profiles=frozenset({Profile.CORE, *content.bus.profiles}),
        revocation=revocation_policy_of(content.bus),
        codes=code_lists(content),
    )


def code_lists(content: DirectoryContent) -> CodeLists:
    """Return the code lists that come with govbus, with those of the directory in their place."""
    shipped = CodeLists.shipped()
    return shipped.replaced(map(code_list_of_entry, content.codes)) if content.codes else shipped
