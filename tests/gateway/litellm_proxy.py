"""A real LiteLLM proxy on loopback, in front of a provider that a test listens as.

It runs in an environment of its own, made by `nox -s gateway`, which names its program in CFP_TEST_LITELLM. It can
reach nothing but loopback, and has no database: its one key is the master key.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from tests.end_to_end.harness import KEY_ENV, MODEL, Machine, relay_config
from tests.end_to_end.listeners import Listener
from tests.ports import free_port

MISSING: Final = "LiteLLM is not installed: nox -s gateway"
MASTER_KEY: Final = "sk-master-key-of-the-gateway"
PROVIDER_KEY: Final = "sk-a-key-of-the-provider"
_OPENAI: Final = {"model": f"openai/{MODEL}"}
_CHAT_ONLY: Final = {"model": f"mistral/{MODEL}"}  # LiteLLM knows this provider by chat completions alone
# The models of the gateway, each with its `litellm_params` beside address and key of the provider. One that fails is
# left alone for seconds (a cooldown), so each failure has a model of its own.
MODELS: Final[Mapping[str, Mapping[str, object]]] = {
    MODEL: _OPENAI,
    **{f"fails-{number}": _OPENAI for number in range(9)},
    "vllm": {"model": f"hosted_vllm/{MODEL}"},
    "bridge": {"model": f"openai/responses/{MODEL}"},
    "custom": {"model": f"custom_openai/{MODEL}"},
    "drop": {**_OPENAI, "drop_params": True},
    "leave-out": {**_OPENAI, "additional_drop_params": ["service_tier"]},
    "own-tier": {**_OPENAI, "service_tier": "flex"},
    "chat": {**_OPENAI, "use_chat_completions_api": True},
    "chat-only": _CHAT_ONLY,
    "chat-only-other": _CHAT_ONLY,
    "chat-only-allow": {**_CHAT_ONLY, "allowed_openai_params": ["service_tier"]},
    "unknown": {"model": "openai/a-model-of-my-own"},
    "unknown-allow": {"model": "openai/a-model-of-my-own", "allowed_openai_params": ["reasoning"]},
}
_READY: Final = "Uvicorn running on"


@dataclass(slots=True, kw_only=True)
class Gateway:
    """A running LiteLLM. `base_url` is its URL for a config.toml; it looks for its provider at `provider_port`."""

    base_url: str
    provider_port: int
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """Its output so far, at its most talkative."""
        return "".join(self.lines)


def join(machine: Machine, gateway: Gateway, provider: Listener) -> Machine:
    """Give a machine's Codex this LiteLLM for its provider, with the master key in `env_key`; return the machine."""
    machine.upstream = provider
    machine.environ[KEY_ENV] = MASTER_KEY
    machine.write("config.toml", relay_config(gateway.base_url))
    return machine


def program() -> Path | None:
    """Return LiteLLM's program, None where the run has none."""
    name = os.environ.get("CFP_TEST_LITELLM")
    return Path(name) if name else None


@contextmanager
def running(litellm: Path, folder: Path, nowhere: str) -> Iterator[Gateway]:
    """Start LiteLLM with `MODELS` and yield it once it listens; the block's end ends it.

    nowhere  a proxy URL that refuses: LiteLLM must not leave loopback
    """
    port, provider_port = free_port(), free_port()
    config = folder / "config.yaml"
    config.write_text(json.dumps(_config(f"http://127.0.0.1:{provider_port}/v1")))  # JSON is YAML, too
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": MASTER_KEY,
        "PROVIDER_KEY": PROVIDER_KEY,
    }
    words = ("--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--detailed_debug")
    gateway = Gateway(base_url=f"http://127.0.0.1:{port}/v1", provider_port=provider_port)
    with subprocess.Popen(
        [litellm, *words],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        listens = threading.Event()
        reader = threading.Thread(target=_read, args=(process.stdout, gateway.lines, listens))
        reader.start()
        try:
            assert listens.wait(120), gateway.log
            assert process.poll() is None, gateway.log
            yield gateway
        finally:
            process.terminate()
            process.wait(30)
            reader.join()


def _read(output: IO[str], lines: list[str], listens: threading.Event) -> None:
    """Keep what the process prints; `listens` is set when it says so, and at its end."""
    for line in output:
        lines.append(line)
        if _READY in line:
            listens.set()
    listens.set()


def _config(provider: str) -> Mapping[str, object]:
    own = {"api_base": provider, "api_key": "os.environ/PROVIDER_KEY"}
    models = [{"model_name": name, "litellm_params": {**own, **how}} for name, how in MODELS.items()]
    return {"model_list": models, "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"}}
