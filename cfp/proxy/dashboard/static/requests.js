// The last responses, newest first. A row opens to the fields of its log line, which has no content and no secret.

import { bodyOf, fill, h } from "./dom.js";
import { downloads } from "./download.js";
import { controls, isNarrowed, matches } from "./filter.js";
import { clock, count, day, duration, moment, plural, quantile, shortId } from "./format.js";
import { empty, long, swatch, tierClass, tierName, toggle, when } from "./parts.js";
import { cells, filled, head } from "./table.js";
import { ENDED, ENDING, ERROR, FIELDS, KIND, OUTCOME, ADDED_FIELDS, TIMES, TOKENS } from "./words.js";

const FIRST = 14;

const open = new Set();
let all = false;
let last = [];
let offer = null;

function ended(line) {
  const word = ENDED[line.ending] ?? ENDED[{ ok: "completed", left: "left" }[line.outcome] ?? "failed"];
  const status = line.status === null || line.outcome === "left" ? null : `${line.status} `;
  const kind = { failed: "bad", left: "note" }[line.outcome];
  return h("span", { class: kind, title: ERROR[line.error_type] ?? ENDING[line.ending] }, status, h("span", { class: status ? "word" : undefined }, word));
}

function sent(line) {
  const tier = line.service_tier_after;
  return [swatch(tierClass(tier)), long(tierName(tier)), line.service_tier_injected && h("span", { class: "tag", title: "added by the proxy" }, "added")];
}

function model(line) {
  return [long(line.model ?? "–"), line.named_otherwise && h("span", { class: "tag", title: "the answer names another model" }, long(line.response_model))];
}

function tokens(line, name) {
  const number = line.usage?.[name];
  return number === null || number === undefined ? null : count(number);
}

const time = (ms) => (ms === null || ms === undefined ? null : duration(ms));
const COLUMNS = [
  { head: "Model", kind: "wide model", cell: (line) => (line.model === null ? null : model(line)) },
  { head: "Session", kind: "widest", cell: (line) => line.session && h("span", { title: line.session }, shortId(line.session)) },
  { head: "Kind", kind: "widest", cell: (line) => (line.kind ? KIND[line.kind] ?? long(line.kind) : null) },
  { head: "Tier sent", cell: sent },
  { head: "Echoed", kind: "wide", cell: (line) => (line.response_service_tier === null ? null : long(line.response_service_tier)) },
  { head: "Ending", cell: ended },
  { head: "First byte", kind: "number widest", cell: (line) => time(line.first_byte_ms) },
  { head: "First output", kind: "number wide", cell: (line) => time(line.first_output_ms) },
  { head: "Whole", kind: "number", cell: (line) => time(line.duration_ms) },
  { head: "Tokens in", kind: "number widest", cell: (line) => tokens(line, "input_tokens") },
  { head: "Out", kind: "number wide", cell: (line) => tokens(line, "output_tokens") },
];

function value(name, of) {
  if (TIMES.has(name)) return duration(of);
  if (name === "ts") return `${day(new Date(of))} ${clock(new Date(of))}`;
  if (name === "usage") return Object.entries(TOKENS).filter(([key]) => of[key] !== null && of[key] !== undefined).map(([key, word]) => `${count(of[key])} ${word}`).join(", ");
  if (name === "ending") return ENDING[of] ?? of;
  if (name === "kind") return KIND[of] ?? of;
  if (name === "error_type") return ERROR[of] ? `${of}: ${ERROR[of]}` : of;
  if (typeof of === "boolean") return of ? "yes" : "no";
  if (typeof of === "object") return JSON.stringify(of);
  return String(of);
}

function detail(line, id, width) {
  const known = FIELDS.map(([name]) => name);
  const others = Object.keys(line).filter((name) => !known.includes(name) && !ADDED_FIELDS.has(name)).map((name) => [name, name]);
  const fields = [...FIELDS, ...others].filter(([name]) => line[name] !== null && line[name] !== undefined && line[name] !== "");
  return h(
    "tr",
    { class: "detail", id },
    h(
      "td",
      { colspan: width },
      h("p", {}, `${OUTCOME[line.outcome]}. The log never contains contents or keys.`),
      h("dl", {}, fields.map(([name, label]) => h("div", {}, h("dt", {}, label), h("dd", {}, value(name, line[name]))))),
    ),
  );
}

