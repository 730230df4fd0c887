"""Writes docs/rules.md and docs/rules/*.md from the rules themselves; their examples are run to say what they lead to.

``make docs`` runs it, and a test compares what is committed with what it writes.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

from govbus.document.finding import Finding, Severity
from govbus.routing.rules.catalogue import FAMILIES, RULES
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule
from govbus.testing.rule_examples import run_example

ROOT = Path(__file__).parents[1]

SEVERITIES = {
    Severity.REFUSE: "refuses",
    Severity.QUARANTINE: "holds the document for a person",
    Severity.WARN: "warns",
}
BASES = {
    Basis.NORM: "the cited text says MUST",
    Basis.PROFILE: "govbus's own choice that implements what the cited text asks for",
    Basis.GUIDANCE: "the cited text says SHOULD",
}
MOMENTS = {
    Moment.REGISTRATION: "when a schema, package, data asset or agreement is registered",
    Moment.DOCUMENT: "on every document by itself",
    Moment.FLOW: "over a flow of documents, or between a document and those who are to get it",
}
PROFILES = {
    Profile.CORE: "CloudEvents, DRM, Avro, records, signatures; always on",
    Profile.US_FEDERAL: "what binds agencies of the United States",
    Profile.NIEM: "NIEM NDR 6.0 on names, and on XML and JSON messages",
    Profile.DCAT_US: "DCAT-US 1.1 and 3.0 on data assets and access",
    Profile.CUI: "controlled unclassified information, 32 CFR 2002",
    Profile.NSS: "national security systems, CNSA 2.0",
}
_MADE = "<!-- Written by tools/rules_docs.py from the rules in govbus/routing/rules: change those, then: make docs -->"
_KEY_NAME = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
"""Hashes and thumbprints: the example keys are fresh every time."""


def pages() -> dict[str, str]:
    """Return the text of every page by its path under docs."""
    families = {name: _module_name(module) for name, module in FAMILIES.items()}
    return {
        "rules.md": _index(families),
        **{f"rules/{families[name]}.md": _family_page(name, module) for name, module in FAMILIES.items()},
    }


def _module_name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _index(families: dict[str, str]) -> str:
    lines = [
        "# Rules",
        "",
        _MADE,
        "",
        "Every decision lists its findings by these ids, and a receipt says for each which field, which rule,",
        "which text, and what would be accepted. A finding never repeats payload or personal data.",
        "On the command line: `govbus rules list`, `govbus rules explain CUI-1`, `govbus rules coverage`.",
        "",
        "- **Severity**: "
        + "; ".join(f"**{severity.value}** {words}" for severity, words in SEVERITIES.items())
        + ".",
        "- **Basis**: " + "; ".join(f"`{basis.value}` {words}" for basis, words in BASES.items()) + ".",
        "- **Moment**: " + "; ".join(f"`{moment.value}` {words}" for moment, words in MOMENTS.items()) + ".",
        "- **Profile**: "
        + "; ".join(f"`{profile.value}` {words}" for profile, words in PROFILES.items())
        + ".",
        "",
        "A deployment switches profiles on in `bus.yaml`, an agreement further ones in its own file.",
        "govbus says which rules it checks. It claims no conformance to the texts that they cite: NIEM NDR 6.0,",
        "section 6, forbids that to tools, and the FEA DRM has no conformance clause.",
    ]
    for name, module in FAMILIES.items():
        lines += ["", f"## [{name}](rules/{families[name]}.md)", ""]
        lines += [
            "| id | severity | basis | profile | moment | citation | what must be so |",
            "|---|---|---|---|---|---|---|",
            *(_row(rule, families[name]) for rule in module.RULES),
        ]
    lines += [
        "",
        f"{len(RULES)} rules. The steps of a decision, in their order, are `govbus/routing/decide.py`.",
        "",
    ]
    return "\n".join(lines)


def _row(rule: Rule, page: str) -> str:
    moments = ", ".join(moment.value for moment in rule.moments)
    cells = (
        f"[{rule.id}](rules/{page}.md#{rule.id.lower()})",
        rule.severity.value,
        rule.basis.value,
        rule.profile.value,
        moments,
        rule.citation,
        rule.explanation,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _family_page(name: str, module: ModuleType) -> str:
    about = (inspect.getdoc(module) or "").replace("``", "`")
    ids = ", ".join(rule.id for rule in module.RULES)
    lines = [
        f"# Rules: {name}",
        "",
        _MADE,
        "",
        about,
        "",
        f"govbus checks {ids}; it claims no conformance to the texts that they cite. [All rules](../rules.md).",
        "Examples change what they name of a bus on which nothing is wrong: `govbus/testing/example_bus.py`.",
    ]
    for rule in module.RULES:
        lines += ["", *_rule_section(rule)]
    return "\n".join([*lines, ""])


def _rule_section(rule: Rule) -> list[str]:
    moments = "; ".join(MOMENTS[moment] for moment in rule.moments)
    return [
        f"## {rule.id}",
        "",
        rule.explanation,
        "",
        f"- Cites: {rule.citation}",
        f"- Severity: **{rule.severity.value}**, {SEVERITIES[rule.severity]}",
        f"- Basis: `{rule.basis.value}`, {BASES[rule.basis]}",
        f"- Profile: `{rule.profile.value}`",
        f"- Looked at: {moments}",
        f"- Accepted: {rule.accepted}",
        "",
        "Passes:",
        "",
        "```yaml",
        *rule.passing.strip("\n").splitlines(),
        "```",
        "",
        "Fails:",
        "",
        "```yaml",
        *rule.failing.strip("\n").splitlines(),
        "```",
        "",
        *_found(rule),
    ]


def _found(rule: Rule) -> list[str]:
    """Return what the failing example leads to, as the sender or the steward reads it."""
    return [f"- {_words(finding)}" for finding in run_example(rule.failing).of_rule(rule.id)]


def _words(finding: Finding) -> str:
    detail = _KEY_NAME.sub("...", finding.detail)
    return f"**{finding.severity.value}** `{finding.field}`: {detail}"


def main() -> int:
    """Write every page, and remove those of families that are no more."""
    folder = ROOT / "docs" / "rules"
    folder.mkdir(exist_ok=True)
    written = pages()
    for path in folder.glob("*.md"):
        if f"rules/{path.name}" not in written:
            path.unlink()
    for name, text in written.items():
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")
    print(f"wrote docs/rules.md and {len(written) - 1} pages in docs/rules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
