// What the page shows as a file, made here: nothing is sent.

import { h } from "./dom.js";

const FORMULA = /^[=+\-@\t\r]/; // a spreadsheet would run such a text

function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows of objects as CSV (RFC 4180); its columns are all names that a row has. */
export function csv(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => `${line.map(field).join(",")}\r\n`).join("");
}

function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Buttons that save rows; `rows` returns them, as flat objects, when one is pressed. */
export function downloads(name, rows) {
  const button = (label, type, text) =>
    h("button", { type: "button", class: "quiet", "data-key": `${name} ${label}`, "aria-label": `Save ${name} as ${label}`, onclick: () => save(`codex-fast-proxy-${name}.${label.toLowerCase()}`, type, text(rows())) }, label);
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": `Save ${name}` },
    button("CSV", "text/csv", csv),
    button("JSON", "application/json", (all) => `${JSON.stringify(all, null, 1)}\n`),
  );
}
