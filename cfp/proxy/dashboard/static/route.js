// The route of requests, their key, and the decision about their tier.

import { bodyOf, fill, h } from "./dom.js";
import { rules } from "./rules.js";
import { LOGIN, WEBSOCKET } from "./words.js";

function stop(name, address, ...notes) {
  return h("li", {}, h("span", { class: "name" }, name), address && h("code", {}, address), notes.map((note) => h("span", { class: "note" }, note)));
}

function key(route) {
  if (!route.overrides_auth) return "the key or login that Codex sends";
  const place = route.key_env === null ? "saved for the proxy" : `in the variable ${route.key_env}`;
  if (!route.key_available) return `the provider's key, which is missing: it should be ${place}`;
  return `the provider's key, ${place}`;
}

function guard(route) {
  return route.overrides_auth ? "The proxy removes Codex's login, cookies and account headers" : null;
}

export function route(route, fast) {
  const provider = route.provider;
  fill(
    bodyOf("route"),
    h(
      "ol",
      { class: "route" },
      stop("Codex", null, LOGIN[route.login_mode] ?? LOGIN.unknown),
      stop("This proxy", route.base_url),
      stop(provider, route.upstream_base, ...(route.upstream === null ? [] : [["the saved upstream ", h("strong", {}, route.upstream)]])),
    ),
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Key"),
      h("dd", { class: route.overrides_auth && !route.key_available ? "bad" : undefined }, key(route), guard(route) && h("span", { class: "note" }, guard(route))),
      h("dt", {}, "WebSocket"),
      h("dd", {}, WEBSOCKET[route.websocket] ?? WEBSOCKET.untried),
      rules(fast),
    ),
  );
}
