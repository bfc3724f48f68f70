"""A home as codex-fast-proxy 0.1.0 leaves it, laid out from fixtures/predecessor."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from cfp.codex.hook_trust import trusted_hash
from cfp.layout import Layout

FIXTURES = Path(__file__).parent.parent / "fixtures" / "predecessor"
BEFORE = (FIXTURES / "before" / "config.toml").read_bytes()
BACKUP = "config.toml.20260102-030405.bak"


def files(home: Path, port: int = 8787) -> dict[Path, bytes]:
    """The files of a home that codex-fast-proxy 0.1.0 has installed, by path."""
    layout = Layout(home)
    marks = {"@HOME@": str(home), "@PORT@": str(port)}
    hooks = _filled("hooks.json", marks)
    group = json.loads(hooks)["hooks"]["SessionStart"][0]
    marks["@HOOK_HASH@"] = trusted_hash(group["hooks"][0], group["matcher"])
    config = _filled("config.toml", marks)
    marks["@HASH_BEFORE@"] = hashlib.sha256(BEFORE).hexdigest()
    marks["@HASH_AFTER@"] = hashlib.sha256(config).hexdigest()
    return {
        layout.config: config,
        layout.hooks: hooks,
        layout.settings: _filled("settings.json", marks),
        layout.manifest: _filled("install-manifest.json", marks),
        layout.backups / BACKUP: BEFORE,
    }


def lay_out(home: Path, port: int = 8787) -> Layout:
    """Write that home below `home`, which exists."""
    layout = Layout(home)
    layout.worker.mkdir(parents=True)
    layout.backups.mkdir(parents=True)
    for path, data in files(home, port).items():
        path.write_bytes(data)
    return layout


def _filled(name: str, marks: dict[str, str]) -> bytes:
    text = (FIXTURES / "after" / name).read_text()
    text = re.sub(r"@HOME@[^\"\s]*", lambda path: json.dumps(path[0].replace("/", os.sep))[1:-1], text)
    for mark, value in marks.items():
        text = text.replace(mark, json.dumps(value, ensure_ascii=False)[1:-1])  # in quotes everywhere, of TOML too
    return text.encode()
