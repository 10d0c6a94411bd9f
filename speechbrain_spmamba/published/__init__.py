"""Published weights of other code bases: one module a system, renaming only."""
