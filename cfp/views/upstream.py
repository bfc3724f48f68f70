"""The page of `upstream`: a line for each saved upstream, with a mark at the active one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table

from cfp.views.page import GOOD, headline, plain, result_page


def upstream(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the saved upstreams; for `use` the page of a result."""
    if "upstreams" not in answer:
        return result_page(answer)
    head = headline(GOOD, str(answer["status"]), str(answer["message"]))
    if not answer["upstreams"]:
        return [head]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "name", "URL", "policy", "key"):
        table.add_column(title, overflow="fold")
    for one in answer["upstreams"]:
        mark = ("* changed" if one["changed"] else "*") if one["active"] else ""
        table.add_row(mark, *map(plain, (one["name"], one["upstream_base"], one["service_tier_policy"], _key(one))))
    return [head, Padding(table, (1, 0, 0, 0))]


def _key(one: Mapping[str, Any]) -> str:
    place = "kept" if one["upstream_api_key_file"] else one["upstream_api_key_env"] or "of Codex"
    return place if one["upstream_api_key_available"] else f"{place}, missing"
