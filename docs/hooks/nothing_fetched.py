"""Pages load nothing from elsewhere: no font, script, picture or frame."""

import logging
from html.parser import HTMLParser

LOG = logging.getLogger("mkdocs.hooks.nothing_fetched")


def on_post_page(output, page, config):
    """Warns of what a page would load, which ends a strict build."""
    for address in Loaded().of(output):
        LOG.warning("'%s' loads %s", page.file.src_uri, address)


class Loaded(HTMLParser):
    """Collects the addresses elsewhere that a browser loads unasked."""

    def of(self, text):
        """Addresses in the order of the page."""
        self.found = []
        self.feed(text)
        return self.found

    def handle_starttag(self, tag, attrs):
        """Looks at an element."""
        names = {"src", "srcset", "data", "poster"}
        names |= {"href"} if tag == "link" else set()
        for name, value in attrs:
            if name in names and value and value.startswith(("http", "//")):
                self.found.append(value)
