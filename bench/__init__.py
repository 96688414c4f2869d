"""Measurements. Each prints a table with the machine, the sizes and the date, for docs/benchmarks.md."""
