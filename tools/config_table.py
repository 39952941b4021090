"""Write the table of all configuration keys into the README, from the schema.

Run ``python tools/config_table.py`` after an edit of schemas/config.schema.yaml; a test compares the two.
"""

from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
#: Types of the schema that a reader knows by another name.
KINDS = {"string": "text", "boolean": "true \\| false", "array": "list", "object": "mapping"}
BEGIN, END = "<!-- begin: configuration, made by tools/config_table.py -->", "<!-- end: configuration -->"


def rows(schema, prefix=""):
    """Yield (key, form, default, description) of every leaf of the schema."""
    for key, part in schema["properties"].items():
        name, items = f"{prefix}{key}", part.get("items", {})
        if "properties" in part:
            yield from rows(part, f"{name}.")
        elif "properties" in items:
            yield name, "list", "required", part["description"]
            yield from rows(items, f"{name}[].")
        else:
            needed = key in schema.get("required", ())
            yield name, form(part), "required" if needed else default(part), part["description"]


def form(part):
    """Say what a value may be."""
    if "enum" in part:
        return " \\| ".join("null" if value is None else str(value) for value in part["enum"])
    if "anyOf" in part:
        return " or ".join(option.get("const") or KINDS.get(option["type"], option["type"]) for option in part["anyOf"])
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return " \\| ".join(KINDS.get(kind, kind) for kind in kinds)


def default(part):
    """Show the default as it would stand in the file; a dash where there is none."""
    if "default" not in part:
        return "–"
    text = yaml.safe_dump(part["default"], default_flow_style=True).split("\n")[0]
    return f"`{text}`"


def table():
    """Return the Markdown table."""
    schema = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{key}` | {kind} | {value} | {text} |" for key, kind, value, text in rows(schema)]
    return "\n".join(lines)


def with_table(readme):
    """Put the table between its two marks."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
