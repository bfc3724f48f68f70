// Is it well, and if not, what now?

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

/** What the last model request says; apart from the verdict, so that its age is not read out again and again. */
export function vital(line) {
  const told = line && { ok: "The last response came whole, ", failed: "The last response failed, ", left: "The last response was left by the client, " }[line.outcome];
  fill(document.getElementById("vital"), told ? [told, when(line.ts), "."] : "No model request has come yet.");
}

/** Nobody answers any more. */
export function silent(flag) {
  verdict({
    level: "risk",
    sentence: "The proxy does not answer any more.",
    action: "If you did not stop it, start it again; this page comes back by itself.",
    commands: [`codex-fast-proxy start${flag}`],
  });
}
