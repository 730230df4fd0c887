"""What documents prove by themselves, checked fast: no value is decoded, memory stays flat, one process a core."""
