#!/usr/bin/env python3
"""Prepares Echo2Mix.

    python recipes/Echo2Mix/prepare.py OUT [--key value ...]

The same as ``spmamba prepare echo2mix OUT ...``; ``--help`` lists the keys.
"""

import sys

from speechbrain_spmamba.cli import main

if __name__ == "__main__":
    main(["prepare", "echo2mix", *sys.argv[1:]])
