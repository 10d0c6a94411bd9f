"""Systems trained and tested alike: plans, runs, tables, figures."""
