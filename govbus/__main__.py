"""``python -m govbus``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    from govbus.cli import main as run  # noqa: PLC0415  # so that importing govbus stays cheap

    sys.exit(run())


if __name__ == "__main__":
    main()
