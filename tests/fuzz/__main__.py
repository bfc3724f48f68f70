"""`python -m tests.fuzz TARGET SECONDS`: libFuzzer by atheris on one target, from the fixtures on."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cfp.proxy"]):
    from tests.fuzz.targets import TARGETS, seeds


FOUND = Path(__file__).parents[2] / ".cache" / "fuzz"


def main(name: str, seconds: str) -> None:
    """Fuzz until the time is over; the first input that breaks the target is kept and ends the run with an error."""
    FOUND.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        for index, text in enumerate(seeds(name)):
            (corpus / str(index)).write_bytes(text)
        options = [
            f"-max_total_time={seconds}",
            "-max_len=2000",
            "-timeout=10",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={FOUND}/{name}-", str(corpus)], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
