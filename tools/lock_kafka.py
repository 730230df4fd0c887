"""Writes the lock of the embedded Kafka again: every jar with its version, size and SHA-256.

Run it as ``.venv/bin/python tools/lock_kafka.py`` after changing a version below. It resolves each root
**by itself**: resolved together, the log binding's bill of materials would pull an older ``kafka-clients`` in.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

KAFKA_VERSION = "4.3.1"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
SCOPES = {None, "compile", "runtime"}
LOCK_FILE = Path(__file__).parent.parent / "govbus" / "service" / "embedded_kafka" / "kafka.lock.json"


def resolve_jars(context: MavenContext) -> dict[tuple[str, str], str]:
    """Returns the version of every jar that the roots need, by group and name."""
    versions: dict[tuple[str, str], str] = {}
    for root in ROOTS:
        inputs, dependencies = context.resolver.resolve([context.create_dependency(root)])
        for jar in inputs + dependencies:
            if jar.scope not in SCOPES or jar.optional:
                continue
            known = versions.setdefault((jar.groupId, jar.artifactId), jar.version)
            if known != jar.version:
                raise SystemExit(f"{jar.groupId}:{jar.artifactId} resolves to both {known} and {jar.version}")
    return versions


def lock_entry(context: MavenContext, group: str, name: str, version: str) -> dict[str, str | int]:
    """Returns one jar's line of the lock, with the sum of the file that was fetched."""
    octets = context.project(group, name).at_version(version).artifact().resolve().read_bytes()
    return {
        "coordinate": f"{group}:{name}:{version}",
        "size_bytes": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(),
    }


def main() -> None:
    """Resolves, fetches and writes the lock."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        versions = resolve_jars(context)
        jars = [lock_entry(context, group, name, versions[group, name]) for group, name in sorted(versions)]
    lock = {"written_by": "tools/lock_kafka.py", "kafka": KAFKA_VERSION, "jars": jars}
    LOCK_FILE.write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")
    print(f"{LOCK_FILE.name}: {len(jars)} jars, {sum(jar['size_bytes'] for jar in jars) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
