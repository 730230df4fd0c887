"""Every set of the data is asked by some test here, or `tools/conformance.py` says why not."""

import ast
import runpy
from pathlib import Path

HERE = Path(__file__).parent
TOOL = runpy.run_path(str(HERE.parents[1] / "tools" / "conformance.py"))


def _named():
    """Return the names in every ``conformance_set(...)`` of the modules in this folder."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "conformance_set":
                yield from (argument.value for argument in node.args)


def test_no_set_goes_unnoticed(conformance_data):
    """Each set is named by a marker, or left out with a reason; no marker and no reason is about anything else."""
    sets = TOOL["data_sets"](conformance_data)
    named = {name: TOOL["set_of"](name, sets) for name in _named()}

    assert [] == [name for name, found in named.items() if found is None]
    assert set(sets) == set(named.values()) | set(TOOL["NOT_USED"])
    assert not set(named.values()) & set(TOOL["NOT_USED"])
