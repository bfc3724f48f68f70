// The verdict: whether Fast is on, whether the proxy works, and the next action where it does not.

import { fill, h, s } from "./dom.js";
import { command, prose, when } from "./parts.js";

const SIGNS = {
  ok: ["M5 12.5l4.5 4.5L19 7.5", "All is well"],
  attention: ["M12 5.5v8M12 17.4v.2", "Needs attention"],
  risk: ["M7 7l10 10M17 7L7 17", "Does not work"],
  on: ["M13 3.5L6 13.5h5l-1 7 7-10h-5z", "On"],
  off: ["M12 5v7M8 7.5a6.5 6.5 0 1 0 8 0", "Off"],
  left_to_codex: ["M5 12h13M13 7l5 5-5 5", "Left to Codex"],
};
const VITAL = {
  ok: "The last request succeeded ",
  incomplete: "The model stopped early in the last request, ",
  failed: "The last request failed ",
  left: "Codex closed the connection of the last request early, ",
};

function sign(name) {
  const [path, label] = SIGNS[name];
  return s("svg", { class: "sign", viewBox: "0 0 24 24", role: "img", "aria-label": label }, s("path", { d: path }));
}

/** Whether Fast is on, in the sentence of `status`; nothing where Codex does not use the proxy. */
export function fastLine(effect) {
  const place = document.getElementById("fast-line");
  place.hidden = effect === null;
  if (effect === null) return;
  const [claim, ...reason] = effect.message.split(/(?<=^[^:]*:) /);
  place.className = `claim ${effect.status}`;
  fill(place, h("div", { class: "signed" }, sign(effect.status)), h("div", {}, h("p", { class: "sentence" }, claim), h("p", { class: "action" }, prose(reason.join(" ")))));
}

export function verdict({ level, sentence, action, commands }) {
  if (level === null) return;
  const place = document.getElementById("diagnosis");
  place.className = `claim ${level}`;
  document.title = level === "ok" ? "codex-fast-proxy" : `${sentence} – codex-fast-proxy`;
  fill(place.querySelector(".signed"), sign(level));
  const [claim, ...more] = sentence.split(/(?<=\.) (?=[A-Z])/);
  fill(
    document.getElementById("say"),
    h("p", { class: "sentence" }, prose(claim)),
    more.length > 0 && h("p", { class: "action" }, prose(more.join(" "))),
    action && h("p", { class: "action" }, prose(action)),
    [...new Set(commands)].filter((text) => !/ [A-Z]{3,}/.test(text)).map((text) => command(text)),
  );
}

/** The outcome of the last model request; outside of the verdict, so that a screen reader does not repeat its age. */
export function vital(line) {
  const sentence = line && VITAL[line.outcome];
  fill(document.getElementById("vital"), sentence ? [sentence, when(line.ts), "."] : "No model request yet.");
}

/** Show that the worker does not respond. */
export function silent(flag) {
  verdict({
    level: "risk",
    sentence: "The proxy does not respond.",
    action: "If you did not stop it, start it again. This page then reconnects by itself.",
    commands: [`codex-fast-proxy start${flag}`],
  });
}
