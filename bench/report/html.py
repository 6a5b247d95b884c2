"""The markdown page as one file for a browser: figures inside, tables that sort, light and dark, narrow and wide, on paper."""

import base64
import mimetypes
import re
from pathlib import Path
from urllib.parse import unquote

_ASSETS = Path(__file__).parent / "assets"


def to_html(page: str, directory: Path, title: str) -> str:
    """`page` is the markdown, `directory` the folder that its links start from. Tables of other files stay links."""
    from html import escape

    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    body = re.sub(r'(<img src=")([^"]+)(")', lambda match: match[1] + _inlined(directory, match[2]) + match[3], body)
    body = body.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")
    style, script = ((_ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)} · SegBench</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _inlined(directory: Path, source: str) -> str:
    path = directory / unquote(source)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
