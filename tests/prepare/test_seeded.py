"""Random numbers follow from what they are for, and from one place."""

import ast
import zlib

import numpy as np

from speechbrain_spmamba.prepare.seeded import generator
from tests import package_calls


def test_the_numbers_of_a_purpose_stay_those_of_data_that_are_there():
    crc = zlib.crc32(b"train")
    old = np.random.default_rng([7, crc, 12, 2]).random(3)
    assert generator(7, "train", 12, 2).random(3).tolist() == old.tolist()


def test_no_other_module_makes_a_seed_of_several_parts():
    found = {
        file
        for file, name, call in package_calls()
        if name.endswith("default_rng")
        and any(isinstance(word, ast.List) for word in call.args)
    }
    assert found == {"prepare/seeded.py"}
