"""Writes ``python/sinkwell/types.py`` from the published schemas: the data of each built-in type, for editors and type
checkers. Run it after a schema has changed; a test compares what it writes with what is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas" / "governance-event" / "1.0"
# What only sinkwell itself emits, and what is no event.
LEFT_OUT = {
    "audit.chain",
    "sink.failed",
    "sink.recovered",
    "heartbeat",
    "vacuum.event",
    "envelope",
    "common",
    "host",
    "stub",
}

HEAD = '''"""The data of each built-in type of event, for editors and type checkers; ``emit`` takes any mapping.

    data: sinkwell.types.ToolInvocation = {"tool": "search", "outcome": "ok", "duration_ms": 12}

Written by ``scripts/gen_types.py`` from the published schemas: do not edit.
"""

from typing import Any, Literal, TypedDict
'''


def resolved(schema: Any) -> dict[str, Any]:
    """A schema with its reference followed."""
    if not isinstance(schema, dict):
        return {}
    if "$ref" in schema:
        file, _, path = schema["$ref"].partition("#")
        found = json.loads((SCHEMAS / Path(file or "common.json").name).read_text())
        for part in path.strip("/").split("/"):
            found = found.get(part, {}) if part else found
        return {**resolved(found), **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def annotation(schema: Any) -> str:
    """What a value of this schema is in Python."""
    schema = resolved(schema)
    if "enum" in schema:
        return "Literal[" + ", ".join(json.dumps(value) for value in schema["enum"]) + "]"
    if "const" in schema:
        return f"Literal[{json.dumps(schema['const'])}]"
    kind = schema.get("type")
    plain = {
        "string": "str",
        "integer": "int",
        "number": "float",
        "boolean": "bool",
        "object": "dict[str, Any]",
    }
    if kind == "array":
        return f"list[{annotation(schema.get('items', {}))}]"
    return plain.get(kind, "Any") if isinstance(kind, str) else "Any"


def members(schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """All properties and required names of a schema and of what it consists of."""
    schema = resolved(schema)
    properties, required = dict(schema.get("properties", {})), set(schema.get("required", []))
    for part in schema.get("allOf", []):
        more, needed = members(part)
        properties, required = {**more, **properties}, required | needed
    return properties, required


def text() -> str:
    """The module."""
    out = [HEAD]
    names = []
    for path in sorted(SCHEMAS.glob("*.json")):
        event_type = path.stem
        if event_type in LEFT_OUT:
            continue
        names.append(event_type)
        name = "".join(part.capitalize() for part in event_type.replace("_", ".").split("."))
        properties, required = members(json.loads(path.read_text()))
        properties = {key: value for key, value in properties.items() if value is not False}
        needed = {key for key in required if key.isidentifier()}
        optional = {key: annotation(value) for key, value in sorted(properties.items()) if key not in needed}
        if all(key.isidentifier() for key in optional):
            lines = "".join(f"    {key}: {kind}\n" for key, kind in optional.items())
            out.append(f"class _{name}(TypedDict, total=False):\n{lines or '    pass'}\n")
        else:
            # A member with a dot in its name has no place in a class.
            listed = ", ".join(f"{json.dumps(key)}: {kind}" for key, kind in optional.items())
            out.append(f'_{name} = TypedDict("_{name}", {{{listed}}}, total=False)\n\n')
        out.append(f'class {name}(_{name}):\n    """``{event_type}``"""\n')
        out += [f"    {key}: {annotation(properties.get(key, {}))}\n" for key in sorted(needed)]
        out.append("\n")
    listed = ", ".join(json.dumps(name) for name in names)
    out.append(f'EventType = Literal[{listed}]\n"""The built-in types that a program emits."""\n')
    return "\n".join(out)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "bindings-python/python/sinkwell/types.py"
    target.write_text(text())
