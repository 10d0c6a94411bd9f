"""What pages link to outside of docs/ comes into the site, too.

Sources are linked as they lie in the repository, where the links work, too:
``../recipes/Voices/README.md``. A page becomes a page; program text and tables
become pages that show them, a folder a list of its files; anything else is
copied. A link that is called by the name of its page gets the page's title.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(\[[\w/]+\.md)?\]\(([^)#\s:]+)((?:#[^)\s]*)?)\)")
SHOWN = {".c": "c", ".py": "python", ".yaml": "yaml", ".csv": "", ".txt": ""}
NOT_SEARCHED = "---\nsearch: {exclude: true}\n---\n\n"


PLACES = {}  # page from outside of docs/ -> its place in the repository


def on_files(files, config):
    """Adds what pages link to, and what those link to."""
    waiting = [
        (f"docs/{page.src_uri}", page.content_string)
        for page in files.documentation_pages()
        if page.src_uri.endswith(".md")
    ]
    while waiting:
        for target in linked(*waiting.pop()):
            uri = address(target)
            if target.startswith("docs/") or uri in files.src_uris:
                continue
            text = page_of(target)
            source = (
                {"abs_src_path": str(ROOT / target)}
                if text is None
                else {"content": text}
            )
            file = File.generated(config, uri, **source)
            file.inclusion = InclusionLevel.NOT_IN_NAV
            files.append(file)
            if text and not text.startswith(NOT_SEARCHED):
                PLACES[uri] = uri
                waiting.append((uri, text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads the links of a page to where their targets are in the site."""
    uri = page.file.src_uri
    place = PLACES.get(uri, f"docs/{uri}")

    def lead(match):
        named, name, anchor = match.groups()
        target = normpath(join(dirname(place), name))
        if not (ROOT / target).exists():
            return match[0]  # which is told as a broken link
        there = address(target)
        title = f"[{title_of(files.get_file_from_path(there))}" if named else ""
        there = relpath(there, dirname(uri) or ".")
        return f"{title}]({there}{anchor})"

    return LINK.sub(lead, markdown)


def linked(place, text):
    """Files and folders of the repository that a page links to."""
    for _, name, _ in LINK.findall(text):
        target = normpath(join(dirname(place), name))
        if (ROOT / target).exists():
            yield target


def address(target):
    """Where a file of the repository is among the sources of the site."""
    path = ROOT / target
    if (path / "README.md").is_file():
        return address(f"{target}/README.md")
    if path.is_dir():
        return f"{target}/index.md"
    if path.suffix in SHOWN:
        return f"{target}.md"
    return target.removeprefix("docs/")


def title_of(file):
    """What stands first in a page, up to a colon."""
    head = file.content_string.partition("\n")[0]
    return head.removeprefix("# ").partition(":")[0]


def page_of(target):
    """The text of a page, or None for what is copied."""
    path = ROOT / target
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir())
        return f"# {target}\n\n" + "".join(f"* [{n}]({n})\n" for n in names)
    if path.suffix in SHOWN:
        text = path.read_text(encoding="utf-8").rstrip("\n")
        fence = f"````{SHOWN[path.suffix]}\n{text}\n````\n"
        return f"{NOT_SEARCHED}# {target}\n\n{fence}"
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return None
