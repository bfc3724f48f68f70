// The last responses, newest first. A row opens to the fields of its log line, which has no content and no secret.

import { bodyOf, fill, h } from "./dom.js";
import { clock, count, day, duration, moment, plural } from "./format.js";
import { empty, swatch, tierClass, tierName, toggle, when } from "./parts.js";
import { ENDING, ERROR, FIELDS, KIND, OUTCOME, ADDED_FIELDS, TIMES, TOKENS } from "./words.js";

const FIRST = 14;
const COLUMNS = 8;

const open = new Set();
let onlyFailed = false;
let all = false;
let last = [];

function status(line) {
  const text = line.status === null ? "none" : String(line.status);
  if (line.outcome === "failed") return h("td", { class: "bad" }, text, h("span", { class: "hidden" }, " failed"));
  if (line.outcome === "left") return h("td", { class: "left", title: ERROR.client_left }, "closed");
  return h("td", {}, text);
}

function sent(line) {
  const tier = line.service_tier_after;
  return h("td", {}, swatch(tierClass(tier)), tierName(tier), line.service_tier_injected && h("span", { class: "tag", title: "added by the proxy" }, "added"));
}

function value(name, of) {
  if (TIMES.has(name)) return duration(of);
  if (name === "usage") return Object.entries(TOKENS).filter(([key]) => of[key] !== null && of[key] !== undefined).map(([key, word]) => `${count(of[key])} ${word}`).join(", ");
  if (name === "ending") return ENDING[of] ?? of;
  if (name === "kind") return KIND[of] ?? of;
  if (name === "error_type") return ERROR[of] ? `${of}: ${ERROR[of]}` : of;
  if (typeof of === "boolean") return of ? "yes" : "no";
  if (typeof of === "object") return JSON.stringify(of);
  return String(of);
}

function detail(line, id) {
  const known = FIELDS.map(([name]) => name);
  const others = Object.keys(line).filter((name) => !known.includes(name) && !ADDED_FIELDS.has(name)).map((name) => [name, name]);
  const fields = [...FIELDS, ...others].filter(([name]) => line[name] !== null && line[name] !== undefined && line[name] !== "");
  return h(
    "tr",
    { class: "detail", id },
    h(
      "td",
      { colspan: COLUMNS },
      h("p", {}, `${OUTCOME[line.outcome]}. The log never contains contents or keys.`),
      h("dl", {}, fields.map(([name, label]) => h("div", {}, h("dt", {}, label), h("dd", {}, value(name, line[name]))))),
    ),
  );
}

function rows(line) {
  const id = `detail-${line.request_id}`;
  const isOpen = open.has(line.request_id);
  const at = new Date(line.ts);
  const flip = () => {
    if (!open.delete(line.request_id)) open.add(line.request_id);
    requests(last);
  };
  const name = `${moment(at)}, ${line.model ?? "model not named"}, ${tierName(line.service_tier_after)}, ${OUTCOME[line.outcome]}`;
  const opener = h(
    "button",
    { type: "button", class: "opener", "aria-expanded": String(isOpen), "aria-controls": isOpen ? id : undefined, "aria-label": name, "data-key": line.request_id, title: `${day(at)} ${clock(at)}` },
    moment(at),
  );
  const usage = line.usage ?? {};
  const row = h(
    "tr",
    { class: `request ${line.outcome}${isOpen ? " open" : ""}`, "data-id": line.request_id, onclick: (event) => getSelection().isCollapsed && (event.preventDefault(), flip()) },
    h("td", {}, opener),
    h("td", { class: "wide model" }, line.model ?? "–", line.named_otherwise && h("span", { class: "tag", title: "the answer names another model" }, line.response_model)),
    sent(line),
    h("td", { class: "wide" }, line.response_service_tier ?? "–"),
    status(line),
    h("td", { class: "number wide" }, duration(line.first_byte_ms)),
    h("td", { class: "number" }, duration(line.duration_ms)),
    h("td", { class: "number wide" }, count(usage.output_tokens)),
  );
  return isOpen ? [row, detail(line, id)] : [row];
}

const HEADS = [["Time"], ["Model", "wide"], ["Tier sent"], ["Echoed", "wide"], ["Status"], ["First byte", "number wide"], ["Duration", "number"], ["Tokens out", "number wide"]];

function summary(lines, failed) {
  const sentence = failed.length
    ? h("span", {}, h("strong", { class: "bad" }, `${count(failed.length)} failed`), ` of the last ${plural(lines.length, "request")}, most recently `, when(failed.at(-1).ts))
    : h("span", {}, lines.length === 1 ? "The request did not fail." : `None of the last ${count(lines.length)} requests failed.`);
  const button = (failed.length > 0 || onlyFailed) && toggle("only failed", "Failures only", onlyFailed, () => {
    onlyFailed = !onlyFailed;
    requests(last);
  });
  return h("div", { class: "summary" }, sentence, button);
}

/** Draw the list; `lines` are in the order of time. */
export function requests(lines) {
  last = lines;
  const body = bodyOf("requests");
  if (lines.length === 0) {
    fill(body, empty("No model request yet. A running Codex process keeps its old route: restart the Codex App, or open a new CLI session, then send a message."));
    return;
  }
  const failed = lines.filter((line) => line.outcome === "failed");
  const chosen = (onlyFailed ? failed : lines).toReversed();
  const shown = all ? chosen : chosen.slice(0, FIRST);
  const more = chosen.length > FIRST && toggle("all", all ? "Show fewer" : `Show all ${count(chosen.length)}`, undefined, () => {
    all = !all;
    requests(last);
  });
  fill(
    body,
    summary(lines, failed),
    h(
      "table",
      { class: "requests" },
      h("caption", { class: "hidden" }, "Model requests, newest first"),
      h("thead", {}, h("tr", {}, HEADS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
      h("tbody", {}, shown.flatMap(rows)),
    ),
    more,
  );
}
