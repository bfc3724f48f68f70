// The choice among the requests: a session, a model, a text, failures only. Its controls stay while rows come.

import { fill, h } from "./dom.js";
import { shortId } from "./format.js";
import { ENDED } from "./words.js";

// What a text is sought in: names and words, not times and counts, whose digits mean something else.
const SOUGHT = [
  "method", "path", "transport", "model", "response_model", "session", "kind", "status", "ending", "error_type", "upstream_error_code",
  "service_tier_before", "service_tier_after", "response_service_tier", "service_tier_rule",
];

const chosen = { session: "", model: "", text: "", failed: false };

function has(line, text) {
  const words = [...SOUGHT.map((name) => line[name]), ENDED[line.ending]];
  return words.some((word) => String(word ?? "").toLowerCase().includes(text)) || line.request_id.startsWith(text);
}

/** Whether a line is of the reader's choice. */
export function matches(line) {
  return (
    (!chosen.session || line.session === chosen.session) &&
    (!chosen.model || line.model === chosen.model) &&
    (!chosen.failed || line.outcome === "failed") &&
    (!chosen.text || has(line, chosen.text))
  );
}

export function isNarrowed() {
  return Boolean(chosen.session || chosen.model || chosen.text || chosen.failed);
}

function distinct(lines, name) {
  const counts = new Map();
  for (const line of lines) if (line[name]) counts.set(line[name], (counts.get(line[name]) ?? 0) + 1);
  return [...counts];
}

/** Give a list the names that the lines have; where nothing changed, it stays as it is, open or not. */
function offer(select, every, names, label) {
  const known = names.some(([name]) => name === select.value) || !select.value ? names : [...names, [select.value, 0]];
  const text = JSON.stringify(known.map(([name]) => name));
  if (select.dataset.names === text) return;
  const { value } = select;
  select.dataset.names = text;
  fill(select, h("option", { value: "" }, every), known.map(([name]) => h("option", { value: name }, label(name))));
  select.value = value;
}

/** The controls, once, and `more` behind them; `changed` is called at each choice. The result brings their names up to date. */
export function controls(place, changed, more) {
  const list = (name, label) => h("select", { "aria-label": label, onchange: (event) => { chosen[name] = event.target.value; changed(); } });
  const session = list("session", "Session");
  const model = list("model", "Model");
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the requests", spellcheck: "false", oninput: (event) => { chosen.text = event.target.value.trim().toLowerCase(); changed(); } });
  const clear = () => {
    Object.assign(chosen, { session: "", model: "", text: "", failed: false });
    [session.value, model.value, search.value] = ["", "", ""];
    failed.setAttribute("aria-pressed", "false");
    changed();
  };
  const failed = h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => { chosen.failed = !chosen.failed; failed.setAttribute("aria-pressed", String(chosen.failed)); changed(); } }, "Failures only");
  const all = h("button", { type: "button", class: "quiet", onclick: clear }, "Clear");
  place.addEventListener("keydown", (event) => { if (event.key === "Escape" && isNarrowed()) clear(); });
  fill(place, search, session, model, failed, all, more);
  return (lines) => {
    place.hidden = lines.length === 0;
    all.hidden = !isNarrowed();
    offer(session, "All sessions", distinct(lines, "session"), shortId);
    offer(model, "All models", distinct(lines, "model"), (name) => (name.length > 40 ? `${name.slice(0, 40)}…` : name));
    session.hidden = session.options.length < 2;
    model.hidden = model.options.length < 2;
  };
}
