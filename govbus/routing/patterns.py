"""Forms of texts that both the files of a directory and the rules ask for."""

from __future__ import annotations

from typing import Final

ABSOLUTE_URI: Final = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+(?:#\S*)?"
"""RFC 3986, section 4.3, as far as a pattern tells: a scheme, and something behind it."""
REDACTED: Final = r"\[\[REDACTED[^\[\]]*\]\]"
"""What DCAT-US 1.1 lets agencies write in place of any value that they may not tell, such as [[REDACTED-EX B6]]."""
