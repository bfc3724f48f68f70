// The last saved benchmark with the confidence interval behind its verdict, and the results of the earlier ones.

import { bodyOf, fill, h, s } from "./dom.js";
import { count, day, duration } from "./format.js";
import { empty, long, prose, swatch, tierClass, tierName, toggle, when } from "./parts.js";
import { table } from "./table.js";
import { VERDICT } from "./words.js";

const WIDTH = 320;
const HEIGHT = 44;
const EDGE = 20; // closer to an end, a number would be cut off in its middle

function scale(interval) {
  const low = Math.min(0.8, interval.low / 1.05);
  const high = Math.max(1.6, interval.high * 1.05);
  return (value) => 8 + (Math.log(value / low) / Math.log(high / low)) * (WIDTH - 16);
}

/** A line for the interval, a dot for its middle, and a mark at 1, which means no difference. */
function drawn(interval, label) {
  const x = scale(interval);
  const anchor = (at) => (at < EDGE ? "start" : at > WIDTH - EDGE ? "end" : "middle");
  const text = (value, y, label) => s("text", { class: "tick", x: x(value), y, "text-anchor": anchor(x(value)) }, label);
  return s(
    "svg",
    { class: "interval", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    s("line", { class: "grid", x1: 0, x2: WIDTH, y1: 16, y2: 16 }),
    s("line", { class: "one", x1: x(1), x2: x(1), y1: 6, y2: 26 }),
    s("line", { class: "range", x1: x(interval.low), x2: x(interval.high), y1: 16, y2: 16 }),
    s("circle", { class: "middle", cx: x(interval.middle), cy: 16, r: 4.5 }),
    text(1, 40, "same"),
    interval.low > 1.08 || interval.low < 0.93 ? text(interval.low, 40, interval.low.toFixed(2)) : null,
    text(interval.high, 40, interval.high.toFixed(2)),
  );
}

function side(kind, name, of) {
  return of && h("tr", {}, h("th", { scope: "row" }, swatch(kind), name), h("td", { class: "number" }, `${of.ok}/${of.count}`), h("td", { class: "number" }, duration(of.median_ttfb_ms)), h("td", { class: "number" }, duration(of.median_total_ms)));
}

function newest(saved) {
  const interval = saved.confidence_interval;
  const level = interval && Math.round(interval.level * 100);
  const label = interval && `Speed-up ${interval.middle.toFixed(2)}, ${level} % confidence interval ${interval.low.toFixed(2)} to ${interval.high.toFixed(2)}; 1 means no difference.`;
  return [
    h("p", { class: `judged ${saved.verdict}` }, h("strong", {}, VERDICT[saved.verdict] ?? saved.verdict), saved.observed_speedup_total && ` ${saved.observed_speedup_total.toFixed(2)} × in the median`),
    interval && drawn(interval, label),
    h("p", { class: "note" }, interval && `${level} % confidence interval of ${interval.pairs} pairs. `, long(saved.model ?? "no model"), `, profile ${saved.profile}, mode ${saved.benchmark_mode}, `, when(saved.ts), "."),
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, "Medians of the benchmark"),
      h("thead", {}, h("tr", {}, ["Tier", "Succeeded", "First byte", "Duration"].map((name, index) => h("th", { scope: "col", class: index ? "number" : undefined }, name)))),
      h("tbody", {}, side(tierClass(saved.service_tier ?? "priority"), saved.service_tier ?? "priority", saved.priority), side("plain", "no tier", saved.default)),
    ),
    saved.message && h("p", { class: "note" }, saved.message),
  ];
}

function speedup({ observed_speedup_total: factor, confidence_interval: interval }) {
  if (!factor) return null;
  return [`${factor.toFixed(2)} ×`, interval && h("span", { class: "note" }, ` ${interval.low.toFixed(2)} to ${interval.high.toFixed(2)}`)];
}

const COLUMNS = [
  { head: "Model", cell: (run) => (run.model ? long(run.model) : null) },
  { head: "Tier", kind: "wide", cell: (run) => [swatch(tierClass(run.service_tier)), long(tierName(run.service_tier))] },
  { head: "Verdict", cell: (run) => [VERDICT[run.verdict] ?? long(run.verdict), run.profile === "smoke" && h("span", { class: "tag" }, "smoke")] },
  { head: "Speed-up", kind: "number", cell: speedup },
];

function history(runs) {
  const rows = all ? runs : runs.slice(0, FIRST);
  return [
    table({ caption: "Each run, newest first; the speed-up with its confidence interval", name: { head: "Date", cell: (run) => h("time", { datetime: run.ts }, day(new Date(run.ts))) }, columns: COLUMNS, rows }),
    runs.length > FIRST && toggle("all runs", all ? "Show fewer" : `Show all ${count(runs.length)}`, undefined, () => { all = !all; show(); }),
  ];
}

const FIRST = 5;
let all = false;
let last = [null, []];

function show() {
  const [saved, runs] = last;
  const none = empty(prose("No benchmark yet. `codex-fast-proxy benchmark` sends pairs of real requests, with and without the tier, and reports whether the tier is faster."));
  fill(bodyOf("benchmark"), saved && newest(saved), runs.length > 0 && history(runs), !saved && runs.length === 0 && none);
}

/** `saved` is the last one that was kept whole, or null; `runs` are the results of all, newest first. */
export function benchmark(saved, runs) {
  last = [saved, runs];
  show();
}
