#!/usr/bin/env python3
"""Prepares WSJ0-2mix or WSJ0-3mix.

    python recipes/WSJ0Mix/prepare.py OUT [--key value ...]

The same as ``spmamba prepare wsj0mix OUT ...``; ``--help`` lists the keys.
"""

import sys

from speechbrain_spmamba.cli import main

if __name__ == "__main__":
    main(["prepare", "wsj0mix", *sys.argv[1:]])
