"""The list has a line a model with all that decides whether to take it."""

from speechbrain_spmamba import cli
from speechbrain_spmamba.builtin.models import DEFAULT, builtin_models
from speechbrain_spmamba.commands.models import OTHERS
from tests import ROOT


def test_each_model_has_a_line_with_what_decides(capsys):
    cli.run(cli.make_app(), ["models"])
    out = capsys.readouterr().out
    for name, model in builtin_models().items():
        (line,) = (x for x in out.splitlines() if x.startswith(f"| {name} "))
        for told in (
            model.system,
            f"| {model.sample_rate} Hz | {model.num_spks} |",
            model.score,
            model.figures["data"],
            model.figures["licence"],
            f"{model.megabytes:.1f} MB",
        ):
            assert told in line
        assert ("(default)" in line) == (name == DEFAULT)


def test_where_others_are_is_what_the_page_says():
    page = (ROOT / "docs/weights.md").read_text()
    places = [x for x in OTHERS.split() if "/" in x and "." in x]
    assert len(places) > 3
    assert all(place in page for place in places)
