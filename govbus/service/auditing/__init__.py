"""Audits as a person asks for them: of a bus or an archive, whole or in part, on as many cores as there are."""
