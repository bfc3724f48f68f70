// Which requests get Fast: the policy, the user's rules before it, and the day's budget before those.

import { h } from "./dom.js";
import { count } from "./format.js";
import { prose } from "./parts.js";
import { behavior } from "./words.js";

const ROWS = 8;

function budget({ name, limit, used }) {
  if (used === null) return `${count(limit)} ${name} with Fast a day`;
  const spent = used >= limit ? "; the rest of the day goes without Fast" : "";
  return `${count(used)} of ${count(limit)} ${name} with Fast today${spent}`;
}

/** Terms and descriptions; of what the user has not set there is none. */
export function rules(fast) {
  const rest = fast.rules.length - ROWS;
  return [
    h("dt", {}, "Policy"),
    h("dd", {}, h("code", {}, fast.policy), ": ", prose(behavior(fast))),
    fast.rules.length > 0 && [
      h("dt", {}, "Rules"),
      h("dd", {}, h("ol", { class: "rules" }, fast.rules.slice(0, ROWS).map((rule) => h("li", {}, h("code", {}, rule)))), h("span", { class: "note" }, rest > 0 && `and ${count(rest)} more; `, "the first that matches decides, before the policy")),
    ],
    fast.budget.length > 0 && [h("dt", {}, "Budget"), h("dd", {}, fast.budget.map((one) => h("span", { class: "line" }, budget(one))))],
  ];
}
