"""The log service: signs checkpoints of the message log, keeps its tiles, and has both witnessed and timestamped."""
