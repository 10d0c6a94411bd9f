"""What a release names, it names alike: version, changelog, citation.

`make lint` holds the form of changelog and citation.
"""

import re

from ruamel.yaml import YAML

import speechbrain_spmamba
from tests import ROOT

VERSION = speechbrain_spmamba.__version__
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_the_citation_names_the_version_and_the_licence():
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert citation["version"] == VERSION
    assert (
        f"license = {citation['license']}\n" in (ROOT / "setup.cfg").read_text()
    )


def test_the_version_stands_in_one_place_for_the_build():
    text = (ROOT / "setup.cfg").read_text()
    assert "version = attr: speechbrain_spmamba.__version__\n" in text


def test_the_changelog_knows_the_version():
    """Of what is not released yet, or of the newest release."""
    top, *released = re.findall(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)
    news = CHANGELOG.partition("## [Unreleased]")[2].partition("\n## ")[0]
    assert top == "Unreleased"
    if news.strip():
        assert VERSION not in released
    else:
        assert released[0] == VERSION
