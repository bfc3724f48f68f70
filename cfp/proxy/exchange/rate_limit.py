"""Whether a 429 without Retry-After is about a limit that passes within a minute, and the Retry-After that it gets.

Codex 0.171 ends a turn at a 429 without Retry-After. With one of whole seconds it waits as long and sends the request
again, five times at most; it reads neither the body nor x-ratelimit-reset-* nor retry-after-ms for that. 0.130 and
0.150 end the turn either way. So the field never costs a turn, and saves those that hit a short limit.

    the error's code or type   a quota or a balance passes as it is; a rate limit gets the field
    else the body's words      the same; a body that says neither passes as it is
    the delay                  the body's own, else that of the provider's other fields, else DEFAULT_SECONDS; a limit
                               that takes longer than MOST_SECONDS, or that no delay lifts, passes as it is
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from cfp.proxy.http.content_coding import readable
from cfp.proxy.http.messages import ResponseHead

MOST_SECONDS: Final = 60
# Most limits count by the minute, and Codex repeats five times: so its repeats cover a minute.
DEFAULT_SECONDS: Final = 12
_DECODED_LIMIT: Final = 1 << 18

# Codes and types are compared without case and without what separates their words.
_NO_RATE_CODE: Final = re.compile(
    r"(?<!rate)quota|billing|balance|credit|insufficient|usagelimit|usagenotincluded|payment|arrear|overdue|daily"
)
_RATE_CODE: Final = re.compile(r"ratelimit|ratequota|toomanyrequest|throttl|concurren")
_NO_RATE: Final = re.compile(
    r"(?<![a-z])quota(?![a-z])|billing|balance|(?<![a-z])credits?(?![a-z])|insufficient|usage[ _-]limit|payment"
    r"|recharge|top[ -]?up|arrear|overdue|subscription"
    r"|额度|額度|余额|餘額|配额|配額|欠费|欠費|充值|账单|帳單|用量|套餐|订阅|訂閱"
)
_RATE: Final = re.compile(
    r"rate[ _-]?limit|too many|(?:requests|tokens) per (?:second|min)|(?<![a-z])(?:rpm|tpm|qps)(?![a-z])|throttl"
    r"|concurren|slow down|try again|retry (?:after|in)"
    r"|速率|频率|頻率|频繁|頻繁|限流|限速|并发|並發|请求数|請求數|请求过多|請求過多|每分钟|每分鐘|稍后|稍後|秒后|秒後"
)
# A longer limit, unless the body says a short delay.
_LONG: Final = re.compile(
    r"per[ _-](?:day|hour|week|month)|daily|weekly|monthly|hourly|(?<![a-z])[rt]pd(?![a-z])"
    r"|每日|每天|每小时|每小時|每周|每月|今日|今天|当日|當日"
)
# No delay makes a request smaller, or pays a bill; some relays give such an error of their provider another code.
_LASTING: Final = re.compile(
    r"too large|must be reduced|reduce the (?:length|size|input)|exceeded your current quota|insufficient[ _-]quota"
    r"|usage[ _]limit[ _]reached|insufficient[ _](?:balance|credit)|余额不足|餘額不足|额度不足|額度不足|欠费|欠費"
)

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "毫秒": 0.001, "秒": 1, "分": 60, "小": 3600}
_PART: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)(?![a-z])\s*"
)
_STATED: Final = re.compile(r"(?:try again|retry|wait)\D{0,24}?(?=\d)")
_STATED_IN_CHINESE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(毫秒|秒|分|小)[钟鐘时時]*[之以]?[后後]")
# LiteLLM removes its provider's Retry-After, and keeps it under this name.
_BEHIND_LITELLM: Final = b"llm_provider-retry-after"
_RESETS: Final = (b"x-ratelimit-reset-requests", b"x-ratelimit-reset-tokens", b"x-ratelimit-reset")


def with_retry_after(head: ResponseHead, body: bytes) -> ResponseHead:
    """Return the head of a complete response, with Retry-After where that makes Codex wait for a short limit."""
    if head.status != 429 or b"retry-after" in head.fields:
        return head
    coding = head.fields.get(b"content-encoding", b"identity").lower()
    seconds = seconds_to_wait(readable(coding, body, _DECODED_LIMIT), head.fields)
    if seconds is None:
        return head
    name, value = b"retry-after", b"%d" % seconds
    return replace(head, headers=[*head.headers, (name, b"Retry-After", value)], fields={**head.fields, name: value})


def seconds_to_wait(body: bytes, fields: Mapping[bytes, bytes]) -> int | None:
    """Return the seconds after which a 429 with this body is worth a repeat; None where it is not a short limit.

    fields  of the head, by their lower-case names
    """
    codes, words = _read(body)
    if not _is_rate_limit(codes, words) or _LASTING.search(words):
        return None
    stated = _stated(words)
    if stated is None and _LONG.search(words):
        return None
    seconds = _reset(fields) if stated is None else stated
    if seconds > MOST_SECONDS:
        return None
    return max(1, math.ceil(seconds))


def _is_rate_limit(codes: str, words: str) -> bool:
    if _NO_RATE_CODE.search(codes):
        return False
    return bool(_RATE_CODE.search(codes) or (not _NO_RATE.search(words) and _RATE.search(words)))


def _read(body: bytes) -> tuple[str, str]:
    """Return the codes of an error, a line each, and its words, all in lower case."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "", text.lower()
    texts = list(_texts(document))
    codes = [re.sub(r"[^a-z]", "", text.lower()) for name, text in texts if name in {"code", "type"}]
    return "\n".join(codes), "\n".join(text.lower() for _, text in texts)


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    """Yield each text of a JSON document, with its name in the object around it."""
    pending = [("", document)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            pending += value.items()
        elif isinstance(value, list):
            pending += [(name, one) for one in value]


def _stated(words: str) -> float | None:
    """Return the seconds of the first delay that the words name; "try again in 1m12.5s" is 72.5."""
    for match in _STATED.finditer(words):
        seconds = _duration(words, match.end())
        if seconds is not None:
            return seconds
    chinese = _STATED_IN_CHINESE.search(words)
    return None if chinese is None else float(chinese[1]) * _UNITS[chinese[2]]


def _duration(text: str, start: int = 0) -> float | None:
    """Return the seconds of the duration that begins at `start`: 20s, 35ms, 6m0s, 1 minute 5 seconds."""
    seconds = None
    while match := _PART.match(text, start):
        unit = "ms" if match[2].startswith(("ms", "mil")) else match[2][0]
        seconds = (seconds or 0.0) + float(match[1]) * _UNITS[unit]
        start = match.end()
    return seconds


def _reset(fields: Mapping[bytes, bytes]) -> float:
    """Return the seconds until the provider's own fields say that the limit is lifted, else the default.

    Short durations alone count: some providers put a time since 1970 there, in seconds or milliseconds.
    """
    milliseconds = fields.get(b"retry-after-ms", b"")
    if milliseconds.isdigit():
        return float(milliseconds) / 1000
    seconds = fields.get(_BEHIND_LITELLM, b"")
    if seconds.isdigit():
        return float(seconds)
    texts = [fields[name].decode("latin-1").lower() for name in _RESETS if name in fields]
    values = [float(text) if text.isdecimal() else _duration(text) for text in texts]
    return max((value for value in values if value is not None and value <= MOST_SECONDS), default=DEFAULT_SECONDS)
