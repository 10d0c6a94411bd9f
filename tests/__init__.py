"""Tests of the package, in folders that mirror it."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
# Beside a checkout, where there is more to test with.
SHARED = ROOT.parent / "shared"
