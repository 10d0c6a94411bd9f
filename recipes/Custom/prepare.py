#!/usr/bin/env python3
"""Prepares one's own mixtures.

    python recipes/Custom/prepare.py OUT [--key value ...]

The same as ``spmamba prepare custom OUT ...``; ``--help`` lists the keys.
"""

import sys

from speechbrain_spmamba.cli import main

if __name__ == "__main__":
    main(["prepare", "custom", *sys.argv[1:]])
