"""From octets to revocation material, whichever it is."""

from __future__ import annotations

from typing import Final

from govbus.errors import UntrustedKeyError
from govbus.routing.trust.lists import RevocationList
from govbus.routing.trust.material import refused
from govbus.routing.trust.responses import OcspResponse

MATERIAL_BYTES_MAX: Final = 900_000
"""Below Kafka's usual limit of a record; an authority with longer lists is asked by OCSP."""


def read_material(der: bytes) -> RevocationList | OcspResponse:
    """Read a revocation list or an OCSP response, whichever it is.

    Raises:
        UntrustedKeyError: if it is neither, too long, or of a form that is not understood (rule SEC-11).
    """
    if len(der) > MATERIAL_BYTES_MAX:
        raise refused(f"{len(der)} bytes, at most {MATERIAL_BYTES_MAX} are read")
    for kind in (RevocationList, OcspResponse):
        try:
            return kind(der)
        except UntrustedKeyError:
            raise
        except Exception:  # noqa: BLE001, S112  # the parsers raise many kinds, all meaning that it is not one
            continue
    raise refused("neither a revocation list nor a successful OCSP response, DER")
