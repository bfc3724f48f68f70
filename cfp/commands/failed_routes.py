"""The failure of a route in full: the key that was sent, the commands of its remedy, and the URL that would work.

A wrong URL is the commonest fault, and its answer alone does not say what the right one is. So where the provider has
no /responses, the same host is asked for the likely places, with requests that cost nothing: no key and none of the
provider's own headers, no prompt, and `{}` in place of a turn, which no provider runs. A place counts as there only
where it refuses that request otherwise than a place that cannot exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cfp.core.facts import Facts
from cfp.core.identities import Identity
from cfp.core.wire.steps import key_steps
from cfp.errors import Failed
from cfp.host.provider.keys import CodexFiles, KeyLocation
from cfp.host.provider.request_extras import RequestExtras
from cfp.host.provider.verification import VerificationRequest
from cfp.messages.failures import KEY_REMEDIES, KEYS, FailureCode

_KEY_HEADERS: Final = frozenset({"authorization", "api-key", "x-api-key"})
_NO_KEY: Final = "config.toml names no key for the provider, and Codex sends none"
_UNREADABLE: Final = "Codex keeps its login where only Codex can read it"
_UNAUTHORIZED: Final = 401
_ENDPOINT: Final = re.compile(r"/(?:responses|chat/completions|completions|models)/*\Z")
_VERSION: Final = re.compile(r"/v\d[^/]*/*\Z")
_NOWHERE: Final = "/codex-fast-proxy-asks-for-nothing"
_PLACES: Final = frozenset({"upstream_path_unknown", "upstream_web_page"})
_NOT_THERE: Final = frozenset({None, 404, 405})
_PATIENCE: Final = 5.0  # seconds for each of the requests, four at the most


def explained(
    error: Failed, request: VerificationRequest, facts: Facts, files: CodexFiles, environ: Mapping[str, str]
) -> Failed:
    """Return the failure with all that its message names; asks the provider's host where the URL may be wrong."""
    details = {**_details(request, facts), **error.details}
    names = {name.lower() for name, _ in request.extras.headers}
    if error.details.get("status") == _UNAUTHORIZED and request.key is None and not _KEY_HEADERS & names:
        hidden = files.identity(request.provider) is Identity.UNKNOWN
        return Failed("upstream_wants_key", **{**details, "reason": _UNREADABLE if hidden else _NO_KEY})
    located = _located(request, environ) if error.code in _PLACES else None
    code, more = located or (error.code, {})
    return Failed(code, **details, **more)


def _details(request: VerificationRequest, facts: Facts) -> dict[str, Any]:
    key = request.key
    location = "" if key is None else str(key.location)
    steps = key_steps(facts, request.provider)
    upstream = _saved_upstream(request, facts)
    if upstream:
        steps["change"] = f"upstream add {upstream} --replace --from-stdin"
    values = {
        **steps,
        "name": "" if key is None else key.name,
        "dotenv": str(facts.layout.dotenv),
        "upstream": upstream,
        "upstream_base": request.upstream_base,
    }
    return {
        **steps,
        "endpoint": _path(_path_of(request.upstream_base), "responses"),
        "model": request.model,
        "key": KEYS[location].format_map(values),
        "way_out": KEY_REMEDIES["saved_upstream" if upstream else location].format_map(values),
        "api_key_source": None if key is None else key.source,
    }


def _saved_upstream(request: VerificationRequest, facts: Facts) -> str:
    """Return the name of the saved upstream whose own key was tried; "" for the key of the route in use."""
    key, settings = request.key, facts.recorded_settings
    if key is None or key.location is not KeyLocation.PROVIDER_AUTH_FILE or settings is None:
        return ""
    is_in_use = settings.upstream_api_key_file and key.name == settings.key_entry
    return "" if is_in_use or not key.name.startswith("upstream ") else key.name.split(" ")[1]


def _located(request: VerificationRequest, environ: Mapping[str, str]) -> tuple[FailureCode, dict[str, str]] | None:
    """Return the fault of the URL with its details, and the URL that works; None where nothing is established."""
    base = request.upstream_base.rstrip("/")
    ending = _ENDPOINT.search(base)
    if ending is not None:
        return "upstream_url_of_endpoint", {"suffix": ending[0].rstrip("/"), "suggestion": base[: ending.start()]}
    path = _path_of(base)
    if _VERSION.search(base) is None and _is_there(request, f"{base}/v1", "/responses", environ):
        return "upstream_lacks_version", {"other_path": _path(path, "v1/responses"), "suggestion": f"{base}/v1"}
    if _is_there(request, base, "/chat/completions", environ):
        return "upstream_chat_only", {"other_path": _path(path, "chat/completions")}
    return None


def _path_of(url: str) -> str:
    return url.partition("://")[2].partition("/")[2].strip("/")


def _path(*parts: str) -> str:
    return "/" + "/".join(part for part in parts if part)


def _is_there(request: VerificationRequest, base: str, path: str, environ: Mapping[str, str]) -> bool:
    status = _status(request, base, path, environ)
    return status not in _NOT_THERE and status != _status(request, base, _NOWHERE, environ)


def _status(request: VerificationRequest, base: str, path: str, environ: Mapping[str, str]) -> int | None:
    """Return the status of a refusal, None where the answer is none: a page, a fault, silence, or a success."""
    from cfp.proxy.attempt import verify  # noqa: PLC0415  most commands send no request

    probe = replace(
        request, upstream_base=base, path=path, is_probe=True, key=None, extras=RequestExtras(), overrides=False
    )
    try:
        verify(probe, _PATIENCE, environ=environ)
    except Failed as error:
        status = error.details.get("status")
        is_refusal = isinstance(status, int) and 400 <= status < 500 and error.code != "upstream_filtered"
        return status if is_refusal else None
    return None
