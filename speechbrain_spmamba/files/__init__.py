"""Files that are read and written whole: names, text, sums, locks, where."""
