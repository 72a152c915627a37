"""Writes docs/configuration.md from the settings: ``python -m streams.settings.document > docs/configuration.md``.

A test holds the file to this, so the documentation cannot drift from what the program takes.
"""

from __future__ import annotations

import sys

from streams.settings.owned import OWNED
from streams.settings.table import Row, rows, sections

HEAD = """# Configuration

<!-- Written by `python -m streams.settings.document`; change the settings, not this file. -->

Every `darkroom` command reads the same settings. The environment wins over the file, the file over the defaults.

The file is, in this order: `--config FILE`; `$DARKROOM_CONFIG`; `.darkroom/local.toml` in this folder or the nearest
one above (what `just up` writes); `darkroom.toml` in this folder. Relative paths in it are relative to the file.

An environment variable is `DARKROOM_`, the section, two underscores and the name. Tables and lists are JSON. An unknown
name is refused, in the file and in the environment, with the nearest known one; all problems are listed together, and
the exit code is 2.

```toml
[kafka]
bootstrap_servers = "kafka-1:9092,kafka-2:9092"

[kafka.client]  # librdkafka's own properties
"security.protocol" = "sasl_ssl"
"sasl.mechanism" = "SCRAM-SHA-512"
"sasl.username" = "darkroom"  # the password: DARKROOM_KAFKA__CLIENT='{"sasl.password": "…"}'

[registry]
url = "https://registry:8081"

[store]
endpoint = "minio:9000"
bucket = "darkroom"

[[sources]]
bucket = "uploads"
prefix = "{tenant}/"
```
"""
OWNED_HEAD = """
## What `kafka.client` may not set

Exactly once is a property of these values together, so each is refused by name.

| property | why |
|---|---|
"""


def document() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name, meaning in sections():
        parts.append(f"\n## [{name}]\n\n{meaning}\n\n{_table(name)}")
    parts.append(OWNED_HEAD + "".join(f"| `{name}` | {why} |\n" for name, why in sorted(OWNED.items())))
    return "".join(parts)


def _table(section: str) -> str:
    lines = ["| setting | unit or form | default | what and why |", "|---|---|---|---|"]
    lines += [_line(row) for row in rows() if row.name.partition(".")[0] == section]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    default = f"`{row.default}`" if row.default else ""
    form = row.unit or row.kind
    text = f"{row.what} *{row.why}*" if row.why else row.what
    return f"| `{row.name}`<br>`{row.env}` | {form} | {default} | {text.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    sys.stdout.write(document())
