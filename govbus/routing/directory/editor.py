"""JSON Schemas of the YAML files, for editors: names are completed, fields explained and mistakes underlined.

They say what the form of a file is; whether what it names is there and what the rules ask for besides,
``govbus directory check`` says.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from govbus.routing.directory.file_models import FILE_MODELS, FOLDERS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
EDITOR_FOLDER: Final = "editor/"
"""Where a directory's folder has the schemas."""


def schema_file(kind: str) -> str:
    """Return the name of the schema of a kind of file, such as ``agreement.schema.json``."""
    return f"{kind}.schema.json"


def schema_line(name: str) -> str:
    """Return the line that tells an editor the schema of a YAML file, by the file's name in the folder."""
    folder, slash, _ = name.rpartition("/")
    kind = FOLDERS.get(f"{folder}/", "bus")
    return f"# yaml-language-server: $schema={'../' if slash else ''}{EDITOR_FOLDER}{schema_file(kind)}\n"


@functools.cache
def editor_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of file; not to be changed.

    Args:
        kind: a key of `FILE_MODELS`.
    """
    model = FILE_MODELS[kind]
    schema = _without_null(model.model_json_schema(by_alias=True))
    return {"$schema": DIALECT, **schema, "title": f"govbus directory: {kind}"}


def _without_null(node: Any) -> Any:
    """Return a schema without null, which no file has: a field without a value is left out."""
    if isinstance(node, list):
        return [_without_null(one) for one in node]
    if not isinstance(node, dict):
        return node
    fields = {
        name: _without_null(value)
        for name, value in node.items()
        if not (name == "default" and value is None)
    }
    branches = fields.get("anyOf")
    if not isinstance(branches, list) or {"type": "null"} not in branches:
        return fields
    rest = [branch for branch in branches if branch != {"type": "null"}]
    if len(rest) > 1:
        return fields | {"anyOf": rest}
    del fields["anyOf"]
    return {**rest[0], **fields}
