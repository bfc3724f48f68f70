// What commands changed on disk, and whether one of them was cut off.

import { bodyOf, fill, h } from "./dom.js";
import { plural } from "./format.js";
import { command, empty, when } from "./parts.js";

const OUTCOMES = { committed: "done", finished: "finished after an interruption", rolled_back: "undone", conflict: "undone, but for keys that others changed" };

function row(entry) {
  const outcome = OUTCOMES[entry.outcome] ?? entry.outcome;
  return h("li", {}, h("code", {}, entry.command), h("span", { class: "note" }, `${outcome} `, when(entry.at)));
}

export function journal({ interrupted, transactions }, flag) {
  const cut = interrupted.length > 0 && [
    h("p", { class: "bad" }, `${plural(interrupted.length, "command")} interrupted before the end. This gives your files back, or finishes:`),
    command(`codex-fast-proxy recover${flag}`),
  ];
  const said = transactions.length
    ? h("ul", { class: "plain" }, transactions.map(row))
    : empty("Nothing has been changed from this Codex home yet.");
  fill(bodyOf("journal"), cut, !cut && transactions.length > 0 && h("p", { class: "note" }, "No command is interrupted."), said);
}
