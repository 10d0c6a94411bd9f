"""A page for each command of ``spmamba``: what its --help says."""

import re

from mkdocs.structure.files import File

from speechbrain_spmamba.cli import make_app
from speechbrain_spmamba.commands.prepare import prepare_app
from speechbrain_spmamba.prepare.sets import SETS

CONTENTS = re.compile(r"## Table of Contents\n.*?(?=\*\*Commands)", re.DOTALL)


def on_files(files, config):
    """Adds commands/NAME.md for each command."""
    for name, text in command_pages().items():
        uri = f"commands/{name}.md"
        files.append(File.generated(config, uri, content=text))
    return files


def command_pages():
    """Name of a command -> its page in Markdown."""
    text = make_app().generate_docs()
    _, *parts = re.split(r"^## spmamba (\S+)\n", text, flags=re.MULTILINE)
    pages = {
        name.lstrip("-"): f"# spmamba {name}\n{said}"
        for name, said in zip(parts[::2], parts[1::2], strict=True)
    }
    sets = CONTENTS.sub("", prepare_app(SETS).generate_docs())
    pages["prepare"] = sets.replace("prepare prepare COMMAND", "prepare")
    return pages
