"""What a model costs: operators counted, runs timed, tables written."""
