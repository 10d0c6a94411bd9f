"""The toolkit's docstrings, as mkdocstrings' numpy style wants them."""

import re

from griffe import Extension

# Headings of sections that numpydoc calls otherwise.
HEADINGS = {"Arguments": "Parameters", "Example": "Examples"}
HEADING = re.compile(r"^(\w+)\n-{3,}$", re.MULTILINE)
# A list that begins right under a line, which Markdown takes for its text.
LIST = re.compile(r"^(?![*\s])(.+)\n(?=\* )", re.MULTILINE)


def as_numpydoc(text):
    """A docstring with the headings of numpydoc.

    Arguments
    ---------
    text : str
        Of the toolkit's form.

    Returns
    -------
    str
        The same of numpydoc's.

    Example
    -------
    >>> as_numpydoc("Adds.\\n\\nArguments\\n---------\\none : int")
    'Adds.\\n\\nParameters\\n----------\\none : int'
    """

    def heading(match):
        name = HEADINGS.get(match[1], match[1])
        return f"{name}\n{'-' * len(name)}"

    return LIST.sub(r"\1\n\n", HEADING.sub(heading, text))


class ToolkitDocstrings(Extension):
    """Hands every docstring on as numpydoc."""

    def on_object(self, *, obj, **kwargs):
        """Rewrites the docstring of a module, class, function or value."""
        if obj.docstring:
            obj.docstring.value = as_numpydoc(obj.docstring.value)
