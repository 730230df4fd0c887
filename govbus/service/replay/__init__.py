"""Replaying what a bus recorded: as a report of every difference, or into another cluster."""
