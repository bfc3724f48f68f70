// The words of the page for the worker's codes.

export const LOGIN = {
  api_key: "signed in with an API key",
  chatgpt: "signed in with ChatGPT",
  mixed: "signed in with ChatGPT, with an API key as well",
  unknown: "login unknown",
};

/** The provider's support of WebSocket. */
export const WEBSOCKET = {
  untried: "Codex has not used it yet",
  served: "supported by the provider",
  not_served: "not supported by the provider; Codex uses HTTP instead",
};

/** The effect of the policy on a request without a tier; `tier` is the one that may be added. */
export function behavior({ behavior, effective_policy, tier }) {
  if (behavior === "auto_global_priority" && effective_policy === "preserve") return 'nothing is added: config.toml says `service_tier = "default"`';
  const sentences = {
    app_controlled: "Codex's own Fast switch decides",
    auto_global_priority: `\`${tier}\` is added where Codex sends no tier, because it is signed in with an API key`,
    global_priority: `\`${tier}\` is added to every request without a tier`,
    preserve_only: "nothing is added to any request",
    unknown_conservative: "nothing is added, because the login is unknown",
  };
  return sentences[behavior] ?? behavior;
}

export const VERDICT = {
  faster: "Faster",
  no_effect: "No noticeable effect",
  slower: "Slower",
  not_enough_data: "Not enough data",
};

export const OUTCOME = { ok: "Answered", failed: "Failed", left: "Closed by the client" };

export const ERROR = {
  upstream_key_missing: "the provider's key is missing",
  upstream_key_unusable: "the provider's key has characters that a header cannot carry",
  upstream_unreachable: "the provider could not be reached",
  upstream_broke_off: "the provider closed the connection without a response",
  upstream_bad_response: "the provider's response was not valid HTTP",
  upstream_silent: "the provider stopped sending",
  upstream_cut: "the provider closed the stream before its end",
  client_left: "Codex closed the connection first, as it does when you interrupt a turn",
  host_not_allowed: "refused: it named another host than this proxy",
  origin_not_allowed: "refused: it came from another web page",
  peer_not_allowed: "refused: it came from another user of this machine",
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
  ["status", "Status"],
  ["error_type", "Error"],
  ["service_tier_before", "Tier from Codex"],
  ["service_tier_after", "Tier sent"],
  ["service_tier_injected", "Added by the proxy"],
  ["response_service_tier", "Tier in the response"],
  ["service_tier_policy", "Policy"],
  ["service_tier_effective_policy", "Policy in effect"],
  ["first_byte_ms", "First byte"],
  ["upstream_ms", "Response headers"],
  ["duration_ms", "Duration"],
  ["stream", "Streamed"],
  ["usage", "Tokens"],
  ["response_content_type", "Content type"],
  ["json_error", "Problem with the body"],
  ["eligible", "Inspected for a tier"],
  ["settings_generation", "Settings version"],
];
export const TIMES = new Set(["first_byte_ms", "upstream_ms", "duration_ms"]);
export const ADDED_FIELDS = new Set(["kind", "outcome"]);
export const TOKENS = {
  input_tokens: "in",
  cached_tokens: "cached",
  output_tokens: "out",
  reasoning_tokens: "reasoning",
  total_tokens: "total",
};
