"""Coverage-guided fuzzing of what reads bytes from outside, against second parsers: `nox -s fuzz`."""
