// First output and duration of the last responses over time, by tier.

import { chart } from "./chart.js";
import { bodyOf, fill, h } from "./dom.js";
import { clock, count, duration, median } from "./format.js";
import { empty, swatch, tierClass, tierName } from "./parts.js";

const OUTPUT = ["first_output_ms", "First output"];
const BYTE = ["first_byte_ms", "First byte"];
const WHOLE = ["duration_ms", "Whole response"];
const BESIDE = 720; // pixels from which the charts stand beside each other
const GAP = 44;

let last = [];
let width = 0;

function kinds(lines) {
  const groups = new Map();
  for (const line of lines) {
    const kind = tierClass(line.service_tier_after);
    const names = groups.get(kind) ?? new Set();
    groups.set(kind, names.add(tierName(line.service_tier_after)));
  }
  return ["swift", "plain", "other"].filter((kind) => groups.has(kind)).map((kind) => ({ kind, name: [...groups.get(kind)].join(", ") }));
}

function one(lines, field, title, index) {
  const timed = lines.filter((line) => line[field] > 0 && !Number.isNaN(Date.parse(line.ts)));
  if (timed.length === 0) return null;
  const points = timed.map((line) => ({
    at: Date.parse(line.ts),
    value: line[field],
    kind: line.outcome === "failed" ? "failed" : tierClass(line.service_tier_after),
    label: `${clock(new Date(line.ts))} ${tierName(line.service_tier_after)} ${duration(line[field])}`,
  })).sort((a, b) => a.at - b.at);
  const groups = kinds(timed).map(({ kind, name }) => {
    const values = timed.filter((line) => line.outcome === "ok" && tierClass(line.service_tier_after) === kind).map((line) => line[field]);
    return { kind, name, number: values.length, value: median(values) };
  }).filter((group) => group.value !== null);
  const summary = groups.map((group) => `${group.name}: median ${duration(group.value)} of ${count(group.number)}`).join("; ");
  return h(
    "figure",
    {},
    h("figcaption", {}, h("span", { class: "title" }, title), groups.map((group) => h("span", { class: "key" }, swatch(group.kind), `${group.name} `, h("strong", {}, duration(group.value)))), index === 0 && points.some((point) => point.kind === "failed") && h("span", { class: "key" }, swatch("failed"), "failed")),
    chart({ points, medians: groups, width, label: `${title} of ${count(points.length)} responses over time. ${summary}.` }),
  );
}

/** The width of a chart in a panel of this width, in whole pixels. */
function widthOf(panel) {
  return Math.floor(panel >= BESIDE ? (panel - GAP) / 2 : panel);
}

/** The first output, or the first byte where most lines lack that, as those of earlier versions do. */
function first(lines) {
  const have = ([field]) => lines.filter((line) => line[field] > 0).length;
  return 2 * have(OUTPUT) >= have(BYTE) ? OUTPUT : BYTE;
}

export function times(lines) {
  last = lines;
  const body = bodyOf("times");
  width = widthOf(body.clientWidth);
  const charts = [first(lines), WHOLE].map(([field, title], index) => one(lines, field, title, index)).filter(Boolean);
  fill(body, charts.length ? [h("div", { class: "charts" }, charts), h("p", { class: "note" }, "Each mark is one response, and each line is a tier's median. The tiers cannot be compared here, because models, prompts and times of day differ.")] : empty("No response yet: times appear with the first response."));
}

new ResizeObserver(([entry]) => {
  if (last.length && widthOf(entry.contentRect.width) !== width) requestAnimationFrame(() => times(last));
}).observe(bodyOf("times"));
