"""Topics as data: which ones a directory needs, and creating those that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from govbus.document.ids import AgencyId, PackageId
from govbus.errors import ConfigError
from govbus.routing.directory_entries import DirectoryContent
from govbus.transport.base import TopicSpec, Transport

_AGENCY, _PACKAGE = "<agency>", "<package>"


class TopicPlan(BaseModel):
    """One line of ``topics.yaml``: a topic, or one for each agency or package."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    partitions: int = Field(ge=1, le=1000)
    settings: dict[str, str] = {}


class TopicPlans(BaseModel):
    """The whole of ``topics.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: tuple[TopicPlan, ...]


def default_topics_file() -> Path:
    """Return the plan that ships with govbus, in a wheel or in a checkout."""
    bundled = Path(__file__).with_name("_topics.yaml")
    return bundled if bundled.exists() else Path(__file__).parents[2] / "deploy" / "kafka" / "topics.yaml"


def read_topic_plans(path: Path) -> TopicPlans:
    """Read ``topics.yaml``.

    Raises:
        ConfigError: naming the file, the place in it and what was expected.
    """
    try:
        return TopicPlans.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as err:
        raise ConfigError(f"{path} cannot be read: {err}") from err
    except ValidationError as err:
        first = err.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {place}: {first['msg'].lower()}") from err


def topic_specs(
    plans: TopicPlans,
    *,
    agencies: Iterable[AgencyId] = (),
    packages: Iterable[PackageId] = (),
    replication_factor: int = 1,
) -> list[TopicSpec]:
    """Return one spec for each topic that the bus needs.

    Args:
        plans: from `read_topic_plans`.
        agencies: each gets its own outbox and inbox.
        packages: each gets its own publication topic.
        replication_factor: copies of every partition.
    """
    agencies, packages = list(agencies), list(packages)
    specs = []
    for plan in plans.topics:
        if _AGENCY in plan.name:
            names = [plan.name.replace(_AGENCY, agency.text) for agency in agencies]
        elif _PACKAGE in plan.name:
            names = [plan.name.replace(_PACKAGE, package.text) for package in packages]
        else:
            names = [plan.name]
        specs += [TopicSpec(name, plan.partitions, replication_factor, plan.settings) for name in names]
    return specs


def directory_topic_specs(
    plans: TopicPlans, content: DirectoryContent, replication_factor: int = 1
) -> list[TopicSpec]:
    """Return one spec for each topic that the directory in a folder needs; publication topics only where used."""
    published = {one.id for one in content.packages if one.delivery == "publish"}
    return topic_specs(
        plans,
        agencies=[AgencyId.from_text(str(one.id)) for one in content.agencies],
        packages=[PackageId.from_text(str(one)) for one in sorted(published, key=str)],
        replication_factor=replication_factor,
    )


async def apply_topics(transport: Transport, specs: list[TopicSpec]) -> list[str]:
    """Create the topics that are missing and return their names.

    Raises:
        TransportError: if the broker does not answer.
        TransportConfigError: if a topic exists with another number of partitions.
    """
    administrator = transport.administrator()
    await administrator.start()
    try:
        return await administrator.create_topics(specs)
    finally:
        await administrator.stop()
