"""How the HTML pages are filled in: nothing is taken for markup, and a name without a value is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def fill(name: str, **values: object) -> str:
    """Return the template `name` of this folder with its values; a line of a tag alone leaves no line."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
