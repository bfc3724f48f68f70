"""A certificate of the tests' own, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

_COMMAND = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay"


def self_signed(folder: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1 and relay.test, and its key."""
    made = (folder / "cert.pem", folder / "key.pem")
    names = ("-addext", "subjectAltName=IP:127.0.0.1,DNS:relay.test", "-out", str(made[0]), "-keyout", str(made[1]))
    subprocess.run([*_COMMAND.split(), *names], check=True, capture_output=True)
    return made


def expired(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate that has expired, and its key."""
    made = self_signed(folder)
    again = "openssl x509 -days -1 -in cert.pem -signkey key.pem -out cert.pem"
    subprocess.run(again.split(), check=True, capture_output=True, cwd=folder)
    return made
