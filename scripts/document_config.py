"""Write schemas/config.schema.yaml and docs/configuration.md from the typed config: `make config-docs`."""

from pathlib import Path

import yaml

from privessel.study.documents import write_configuration, write_schema

ROOT = Path(__file__).parents[1]

if __name__ == "__main__":
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    (ROOT / "schemas" / "config.schema.yaml").write_text(write_schema(), encoding="utf-8")
    (ROOT / "docs" / "configuration.md").write_text(write_configuration(values), encoding="utf-8")
