"""YAML is read in one place, once for programs and once of strangers."""

import pytest

from speechbrain_spmamba.files.yaml_text import dump, load, plain
from tests import PACKAGE, package_calls

EXPERIMENT = """\
# the command
a: !new:speechbrain_spmamba.loss.pit
    lr: 1.0e-3 # a comment
    sir: [-5, 5.5]
b: !ref <a> # another
c: !name:x.y
d: {e: true, f: '1', g: null, h: 1_000}
"""


def test_what_is_read_is_written_again_with_comments_and_tags():
    assert dump(load(EXPERIMENT), indent=4) == EXPERIMENT


def test_the_plain_form_has_pythons_own_values_and_names_of_today():
    found = plain(load(EXPERIMENT))
    assert found == {
        "a": {
            "!": "speechbrain_spmamba.scoring.loss.pit",
            "lr": 0.001,
            "sir": [-5, 5.5],
        },
        "b": "!ref <a>",
        "c": {"!": "x.y"},
        "d": {"e": True, "f": "1", "g": None, "h": 1000},
    }
    values = [found, found["a"], *found["a"].values(), *found["a"]["sir"]]
    values += found["d"].values()
    own = {dict, str, float, int, list, bool, type(None)}
    assert {type(value) for value in values} <= own


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "!!int x",
        "a: 1\na: 2",
        "[" * 500,
        pytest.param("[" * 5000, marks=pytest.mark.slow),
    ],
)
def test_what_is_no_yaml_is_told_in_one_line(text):
    with pytest.raises(ValueError, match="^is no valid YAML: ") as error:
        load(text)
    assert "\n" not in str(error.value)


def test_aliases_of_aliases_are_not_unfolded():
    lines = ["a0: &a0 [1, 1]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(ValueError, match="absurdly large"):
        plain(load("\n".join(lines)))


# What reads YAML, and whose.
READERS = {
    "YAML": {"files/yaml_text.py"},
    "ruamel.yaml.YAML": {"files/yaml_tree.py"},  # a stranger's: only events
    "resolve_references": {"settings/reading.py"},
    # What builds: an experiment; a model, once its text has been checked.
    "load_hyperpyyaml": {
        "settings/experiment.py",
        "weights/build.py",
    },
}


def test_no_other_module_reads_yaml():
    found = {}
    for file, name, _ in package_calls():
        if name in READERS or name.endswith("yaml.load"):
            found.setdefault(name, set()).add(file)
    assert found == READERS


def test_no_other_module_takes_options_apart():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if 'removeprefix("--")' in text or 'startswith("--")' in text:
            found.add(path.relative_to(PACKAGE).as_posix())
    assert found == {"settings/command_line.py"}
