"""Files that are read and written whole: names, text, YAML, sums, locks."""
