#!/usr/bin/env python3
"""Prepares WHAM! or WHAMR!.

    python recipes/WHAM/prepare.py OUT [--key value ...]

The same as ``spmamba prepare wham OUT ...``; ``--help`` lists the keys.
"""

import sys

from speechbrain_spmamba.cli import main

if __name__ == "__main__":
    main(["prepare", "wham", *sys.argv[1:]])
