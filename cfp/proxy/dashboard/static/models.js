// Evidence about which model answered. It is no proof: a provider may have names of its own, and chance repeats a count.

import { bodyOf, fill, h } from "./dom.js";
import { count } from "./format.js";
import { empty } from "./parts.js";

function named(row) {
  return Object.entries(row.other_models).map(([other, times]) =>
    h("li", {}, `Of ${count(row.answers)} answers to requests for `, h("strong", {}, row.model), `, ${count(times)} named `, h("strong", {}, other), "."));
}

function recurring(row) {
  const counts = Object.entries(row.recurring_reasoning_tokens);
  if (counts.length === 0) return null;
  const words = counts.map(([tokens, times]) => `${count(Number(tokens))} (${count(times)} times)`).join(", ");
  return h("li", {}, `Of the last ${count(row.reasoning_answers)} answers of `, h("strong", {}, row.model), ` with reasoning, more than chance explains had exactly this many reasoning tokens: ${words}.`);
}

export function models(rows) {
  const facts = rows.flatMap((row) => [...named(row), recurring(row)]).filter(Boolean);
  fill(
    bodyOf("models"),
    facts.length
      ? [h("ul", {}, facts), h("p", { class: "note" }, "This is evidence and no proof: a provider may have a name of its own for a model, and something may end the reasoning there.")]
      : empty("Nothing points to another model than the one that was requested."),
  );
}
