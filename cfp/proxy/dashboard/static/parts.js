// Small pieces that several panels show: commands to copy, times that age, tiers with their mark.

import { h, s } from "./dom.js";
import { ago, clock, day } from "./format.js";

/** A command in a line of its own, with a button that copies it. */
export function command(text, key = text) {
  const told = h("span", { class: "told", role: "status" });
  const button = h(
    "button",
    {
      type: "button",
      class: "copy",
      "data-key": `copy ${key}`,
      "aria-label": `Copy ${text}`,
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(text);
          told.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(line);
          told.textContent = "Press Ctrl+C";
        }
        setTimeout(() => (told.textContent = ""), 2000);
      },
    },
    "Copy",
  );
  const line = h("code", {}, text);
  return h("div", { class: "command" }, line, button, told);
}

/** Text whose parts in backticks are code. */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** A time that says how long ago it was, and the exact moment to whoever points at it. */
export function when(iso) {
  const at = new Date(iso);
  return h("time", { datetime: iso, title: `${day(at)} ${clock(at)}`, "data-ago": "" }, ago(at));
}

/** Let the times of the page age. */
export function age() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const text = ago(new Date(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}

export function tierName(tier) {
  return tier ?? "no tier";
}

/** The class by which a tier is drawn: its colour, and for those who see none, its shape. */
export function tierClass(tier) {
  if (tier === null || tier === undefined) return "plain";
  return tier === "priority" || tier === "fast" ? "swift" : "other";
}

/** The mark of one point: a disc, a hollow square or a diamond; a cross for what failed. */
export function mark(kind, x = 6, y = 6) {
  const place = `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
  if (kind === "swift") return s("circle", { class: "mark swift", r: 3.2, transform: place });
  if (kind === "plain") return s("rect", { class: "mark plain", x: -2.7, y: -2.7, width: 5.4, height: 5.4, transform: place });
  if (kind === "failed") return s("path", { class: "mark failed", d: "M-3-3 3 3M-3 3 3-3", transform: place });
  return s("path", { class: "mark other", d: "M0-4 4 0 0 4-4 0Z", transform: place });
}

export function swatch(kind) {
  return s("svg", { class: "swatch", viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, mark(kind));
}

/** What is said in the place of what is not there yet. */
export function empty(...children) {
  return h("p", { class: "empty" }, children);
}
