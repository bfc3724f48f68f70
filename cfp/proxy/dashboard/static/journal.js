// The user's files that commands changed, and commands that were interrupted.

import { bodyOf, fill, h } from "./dom.js";
import { plural } from "./format.js";
import { command, empty, when } from "./parts.js";

const OUTCOMES = { committed: "done", finished: "finished after an interruption", rolled_back: "undone", conflict: "undone, except keys that another program changed" };

function row(entry) {
  const outcome = OUTCOMES[entry.outcome] ?? entry.outcome;
  const files = entry.files.map((file, index) => [index > 0 && ", ", h("code", {}, file)]);
  return h("li", {}, h("span", { class: "files" }, files), h("span", { class: "note" }, h("code", {}, entry.command), ", ", outcome, " ", when(entry.at)));
}

export function journal({ interrupted, transactions }, flag) {
  const cut = interrupted.length > 0 && [
    h("p", { class: "bad" }, `${plural(interrupted.length, "command was", "commands were")} interrupted. This command restores your files, or finishes the change:`),
    command(`codex-fast-proxy recover${flag}`),
  ];
  const list = transactions.length
    ? h("ul", { class: "plain" }, transactions.map(row))
    : empty("No command has changed this Codex home yet.");
  fill(bodyOf("journal"), cut, !cut && transactions.length > 0 && h("p", { class: "note" }, "No command needs recovery."), list);
}
