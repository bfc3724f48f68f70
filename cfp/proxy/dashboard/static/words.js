// The words of the page for the worker's codes.

export const LOGIN = {
  api_key: "signed in with an API key",
  chatgpt: "signed in with ChatGPT",
  mixed: "signed in with ChatGPT and with an API key",
  unknown: "the login is unknown",
};

/** The provider's support of WebSocket. */
export const WEBSOCKET = {
  untried: "Codex has not requested it yet",
  served: "the provider supports it",
  not_served: "the provider does not support it, so Codex uses HTTP",
};

/** The effect of the policy on a request without a tier; `tier` is the one that may be added. */
export function behavior({ behavior, effective_policy, tier }) {
  if (behavior === "auto_global_priority" && effective_policy === "preserve") return "the proxy adds no tier, because Codex's configuration names another `service_tier` than `fast`";
  const sentences = {
    app_controlled: "the proxy adds no tier: with a ChatGPT login, Codex's own Fast switch decides",
    auto_global_priority: `the proxy adds \`${tier}\` to requests without a tier, because Codex talks to the provider with an API key`,
    global_priority: `the proxy adds \`${tier}\` to every request without a tier`,
    preserve_only: "the proxy never adds a tier",
    unknown_conservative: "the proxy adds no tier, because the login is unknown",
  };
  return sentences[behavior] ?? behavior;
}

export const VERDICT = {
  faster: "Faster",
  no_effect: "No noticeable effect",
  slower: "Slower",
  not_enough_data: "Not enough data",
  refused: "Refused",
};

export const OUTCOME = { ok: "Succeeded", incomplete: "Incomplete: the model stopped early", failed: "Failed", left: "Closed by Codex" };

export const ENDING = {
  completed: "complete",
  incomplete: "the model stopped early",
  failed: "the provider reported a failure",
  cut: "the provider ended the response before its final event",
  left: "Codex closed the connection before the final event",
  unanswered: "the provider sent no response",
};

/** An ending in a word or two, for a column. */
export const ENDED = {
  completed: "complete",
  incomplete: "stopped early",
  failed: "failed",
  cut: "cut off",
  left: "closed by Codex",
  unanswered: "no response",
};

export const ERROR = {
  upstream_key_missing: "the provider's key is missing",
  upstream_key_unusable: "the provider's key has a character that cannot be sent",
  upstream_unreachable: "the proxy could not reach the provider",
  upstream_broke_off: "the provider closed the connection without a response",
  upstream_bad_response: "the provider's response was not valid HTTP",
  upstream_silent: "the provider sent nothing for too long",
  upstream_cut: "the provider closed the stream before its end",
  upstream_error: "the provider reported that the response failed",
  upstream_not_sse: "the provider sent something else than a response of the Responses API",
  client_silent: "Codex stopped sending the request before its end",
  client_left: "Codex closed the connection first, as it does when you interrupt a turn",
  host_not_allowed: "the proxy refused the request: it does not name this proxy as its host",
  origin_not_allowed: "the proxy refused the request: a web page of another site sent it",
  peer_not_allowed: "the proxy refused the request: another user of this machine sent it",
  malformed_request: "the request is not valid HTTP/1.1",
  ca_file_unreadable: "TLS cannot start, because the file of CA certificates is not readable",
  outbound_proxy_invalid: "the outbound proxy must be an http, https or socks URL",
  not_found: "the proxy serves nothing at this path",
  method_not_served: "the proxy does not serve this method",
  body_too_large: "the request body is too large",
  head_too_large: "the request's header fields are too large",
  upgrade_not_served: "WebSocket is not available at this path",
  websocket_not_served: "the provider does not support WebSocket, so Codex uses HTTP",
  too_many_connections: "too many connections are open",
  dashboard_unavailable: "the files of the proxy were deleted or replaced, so that it cannot show the dashboard",
  http_version: "the proxy supports HTTP/1.1 and HTTP/1.0 only",
  upstream_redirect: "the provider redirects to another address",
  proxy_loop: "the upstream URL leads back to this proxy",
};

// The fields of a request's detail, in their order.
export const FIELDS = [
  ["request_id", "Request"],
  ["ts", "Arrived"],
  ["method", "Method"],
  ["path", "Path"],
  ["transport", "Transport"],
  ["upstream_base", "Provider"],
  ["model", "Model"],
  ["response_model", "Model in the response"],
  ["session", "Codex thread"],
  ["kind", "Kind"],
  ["service_tier_rule", "Tier decided by"],
  ["status", "Status"],
  ["error_type", "Error"],
  ["ending", "Ending"],
  ["upstream_error_code", "Provider's code"],
  ["service_tier_before", "Tier from Codex"],
  ["service_tier_after", "Tier sent"],
  ["service_tier_injected", "Added by the proxy"],
  ["response_service_tier", "Tier in the response"],
  ["service_tier_policy", "Policy"],
  ["service_tier_effective_policy", "Policy in effect"],
  ["first_byte_ms", "First byte"],
  ["first_output_ms", "First output"],
  ["upstream_ms", "Response headers"],
  ["duration_ms", "Duration"],
  ["stream", "Streamed"],
  ["usage", "Tokens"],
  ["response_content_type", "Content type"],
  ["json_error", "Problem with the body"],
  ["eligible", "Inspected for a tier"],
  ["settings_generation", "Settings version"],
];
export const TIMES = new Set(["first_byte_ms", "first_output_ms", "upstream_ms", "duration_ms"]);
export const ADDED_FIELDS = new Set(["purpose", "outcome", "named_otherwise"]);
export const KIND = {
  turn: "turn",
  subagent: "subagent",
  review: "review",
  compact: "compaction",
  title: "title",
  memory: "memory",
};
export const TOKENS = {
  input_tokens: "in",
  cached_tokens: "cached",
  output_tokens: "out",
  reasoning_tokens: "reasoning",
  total_tokens: "total",
};
