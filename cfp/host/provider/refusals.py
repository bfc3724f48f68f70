"""The cause of a provider's refusal, by the status, the fields and the body of its answer. Pure.

Providers and gateways disagree on statuses: the lack of credit is a 402, a 403, a 429 or a 400, and an unknown model
a 400, a 404 or a 503. So their own codes and words come first, and the status decides where they say nothing. The
cases of fixtures/wire/refusals.json are answers as they are sent, each with the name of its program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from typing import Any, Final

from cfp.codex.event_stream import json_object
from cfp.core.traffic import provider_codes
from cfp.host.provider.response_content import provider_message
from cfp.messages.failures import FailureCode

_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<(?:script|style)\b.*?(?:</(?:script|style)>|\Z)|<[^>]*>", re.IGNORECASE | re.DOTALL)
_PAGE: Final = re.compile(r"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_CLOUDFLARE: Final = re.compile(r"error code: (\d{3,4})")  # the whole of its plain answer to a program
_FILTER: Final = re.compile(
    r"just a moment|attention required|cf-chl|challenge-platform|you have been blocked", re.IGNORECASE
)
_CREDIT: Final = re.compile(
    r"exceeded your current quota|insufficient (?:balance|credit|quota|funds)|budget has been exceeded"
    r"|exceeded budget|over budget|crossed budget|quota is not enough|billing|额度不足|额度已用尽|余额不足|欠费",
    re.IGNORECASE,
)
_MODEL: Final = re.compile(
    r"无可用渠道|模型不存在|no available channel for model|invalid model|unknown model|not a valid model"
    r"|model\b.{0,120}?(?:(?:does|did) not exist|not exist|not found|no access to|not available|not supported)"
    r"|(?:no access|not allowed|not permitted) to .{0,20}model",
    re.IGNORECASE | re.DOTALL,
)
_KEY: Final = re.compile(
    r"无效的令牌|未提供令牌|invalid (?:api[ _-]?)?(?:key|token)|incorrect api key|invalid proxy server token"
    r"|api key (?:is )?(?:not valid|invalid|expired)|令牌(?:已过期|状态不可用)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """A provider's answer; `fields` by their names in lower case, `body` decoded, perhaps its beginning only."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.fields.get("content-type", "")

    @cached_property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @cached_property
    def is_page(self) -> bool:
        """Whether it is a page for people, whatever its type says."""
        return _PAGE.match(self.text) is not None or self.content_type.lower().startswith("text/html")

    @cached_property
    def words(self) -> str:
        """The provider's own words, unfiltered: its message, a page's title, else the text; never ""."""
        message = provider_message(self.body, self.content_type).strip()
        if message:
            return message
        title = _TITLE.search(self.text)
        shown = unescape(title[1]).strip() if title else ""
        if not shown:
            shown = unescape(_TAG.sub(" ", self.text)).strip() if self.is_page else self.text.strip()
        if not shown:
            return "an empty body"
        return f'a web page, "{shown}"' if self.is_page else shown

    @cached_property
    def codes(self) -> frozenset[str]:
        """The `code` and `type` of the error, in lower case."""
        root: Any = json_object(self.body) or {}
        error = next((value for name in ("error", "detail") if isinstance(value := root.get(name), Mapping)), root)
        return frozenset(str(error.get(name)).lower() for name in ("code", "type"))


def refusal_code(answer: Answer) -> FailureCode:
    """Return the code of a failure for an answer that is no success; `upstream_rejected` where nothing is known."""
    return next(code for code, holds in _ROWS if holds(answer))


def _is_filter(answer: Answer) -> bool:
    """Whether something before the provider sends programs away, as Cloudflare's challenge (cf-mitigated) does."""
    if answer.fields.get("cf-mitigated", "").lower() == "challenge":
        return True
    match = _CLOUDFLARE.fullmatch(answer.text.strip())
    if match is not None:
        return match[1].startswith("10") and answer.status not in _OF_CLOUDFLARE
    return answer.is_page and answer.status in {403, 429, 503} and _FILTER.search(answer.text) is not None


def _lacks_credit(answer: Answer) -> bool:
    if answer.status == 402 or answer.codes & provider_codes.CREDIT:
        return True
    return not answer.is_page and 400 <= answer.status < 500 and _CREDIT.search(answer.words) is not None


def _lacks_model(answer: Answer) -> bool:
    if answer.codes & provider_codes.MODEL:
        return True
    words = answer.words
    return not answer.is_page and "service_tier" not in words and _MODEL.search(words) is not None


def _refuses_key(answer: Answer) -> bool:
    if answer.status == 401 or answer.codes & provider_codes.KEY:
        return True
    return not answer.is_page and 400 <= answer.status < 404 and _KEY.search(answer.words) is not None


def _status(*statuses: int) -> Callable[[Answer], bool]:
    return lambda answer: answer.status in statuses


_OF_CLOUDFLARE: Final = frozenset({*range(520, 528), 530})  # its own statuses: the provider behind it failed
# fmt: off
_ROWS: Final[tuple[tuple[FailureCode, Callable[[Answer], bool]], ...]] = (
    # code                      holds for
    ("upstream_filtered",       _is_filter),
    ("upstream_behind_gateway", _status(*_OF_CLOUDFLARE)),
    ("upstream_quota",          _lacks_credit),
    ("upstream_limited",        lambda answer: answer.status == 429 or bool(answer.codes & provider_codes.RATE)),
    ("upstream_model_unknown",  _lacks_model),
    ("upstream_key_refused",    _refuses_key),
    ("upstream_forbidden",      _status(403)),
    ("upstream_path_unknown",   _status(404, 405)),
    ("upstream_failing",        lambda answer: answer.status >= 500),
    ("upstream_rejected",       lambda _: True),
)
# fmt: on
