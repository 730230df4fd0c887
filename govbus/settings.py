"""Settings of the long-running processes and commands, read from ``GOVBUS_*`` environment variables.

Nested names are joined with two underscores: ``GOVBUS_KAFKA__BOOTSTRAP_SERVERS``. Every bound has a name with its
unit and a default that suits one machine.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from govbus.errors import ConfigError


class KafkaSettings(BaseModel):
    """How to reach the broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bootstrap_servers: str = ""
    """``host:port[,host:port]``; empty means the embedded broker, where it runs."""
    replication_factor: int = Field(default=1, ge=1, le=7)
    """For topics that `govbus topics apply` creates; 3 in production."""


class RouterSettings(BaseModel):
    """Bounds of one router process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = "govbus-router"
    """Consumer group that all routers of a bus share."""
    transaction_documents_max: int = Field(default=2000, ge=1, le=20_000)
    """Documents in one transaction: few when idle, so that latency stays low; so many when behind."""
    receipt_run_documents_max: int = Field(default=2000, ge=1, le=20_000)
    history_documents_max: int = Field(default=1_000_000, ge=1000)
    """Decisions remembered for each origin; a resend of something older is refused, not answered."""
    session_timeout_s: float = Field(default=10.0, ge=1.0)
    """A router silent for so long loses its partitions to another."""
    transaction_timeout_s: float = Field(default=20.0, ge=1.0)
    drain_timeout_s: float = Field(default=15.0, ge=0.5)
    """How long SIGTERM waits for open transactions."""


class TimestampAuthoritySettings(BaseModel):
    """One RFC 3161 timestamp authority."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Shown in records, logs and metrics."""
    url: str = Field(pattern=r"^https?://\S+$")
    """Never shown, because it may hold a password."""
    ca_file: Path
    """PEM: the certificates that its tokens must lead to."""
    chain_file: Path | None = None
    """PEM: certificates between, where the authority does not send them."""
    policies: tuple[str, ...] = ()
    """OIDs of acceptable policies; none accepts all."""
    timeout_s: float = Field(default=10.0, ge=0.1, le=60.0)


class LogSettings(BaseModel):
    """Bounds of the log service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint_interval_s: float = Field(default=1.0, ge=0.05)
    witness_interval_s: float = Field(default=1.0, ge=0.05)
    """Head checkpoints are offered to witnesses no more often than this."""
    witness_timeout_s: float = Field(default=5.0, ge=0.1, le=60.0)
    """For one request to a witness."""
    timestamp_interval_s: float = Field(default=60.0, ge=0.1)
    """Between two timestamps of one authority."""
    timestamp_authorities: tuple[TimestampAuthoritySettings, ...] = Field(default=(), max_length=4)
    """As JSON: ``[{"name": "tsa1", "url": "https://...", "ca_file": "tsa1.pem"}]``; one or two in practice."""


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="GOVBUS_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    kafka: KafkaSettings = KafkaSettings()
    router: RouterSettings = RouterSettings()
    message_log: LogSettings = LogSettings()
    data_folder: Path = Field(default_factory=lambda: user_data_path("govbus"))
    """Where this process keeps state that it can rebuild, and the embedded broker its data."""
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    """Prometheus metrics on loopback; 0 means none."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings.

        Raises:
            ConfigError: naming the variable and what was expected.
        """
        try:
            return cls()
        except ValidationError as err:
            first = err.errors()[0]
            name = "GOVBUS_" + "__".join(str(part).upper() for part in first["loc"])
            raise ConfigError(f"setting {name}: {first['msg'].lower()}") from err