function rows(columns, line) {
  const id = `detail-${line.request_id}`;
  const isOpen = open.has(line.request_id);
  const at = new Date(line.ts);
  const flip = () => {
    if (!open.delete(line.request_id)) open.add(line.request_id);
    show();
  };
  const name = `${moment(at)}, ${line.model ?? "model not named"}, ${tierName(line.service_tier_after)}, ${OUTCOME[line.outcome]}`;
  const opener = h(
    "button",
    { type: "button", class: "opener", "aria-expanded": String(isOpen), "aria-controls": isOpen ? id : undefined, "aria-label": name, "data-key": line.request_id, title: `${day(at)} ${clock(at)}`, onkeydown: (event) => event.key === "Escape" && isOpen && (event.stopPropagation(), flip()) },
    moment(at),
  );
  const row = h(
    "tr",
    { class: `request ${line.outcome}${isOpen ? " open" : ""}`, "data-id": line.request_id, onclick: (event) => getSelection().isCollapsed && (event.preventDefault(), flip()) },
    h("td", {}, opener, h("span", { class: "narrow" }, model(line))),
    cells(columns, line),
  );
  return isOpen ? [row, detail(line, id, columns.length + 1)] : [row];
}

function times(lines, field) {
  const values = lines.map((line) => line[field]).filter((value) => value > 0);
  return values.length > 0 && `p50 ${duration(quantile(values, 0.5))}, p95 ${duration(quantile(values, 0.95))}`;
}

/** How many requests are shown, how many of them failed, and how long they took. */
function summary(lines) {
  const failed = lines.filter((line) => line.outcome === "failed");
  const ran = lines.filter((line) => line.outcome !== "failed");
  const number = isNarrowed() ? `${count(lines.length)} of the last ${plural(last.length, "request")}` : `The last ${plural(lines.length, "request")}`;
  const parts = [
    h("span", { role: "status" }, number, failed.length > 0 && [", ", h("strong", { class: "bad" }, `${count(failed.length)} failed`), ", most recently ", when(failed.at(-1).ts)]),
    ...[["First byte", times(ran, "first_byte_ms")], ["First output", times(ran, "first_output_ms")], ["Whole", times(ran, "duration_ms")]].map(([name, text]) => text && h("span", {}, `${name}: ${text}`)),
  ];
  return h("div", { class: "summary" }, parts);
}

/** A line with its token counts beside its other fields, for a file. */
function flat({ usage, ...line }) {
  return { ...line, ...usage };
}

function show() {
  const body = bodyOf("requests");
  offer ??= controls(document.querySelector("#requests .controls"), show, downloads("requests", () => last.filter(matches).toReversed().map(flat)));
  offer(last);
  if (last.length === 0) {
    fill(body, empty("No model request yet. A running Codex process keeps its old route: restart the Codex App, or open a new CLI session, then send a message."));
    return;
  }
  const chosen = last.filter(matches);
  const newest = chosen.toReversed();
  const shown = all ? newest : newest.slice(0, FIRST);
  const columns = filled(COLUMNS, shown);
  const more = newest.length > FIRST && toggle("all", all ? "Show fewer" : `Show all ${count(newest.length)}`, undefined, () => {
    all = !all;
    show();
  });
  fill(
    body,
    summary(chosen),
    shown.length === 0
      ? empty("None of them is of this choice.")
      : h(
        "table",
        { class: "requests" },
        h("caption", { class: "hidden" }, "Model requests, newest first"),
        head([{ head: ["Time", h("span", { class: "narrow-inline" }, ", model")] }, ...columns]),
        h("tbody", {}, shown.flatMap((line) => rows(columns, line))),
      ),
    more,
  );
}

/** Draw the list; `lines` are in the order of time. */
export function requests(lines) {
  last = lines;
  show();
}
