"""The router process: takes outbox records, decides, delivers, and answers, exactly once."""
