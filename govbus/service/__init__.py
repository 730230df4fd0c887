"""Long-running processes: the only place with retries, signals, clocks, metrics and settings."""
