"""One parser takes `--key value` apart, for train.py and for all commands."""

import pytest

from speechbrain_spmamba.comparison.experiment_text import split_settings
from speechbrain_spmamba.settings.command_line import (
    read_command_line,
    read_options,
)

TEXT = "seed: 1\n__set_seed: !ref <seed>\n"


def _compared(words):
    return split_settings(words, "a.yaml", TEXT)


def _trained(words):
    return read_command_line(["a.yaml", *words])


@pytest.mark.parametrize("read", [_trained, _compared, read_options])
@pytest.mark.parametrize(
    "words, message",
    [
        (["--seed"], "--seed has no value; expected --seed VALUE"),
        (["--seed", "--lr", "1"], "--seed has no value; expected --seed VAL"),
        (["--seed", "1", "--seed=2"], "--seed is given twice; give it once"),
        (["--seed", "1", "2"], "2 is not understood; expected --key value"),
        (["--seed.a=2"], "--seed.a: keys within a key are set together; write"),
    ],
)
def test_every_command_says_the_same_of_what_is_no_pair(read, words, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        read(words)


def test_a_value_may_have_the_sign_that_ends_a_key():
    assert _trained(["--name", "a=b", "--x=c=d"])[2] == "name: a=b\nx: c=d"
    assert read_options(["--name", "a=b"]) == {"name": "a=b"}


def test_a_key_with_hyphens_is_the_same_key():
    assert read_options(["--num-spks", "3"]) == {"num_spks": 3}
    with pytest.raises(ValueError, match="--num_spks is given twice"):
        read_options(["--num-spks", "3", "--num_spks", "2"])


def test_switches_of_the_toolkit_need_no_value_in_a_comparison_either():
    words = ["--debug", "--seed", "-7", "--device", "cpu"]
    assert _compared(words) == ({"seed": -7}, ["--debug", "--device", "cpu"])
