// The sums of the ledger: tokens, times, Fast and what it saved, over a time and by a name that the reader chooses.

import { bodyOf, fill, h } from "./dom.js";
import { downloads } from "./download.js";
import { count, duration, plural, share, shortId } from "./format.js";
import { figure, long, empty, swatch, tierClass, tierName, toggle } from "./parts.js";
import { saved } from "./saved.js";
import { table } from "./table.js";
import { KIND } from "./words.js";

const PLACE = "/__codex_fast_proxy/api/usage";
const PAUSE = 5000; // ms between two looks while requests end
const FIRST = 8;
const RANGES = [["1", "Today"], ["7", "7 days"], ["30", "30 days"], ["all", "All"]];
const NAMES = [["model", "Model"], ["day", "Day"], ["session", "Session"], ["kind", "Kind"], ["tier", "Tier"]];
const some = (number) => (number ? count(number) : null);
const time = (ms) => (ms === null ? null : duration(ms));
const COLUMNS = [
  { head: "Requests", kind: "number", cell: (row) => count(row.requests) },
  { head: "Failed", kind: "number wide", cell: (row) => some(row.failed) },
  { head: "Tokens in", kind: "number", cell: (row) => some(row.input_tokens) },
  { head: "Cached", kind: "number widest", cell: (row) => some(row.cached_tokens) },
  { head: "Out", kind: "number", cell: (row) => some(row.output_tokens) },
  { head: "Reasoning", kind: "number widest", cell: (row) => some(row.reasoning_tokens) },
  { head: "Fast sent", kind: "number wide", cell: (row) => some(row.fast_sent) },
  { head: "First byte, p50", kind: "number widest", cell: (row) => time(row.first_byte_median_ms) },
  { head: "Output, p50", kind: "number wide", cell: (row) => time(row.first_output_median_ms) },
  { head: "Output, p95", kind: "number widest", cell: (row) => time(row.first_output_p95_ms) },
  { head: "Whole, p50", kind: "number widest", cell: (row) => time(row.duration_median_ms) },
  { head: "Whole, p95", kind: "number widest", cell: (row) => time(row.duration_p95_ms) },
];

let by = "model";
let range = "7";
let all = false;
let sums = null;
let timer = null;
let looks = 0;

function name(of) {
  if (by === "tier") return [swatch(tierClass(of)), long(tierName(of))];
  if (of === null) return "not named";
  if (by === "kind") return KIND[of] ?? long(of);
  return by === "session" ? h("span", { title: of }, shortId(of)) : long(of);
}

/** The time to the first output, or to the first byte, which earlier versions logged alone. */
function first(total) {
  const [name, of] = total.first_output_median_ms === null ? ["First byte", "first_byte"] : ["First output", "first_output"];
  return figure(`${name}, p50`, duration(total[`${of}_median_ms`]), `p95 ${duration(total[`${of}_p95_ms`])}`);
}

function figures({ total, time_saved: gain }) {
  const million = 1e6;
  const tokens = total.input_tokens + total.output_tokens;
  return h(
    "ul",
    { class: "figures" },
    figure("Tokens", tokens ? count(tokens, million) : "–", tokens > 0 && `${count(total.input_tokens, million)} in (${share(total.cached_tokens, total.input_tokens)} cached)`, tokens > 0 && `${count(total.output_tokens, million)} out`),
    figure("Requests", count(total.requests), total.failed > 0 && `${count(total.failed)} failed`, total.left > 0 && `${count(total.left)} closed by Codex`),
    figure("Sent with Fast", share(total.fast_sent, total.requests), `${count(total.fast_sent)} of ${count(total.requests)}`, total.fast_sent > 0 && `named in ${plural(total.fast_served, "answer")}`),
    saved(gain),
    first(total),
    figure("Whole response, p50", duration(total.duration_median_ms), `p95 ${duration(total.duration_p95_ms)}`),
  );
}

function rows() {
  const title = NAMES.find(([key]) => key === by)[1];
  const shown = by === "day" ? sums.rows.toReversed() : sums.rows;
  const part = all ? shown : shown.slice(0, FIRST);
  return [
    table({ caption: `Sums by ${title.toLowerCase()}`, hidden: true, name: { head: title, cell: (row) => name(row[by]) }, columns: COLUMNS, rows: part, total: sums.rows.length > 1 ? sums.total : null }),
    shown.length > FIRST && toggle("all sums", all ? "Show fewer" : `Show all ${count(shown.length)}`, undefined, () => { all = !all; show(); }),
    sums.more > 0 && h("p", { class: "note" }, `${plural(sums.more, "more row")} in the command `, h("code", {}, `codex-fast-proxy usage --by ${by}`), "."),
  ];
}

function choices(words, label, current, choose) {
  return h("div", { class: "choice", role: "group", "aria-label": label }, words.map(([key, word]) => toggle(`${label} ${key}`, word, key === current, () => choose(key))));
}

function show() {
  const isCurrent = sums?.by === by && sums.rows.length > 0;
  const controls = h(
    "div",
    { class: "choices" },
    choices(RANGES, "Time", range, (key) => { range = key; look(); }),
    choices(NAMES, "Added up by", by, (key) => { by = key; look(); }),
    isCurrent && downloads("sums", () => sums.rows),
  );
  const none = sums?.readable === false ? "The file of the sums cannot be read; the command usage says why." : "No model request in this time.";
  fill(bodyOf("usage"), controls, isCurrent ? [figures(sums), rows()] : sums ? empty(none) : h("p", { class: "note" }, "Adding up the log…"));
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
