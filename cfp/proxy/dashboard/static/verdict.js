// The verdict: whether the proxy works, and the next action where it does not.

import { fill, h, s } from "./dom.js";
import { command, prose, when } from "./parts.js";

const place = document.getElementById("verdict");
const SIGNS = {
  ok: ["M5 12.5l4.5 4.5L19 7.5", "All is well"],
  attention: ["M12 5.5v8M12 17.4v.2", "Needs attention"],
  risk: ["M7 7l10 10M17 7L7 17", "Does not work"],
};

function sign(level) {
  const [path, label] = SIGNS[level];
  return s("svg", { class: "sign", viewBox: "0 0 24 24", role: "img", "aria-label": label }, s("path", { d: path }));
}

export function verdict({ level, sentence, action, commands }) {
  if (level === null) return;
  place.className = `verdict ${level}`;
  document.title = level === "ok" ? "codex-fast-proxy" : `${sentence} – codex-fast-proxy`;
  fill(document.getElementById("sign"), sign(level));
  fill(
    document.getElementById("say"),
    h("p", { class: "sentence" }, sentence),
    action && h("p", { class: "action" }, prose(action)),
    commands.filter((text) => !/ [A-Z]{3,}/.test(text)).map((text) => command(text)),
  );
}

/** The outcome of the last model request; outside of the verdict, so that a screen reader does not repeat its age. */
export function vital(line) {
  const sentence = line && { ok: "The last request succeeded ", incomplete: "The model stopped early in the last request, ", failed: "The last request failed ", left: "Codex closed the connection of the last request early, " }[line.outcome];
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
