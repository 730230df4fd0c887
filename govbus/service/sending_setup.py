"""From an agency profile to everything that a sending command needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Self

from govbus.adapters.outgoing import DocumentTemplate
from govbus.adapters.spool import Spool
from govbus.adapters.spool_signing import Keys, require_keys
from govbus.errors import ConfigError, DirectoryError
from govbus.routing.directory.model import Directory
from govbus.service.agency_profile import AgencyProfile
from govbus.service.directory.publishing import read_directory
from govbus.service.document_builder import DocumentBuilder
from govbus.service.keys.rotation import SigningKeys
from govbus.service.processes import clock_ms
from govbus.service.sending import document_template, supplied_agreement
from govbus.service.spool_start import open_spool
from govbus.signing.signature_policy import SignaturePolicy
from govbus.transport.base import Transport


@dataclass(frozen=True, slots=True)
class SendingSetup:
    """What an agency sends with. The spool is open, and is the caller's to close."""

    profile: AgencyProfile
    signers: SigningKeys
    """Chosen by the directory as it was read."""
    transport: Transport
    directory: Directory
    spool: Spool

    @classmethod
    async def prepare(cls, transport: Transport, profile: AgencyProfile, *, next_index: int | None) -> Self:
        """Read keys and directory and open the spool.

        Args:
            transport: the broker.
            profile: names everything else.
            next_index: where a new spool starts; None asks the bus.

        Raises:
            ConfigError: if keys or certificates cannot be used, or the directory does not bind them to the agency.
            DirectoryError: if there is no directory, or it has expired.
            TransportError: if the broker does not answer.
            SpoolError: if the spool cannot be used.
        """
        keys = await asyncio.to_thread(profile.signing_keys)
        reader = await read_directory(transport, profile.authority_certificates())
        directory = reader.current
        if directory is None:
            raise DirectoryError(
                "no directory by this governing authority has been published",
                remedy="the authority publishes it with govbus directory apply; "
                f"its certificate here is {profile.authority}",
            )
        directory.require_current(clock_ms())
        _require_bound(directory, profile, keys)
        spool = await open_spool(profile, transport, next_index=next_index)
        return cls(profile, keys.following(lambda: directory), transport, directory, spool)

    def template(self, agreement_id: str | None, ce_type: str | None) -> DocumentTemplate:
        """Return the constants of documents under an agreement; errors as for what it is made of.

        Raises:
            ConfigError: if package or agreement ask for a signature that no key of the profile can make.
        """
        origin = self.profile.origin
        agreement = supplied_agreement(self.directory, origin.agency, agreement_id)
        template = document_template(self.directory, origin, agreement, ce_type)
        self._require_keys(template)
        return template

    def builder(
        self, agreement_id: str | None, ce_type: str | None, *, is_officer_asked: bool = False
    ) -> DocumentBuilder:
        """Return what builds documents under an agreement; errors as for what it is made of.

        Args:
            agreement_id: None for the only active one.
            ce_type: None for the package's only one.
            is_officer_asked: whether an officer signs although nobody else asks for it.

        Raises:
            ConfigError: if package, agreement or sender ask for a signature that no key of the profile can make.
        """
        origin = self.profile.origin
        agreement = supplied_agreement(self.directory, origin.agency, agreement_id)
        builder = DocumentBuilder(self.directory, origin, agreement, ce_type)
        if is_officer_asked:
            asked = builder.template.signatures.joined(SignaturePolicy(is_officer_required=True))
            builder.template = replace(builder.template, signatures=asked)
        self._require_keys(builder.template)
        return builder

    def _require_keys(self, template: DocumentTemplate) -> None:
        """Check before anything is taken that every signature can be made that documents must carry."""
        policy, now_ms = template.signatures, clock_ms()
        officer = self.signers.officer_at(now_ms) if policy.is_officer_required else None
        require_keys(
            policy,
            Keys(self.signers.signers_at(now_ms), officer),
            f"documents under agreement {template.agreement_id} cannot be signed",
        )


def _require_bound(directory: Directory, profile: AgencyProfile, keys: SigningKeys) -> None:
    """Check before anything is sent what every receiver checks after it: a key of every kind is the agency's."""
    for kind in keys.kinds:
        role = keys.role_of(kind[0])
        found = [directory.certificate(signer.certificate.thumbprint) for signer in kind]
        if not any(one is not None and (one.agency, one.role) == (profile.agency, role) for one in found):
            raise ConfigError(
                f"the directory does not bind the certificate of {kind[0].kid} to {profile.agency} as {role}",
                remedy="use the key that was registered, or have the governing authority register this one",
            )
