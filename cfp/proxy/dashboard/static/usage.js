// The sums of the ledger: tokens, times and Fast, by a name and over a time that the reader chooses.

import { bodyOf, fill, h } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { empty, swatch, tierClass, tierName, toggle } from "./parts.js";
import { KIND } from "./words.js";

const PLACE = "/__codex_fast_proxy/api/usage";
const PAUSE = 5000; // ms between two looks while requests end
const RANGES = [["1", "Today"], ["7", "7 days"], ["30", "30 days"], ["all", "All"]];
const NAMES = [["day", "Day"], ["model", "Model"], ["session", "Session"], ["kind", "Kind"], ["tier", "Tier"]];
const HEADS = [["Requests", ""], ["Failed", "widest"], ["Tokens in", ""], ["Cached", "wide"], ["Out", ""], ["Reasoning", "widest"], ["Fast sent", "wide"], ["First byte", "wide"], ["p95", "wide"], ["Whole, p95", "widest"]];

let by = "model";
let range = "7";
let sums = null;
let timer = null;
let looks = 0;

function name(of) {
  if (by === "tier") return [swatch(tierClass(of)), tierName(of)];
  if (of === null) return "not named";
  if (by === "kind") return KIND[of] ?? of;
  return by === "session" && of.length > 12 ? h("span", { title: of }, `${of.slice(0, 8)}…`) : of;
}

function cells(row) {
  const values = [
    count(row.requests), count(row.failed), count(row.input_tokens), count(row.cached_tokens), count(row.output_tokens),
    count(row.reasoning_tokens), count(row.fast_sent), duration(row.first_byte_median_ms), duration(row.first_byte_p95_ms), duration(row.duration_p95_ms),
  ];
  return values.map((value, index) => h("td", { class: `number ${HEADS[index][1]}` }, value));
}

function table() {
  const title = NAMES.find(([key]) => key === by)[1];
  return h(
    "table",
    {},
    h("caption", { class: "hidden" }, `Sums by ${title.toLowerCase()}`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, title), HEADS.map(([head, kind]) => h("th", { scope: "col", class: `number ${kind}` }, head)))),
    h("tbody", {}, sums.rows.map((row) => h("tr", {}, h("th", { scope: "row" }, name(row[by])), cells(row)))),
    sums.rows.length > 1 && h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "All"), cells(sums.total))),
  );
}

function choices(words, label, current, choose) {
  return h("div", { class: "choice", role: "group", "aria-label": label }, words.map(([key, word]) => toggle(`${label} ${key}`, word, key === current, () => choose(key))));
}

function show() {
  const controls = h(
    "div",
    { class: "choices" },
    choices(RANGES, "Time", range, (key) => { range = key; look(); }),
    choices(NAMES, "Added up by", by, (key) => { by = key; look(); }),
  );
  const rest = sums?.more > 0 && h("p", { class: "note" }, `${plural(sums.more, "more row")} in the command `, h("code", {}, `codex-fast-proxy usage --by ${by}`), ".");
  const none = sums?.readable === false ? "The file of the sums cannot be read; the command usage says why." : "No model request in this time.";
  fill(bodyOf("usage"), controls, sums?.by === by && sums.rows.length ? [table(), rest] : sums && empty(none));
}

async function look() {
  clearTimeout(timer);
  timer = null;
  const number = ++looks;
  try {
    const response = await fetch(`${PLACE}/${by}/${range}`);
    if (!response.ok || number !== looks) return;
    sums = await response.json();
    show();
  } catch {
    // The worker is being replaced: the next request that ends looks again.
  }
}

/** Look again soon; `newest` is the id of the newest request. */
export function usage() {
  if (sums === null) {
    show();
    look();
  } else {
    timer ??= setTimeout(look, PAUSE);
  }
}
