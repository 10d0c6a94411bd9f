"""The page of ``spmamba demo`` and what stands behind it."""
