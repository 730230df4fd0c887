"""Topics as data: which ones a directory needs, and creating those that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from govbus.document import topics
from govbus.document.ids import AgencyId, PackageId
from govbus.errors import ConfigError
from govbus.routing.directory.entries import DirectoryContent
from govbus.routing.directory.model import Delivery, TrafficMode
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


class TopicNeeds(NamedTuple):
    """The agencies and packages of a directory that have topics of their own."""

    agencies: Sequence[AgencyId]
    """Each has an outbox and an inbox."""
    packages: Sequence[PackageId]
    """Those that are published."""
    test_agencies: Sequence[AgencyId] = ()
    """Those to whose inboxes tests are delivered."""
    test_packages: Sequence[PackageId] = ()
    """Those of which tests are published."""


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


def topic_specs(plans: TopicPlans, needs: TopicNeeds, replication_factor: int = 1) -> list[TopicSpec]:
    """Return one spec for each topic that the bus needs.

    Args:
        plans: from `read_topic_plans`.
        needs: agencies and packages that have topics of their own.
        replication_factor: copies of every partition.
    """
    specs = []
    for plan in plans.topics:
        is_test = plan.name.startswith(topics.TEST_PREFIX)
        if _AGENCY in plan.name:
            agencies = needs.test_agencies if is_test else needs.agencies
            names = [plan.name.replace(_AGENCY, agency.text) for agency in agencies]
        elif _PACKAGE in plan.name:
            packages = needs.test_packages if is_test else needs.packages
            names = [plan.name.replace(_PACKAGE, package.text) for package in packages]
        else:
            names = [plan.name]
        specs += [TopicSpec(name, plan.partitions, replication_factor, plan.settings) for name in names]
    return specs


def directory_topic_specs(
    plans: TopicPlans, content: DirectoryContent, replication_factor: int = 1
) -> list[TopicSpec]:
    """Return one spec for each topic that a directory needs; publication and test topics only where used."""
    published = {one.id for one in content.packages if one.delivery == Delivery.PUBLISH}
    tests = [one for one in content.agreements if one.mode == TrafficMode.TEST]
    tested = {party.agency for one in tests if one.package not in published for party in one.consumers}
    needs = TopicNeeds(
        agencies=[AgencyId.from_text(one.id) for one in content.agencies],
        packages=[PackageId.from_text(one) for one in sorted(published)],
        test_agencies=[AgencyId.from_text(one) for one in sorted(tested)],
        test_packages=[
            PackageId.from_text(one) for one in sorted({one.package for one in tests} & published)
        ],
    )
    return topic_specs(plans, needs, replication_factor)


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
