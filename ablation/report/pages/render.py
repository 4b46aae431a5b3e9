"""A page as Markdown (report.md), as HTML (report.html), and its figures as files."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from ablation.report.pages.blocks import Baselines, Page, PageFigure

#: What the pages are called, and the folder of their figures.
MARKDOWN, HTML, FIGURES = "report.md", "report.html", "figures"


def save(page: Page, folder: Path) -> None:
    """Write report.md, report.html and figures/*.png.

    Args:
        page: what they say.
        folder: an empty one that is there.

    Raises:
        OSError: a file can't be written.
    """
    figures = folder / FIGURES
    figures.mkdir()
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, PageFigure):
                (figures / f"{block.name}.png").write_bytes(block.png)
    for name in (HTML, MARKDOWN):
        (folder / name).write_text(render(page, name), encoding="utf-8")


def render(page: Page, name: str) -> str:
    """The text of report.md or of report.html.

    Args:
        page: what it says.
        name: of the file; its template is `templates/NAME.j2`.
    """
    environment = Environment(
        loader=PackageLoader("ablation.report.pages"),
        autoescape=name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "md": _escaped_for_markdown,
        "cell": lambda text: _escaped_for_markdown(text).replace("|", "\\|"),
        "html": _escaped_for_html,
        "base64": lambda png: base64.b64encode(png).decode(),
        "json": _as_json,
    }
    environment.filters |= filters
    environment.globals["kind"] = lambda block: type(block).__name__
    return environment.get_template(f"{name}.j2").render(page=page)


def _as_json(block: Baselines) -> Markup:
    """Data for the page's script, which can't end the element that it stands in."""
    text = json.dumps(asdict(block), ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _escaped_for_markdown(text: str) -> str:
    """In one line, and so that some_name, <tag> or * is not read as markup."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_<>#])", r"\\\1", part).replace("\n", " ") for part in parts[::2]]
    return "`".join(parts)


def _escaped_for_html(text: str) -> Markup:
    """With what stands between backticks as code."""
    parts = str(escape(text)).split("`")
    for at in range(1, len(parts) - 1, 2):
        parts[at] = f"<code>{parts[at]}</code>"
    return Markup("".join(parts))
