"""An experiment's YAML file and command line, with mistakes named."""
