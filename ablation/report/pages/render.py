"""A page as Markdown and as HTML."""

import base64
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from ablation.report.pages.blocks import FIGURES, HTML, MARKDOWN, Page, Picture


def save(page: Page, folder: Path) -> None:
    """Write report.md, report.html and figures/*.png into a folder that has none."""
    figures = folder / FIGURES
    figures.mkdir()
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Picture):
                (figures / f"{block.name}.png").write_bytes(block.png)
    for name in (HTML, MARKDOWN):
        (folder / name).write_text(render(page, name), encoding="utf-8")


def render(page: Page, name: str) -> str:
    """The page through one of the templates, report.md or report.html."""
    environment = Environment(
        loader=PackageLoader("ablation.report.pages"),
        autoescape=name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "md": _markdown,
        "cell": lambda text: _markdown(text).replace("|", "\\|"),
        "html": _html,
        "base64": lambda png: base64.b64encode(png).decode(),
    }
    environment.globals["kind"] = lambda block: type(block).__name__
    return environment.get_template(f"{name}.j2").render(page=page)


def _markdown(text: str) -> str:
    """A text whose names can't be taken for markup: some_name, <tag>, *."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_<>#])", r"\\\1", part).replace("\n", " ") for part in parts[::2]]
    return "`".join(parts)


def _html(text: str) -> Markup:
    parts = str(escape(text)).split("`")
    for at in range(1, len(parts) - 1, 2):
        parts[at] = f"<code>{parts[at]}</code>"
    return Markup("".join(parts))
