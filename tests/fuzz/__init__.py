"""Coverage-guided fuzzing of the parsers of foreign bytes, compared with other parsers: `nox -s fuzz`."""
