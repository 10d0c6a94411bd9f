#!/usr/bin/env python3
"""Prepares Libri2Mix or Libri3Mix.

    python recipes/LibriMix/prepare.py OUT [--key value ...]

The same as ``spmamba prepare librimix OUT ...``; ``--help`` lists the keys.
"""

import sys

from speechbrain_spmamba.cli import main

if __name__ == "__main__":
    main(["prepare", "librimix", *sys.argv[1:]])
