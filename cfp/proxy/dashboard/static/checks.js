// Requests such as the list of models: they fail and succeed independently of model requests.

import { bodyOf, fill, h } from "./dom.js";
import { count, plural } from "./format.js";
import { empty, when } from "./parts.js";
import { ERROR } from "./words.js";

const ROWS = 6;

function grouped(lines) {
  const groups = new Map();
  for (const line of lines) {
    const name = `${line.method} ${line.path}`;
    const group = groups.get(name) ?? { name, count: 0, failed: 0, last: line };
    group.count += 1;
    group.failed += line.outcome === "failed" ? 1 : 0;
    group.last = line;
    groups.set(name, group);
  }
  return [...groups.values()].sort((a, b) => (a.last.ts < b.last.ts ? 1 : -1));
}

function row(group) {
  const bad = group.last.outcome === "failed";
  const what = ERROR[group.last.error_type] ?? (group.last.status ? `status ${group.last.status}` : "no response");
  return h(
    "li",
    {},
    h("code", {}, group.name),
    h("span", { class: bad ? "bad" : "note" }, what, " ", when(group.last.ts)),
    h("span", { class: "note" }, plural(group.count, "request"), group.failed ? `, ${count(group.failed)} failed` : ""),
  );
}

export function checks(lines) {
  const groups = grouped(lines);
  const note = h("p", { class: "note" }, "Codex requests the list of models when a session starts. A failure here does not affect model requests.");
  fill(bodyOf("checks"), groups.length ? [h("ul", { class: "plain" }, groups.slice(0, ROWS).map(row)), note] : empty("None yet. Codex requests the list of models when a session starts."));
}
