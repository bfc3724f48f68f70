// What the codes of the worker mean, in the words of the page.

export const LOGIN = {
  api_key: "signed in with an API key",
  chatgpt: "signed in with ChatGPT",
  mixed: "signed in with ChatGPT, and an API key beside it",
  unknown: "login not known to the proxy",
};

/** What is known of the provider's WebSocket. */
export const WEBSOCKET = {
  untried: "Codex has not asked for it yet",
  served: "the provider serves it",
  not_served: "not served; Codex goes on over HTTP at once",
};

/** What becomes of a request without a tier; `tier` is the one that would be added. */
export function behavior({ behavior, effective_policy, tier }) {
  if (behavior === "auto_global_priority" && effective_policy === "preserve") return 'nothing is added: config.toml says `service_tier = "default"`';
  const said = {
    app_controlled: "Codex's own Fast switch decides",
    auto_global_priority: `\`${tier}\` is added where Codex names no tier, because it is signed in with an API key`,
    global_priority: `\`${tier}\` is added to every request that names no tier`,
    preserve_only: "nothing is added to any request",
    unknown_conservative: "nothing is added, because the login is not known",
  };
  return said[behavior] ?? behavior;
}

export const VERDICT = {
  faster: "Faster",
  no_effect: "No effect worth noticing",
  slower: "Slower",
  not_enough_data: "Not enough data",
};

export const OUTCOME = { ok: "Answered", failed: "Failed", left: "Left by the client" };

export const ERROR = {
  upstream_key_missing: "the provider's key is missing",
  upstream_key_unusable: "the provider's key cannot be put into a header",
  upstream_unreachable: "the provider could not be reached",
  upstream_broke_off: "the provider closed the connection without an answer",
  upstream_bad_response: "the provider's answer was not sound HTTP",
  upstream_silent: "the provider fell silent",
  upstream_cut: "the provider cut the stream before its end",
  client_left: "Codex closed the connection first, as it does when you interrupt a turn",
  host_not_allowed: "refused: asked for under another host name",
  origin_not_allowed: "refused: asked for by a web page",
  peer_not_allowed: "refused: asked for by another user of this machine",
  proxy_loop: "the upstream leads back to this proxy",
};

// Fields of a request, in the order in which its detail shows them.
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
  ["response_service_tier", "Tier in the answer"],
  ["service_tier_policy", "Policy"],
  ["service_tier_effective_policy", "Policy in effect"],
  ["first_byte_ms", "First byte"],
  ["upstream_ms", "Provider's head"],
  ["duration_ms", "Duration"],
  ["stream", "Streamed"],
  ["usage", "Tokens"],
  ["response_content_type", "Content type"],
  ["json_error", "Body"],
  ["eligible", "Looked into"],
  ["settings_generation", "Settings"],
];
export const TIMES = new Set(["first_byte_ms", "upstream_ms", "duration_ms"]);
export const OWN_WORDS = new Set(["kind", "outcome"]);
export const TOKENS = {
  input_tokens: "in",
  cached_tokens: "of it cached",
  output_tokens: "out",
  reasoning_tokens: "of it reasoning",
  total_tokens: "in all",
};
