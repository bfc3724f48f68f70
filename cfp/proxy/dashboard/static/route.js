// The route of requests, their key, and the tier policy.

import { bodyOf, fill, h } from "./dom.js";
import { prose } from "./parts.js";
import { behavior, LOGIN, WEBSOCKET } from "./words.js";

function stop(name, address, ...notes) {
  return h("li", {}, h("span", { class: "name" }, name), address && h("code", {}, address), notes.map((note) => h("span", { class: "note" }, note)));
}

function key(route) {
  if (!route.overrides_auth) return "Codex's own login, passed on unchanged";
  if (!route.key_available) return "the provider's own key, which is missing";
  const name = route.key_env === null ? "kept by the proxy" : `in ${route.key_env}`;
  return `the provider's own key, ${name}`;
}

function guard(route) {
  return route.overrides_auth ? "Codex's login, cookies and account headers stay here" : null;
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
      stop(provider, route.upstream_base),
    ),
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Key"),
      h("dd", { class: route.overrides_auth && !route.key_available ? "bad" : undefined }, key(route), guard(route) && h("span", { class: "note" }, guard(route))),
      h("dt", {}, "WebSocket"),
      h("dd", {}, WEBSOCKET[route.websocket] ?? WEBSOCKET.untried),
      h("dt", {}, "Policy"),
      h("dd", {}, h("code", {}, fast.policy), ": ", prose(behavior(fast))),
    ),
  );
}
