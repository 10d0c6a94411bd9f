"""The data sets, one a file, each with a ``prepare`` function."""
