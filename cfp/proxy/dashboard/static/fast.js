// Sent, accepted, echoed, faster: four different facts, and only the last one is a speed-up.

import { bodyOf, fill, h } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { command, empty, figure, long, oneName, prose, swatch, tierClass, tierName, when } from "./parts.js";
import { table } from "./table.js";
import { VERDICT } from "./words.js";

const ROWS = 6;

function sum(rows, of) {
  return rows.reduce((total, row) => total + of(row), 0);
}

function echoes(rows, tier) {
  const total = sum(rows, (row) => sum(Object.values(row.echoed ?? {}), (number) => number));
  const same = sum(rows, (row) => row.echoed?.[tier] ?? 0);
  const other = total - same;
  return { same, other };
}

function sent(fast, rows, all) {
  const added = sum(rows, (row) => row.injected);
  const total = sum(rows, (row) => row.count);
  const own = total - added;
  return figure("Sent", all ? `${count(total)} of ${count(all)}` : "–", added && `${count(added)} added by the proxy`, own && `${count(own)} sent by Codex`);
}

function accepted(rows, refused) {
  const fine = sum(rows, (row) => row.count - row.failed);
  const total = sum(rows, (row) => row.count);
  return figure("Accepted", total ? `${count(fine)} of ${count(total)}` : "–", fine < total && `${count(total - fine)} failed`, refused.length && `refused for ${refused.map((model) => model || "a model").join(", ")}`);
}

function echoed(fast, rows) {
  const { same, other } = echoes(rows, oneName(fast.tier));
  const fine = sum(rows, (row) => row.count - row.failed);
  const silent = Math.max(0, fine - same - other);
  return figure("Echoed", fine ? `${count(same)} of ${count(fine)}` : "–", other && `${count(other)} echoed as another tier`, silent && `${count(silent)} not echoed`);
}

function faster(benchmark) {
  if (!benchmark) return figure("Faster", "not measured", "only a benchmark can show a speed-up");
  const interval = benchmark.confidence_interval;
  const factor = benchmark.observed_speedup_total;
  const value = benchmark.verdict === "faster" && factor ? `${factor.toFixed(2)} ×` : VERDICT[benchmark.verdict] ?? benchmark.verdict;
  return figure("Faster", value, interval && `${Math.round(interval.level * 100)} % interval ${interval.low.toFixed(2)} to ${interval.high.toFixed(2)}`, ["benchmark ", when(benchmark.ts)]);
}

/** The verdict on each model and tier, in the sentences of `status`; nothing where there is no evidence. */
function judged(verdicts) {
  return verdicts.length > 0 && h("ul", { class: "verdicts" }, verdicts.slice(0, ROWS).map((one) => h("li", { class: one.verdict }, prose(one.message), one.at && [" (", when(one.at), ")"])));
}

const COLUMNS = [
  { head: "Tier sent", cell: (one) => [swatch(tierClass(one.service_tier)), long(tierName(one.service_tier))] },
  { head: "Requests", kind: "number", cell: (one) => count(one.count) },
  { head: "Failed", kind: "number wide", cell: (one) => (one.failed ? h("span", { class: "bad" }, count(one.failed)) : null) },
  { head: "Echoed", kind: "wide", cell: (one) => echo(Object.entries(one.echoed ?? {})) },
  { head: "First byte", kind: "number", cell: (one) => (one.median_first_byte_ms === null ? null : duration(one.median_first_byte_ms)) },
  { head: "Tokens/s", kind: "number wide", cell: (one) => (one.median_output_tokens_per_second === null ? null : count(Math.round(one.median_output_tokens_per_second))) },
];

function echo(tiers) {
  return tiers.length ? long(tiers.map(([tier, number]) => `${tier} ${count(number)}`).join(", ")) : null;
}

/** By model, then the tier before no tier: rows keep their places, so that they can be read. */
function order(a, b) {
  return (a.model ?? "").localeCompare(b.model ?? "") || (b.service_tier ?? "").localeCompare(a.service_tier ?? "");
}

function evidence(rows) {
  return table({
    caption: "By model and tier; times and tokens/s are medians",
    name: { head: "Model", cell: (one) => (one.model === null ? "not named" : long(one.model)) },
    columns: COLUMNS,
    rows: [...rows].sort(order).slice(0, ROWS),
  });
}

export function fast(fast, newest, upstream, flag) {
  const benchmark = newest?.upstream_base === upstream ? newest : null; // one of another provider says nothing here
  const swift = fast.evidence.filter((row) => row.service_tier === oneName(fast.tier));
  const all = sum(fast.evidence, (row) => row.count);
  const chain = h("ul", { class: "figures chain" }, sent(fast, swift, all), accepted(swift, fast.refused_by), echoed(fast, swift), faster(benchmark));
  const measure = !benchmark && h("div", { class: "todo" }, h("span", {}, "Measure it with this command, which costs quota:"), command(`codex-fast-proxy benchmark${flag}`, "benchmark"));
  const more = fast.evidence.length > ROWS && h("p", { class: "note" }, `The health report has ${plural(fast.evidence.length - ROWS, "more row")}.`);
  fill(bodyOf("fast"), judged(fast.verdicts), (all > 0 || benchmark) && chain, all ? [evidence(fast.evidence), more] : empty("No model request yet, so nothing is known of the provider's answers."), measure);
}
