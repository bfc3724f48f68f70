// Elements that several panels show: commands to copy, times that age, tiers with their mark.

import { h, s } from "./dom.js";
import { ago, clock, day } from "./format.js";

/** A command on a line of its own, with a button that copies it. */
export function command(text, key = text) {
  const status = h("span", { class: "copied", role: "status" });
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
          status.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(line);
          status.textContent = "Press Ctrl+C";
        }
        setTimeout(() => (status.textContent = ""), 2000);
      },
    },
    "Copy",
  );
  const line = h("code", {}, text);
  return h("div", { class: "command" }, line, button, status);
}

/** Text in which backticks mark code. */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** A time, shown by its age; a tooltip shows the exact moment. */
export function when(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return ago(at);
  return h("time", { datetime: iso, title: `${day(at)} ${clock(at)}`, "data-ago": "" }, ago(at));
}

/** Update the ages of all times on the page. */
export function age() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const text = ago(new Date(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}

export function tierName(tier) {
  return tier ?? "no tier";
}

/** The one name of a tier, by which the report counts it: `fast` is `priority`. */
export function oneName(tier) {
  return tier === "fast" ? "priority" : tier;
}

/** The class that gives a tier its colour and its shape; the shape alone tells tiers apart too. */
export function tierClass(tier) {
  if (tier === null || tier === undefined) return "plain";
  return ["priority", "ultrafast"].includes(oneName(tier)) ? "swift" : "other";
}

/** The mark of one response: a disc, a hollow square or a diamond; a cross where it failed. */
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

/** A small button; `pressed` says whether its choice is on, undefined where it is none. */
export function toggle(key, label, pressed, flip) {
  return h("button", { type: "button", class: "quiet", "data-key": key, "aria-pressed": pressed === undefined ? undefined : String(pressed), onclick: flip }, label);
}

/** One number with its name and notes, for a list of them. */
export function figure(name, value, ...notes) {
  return h("li", {}, h("span", { class: "name" }, name), h("strong", {}, value), notes.filter(Boolean).map((note) => h("span", { class: "note" }, note)));
}

/** A name that others chose, and that may be long: cut by the page, whole in a tooltip. */
export function long(text) {
  if (text === "") return h("span", { class: "note" }, "empty");
  return h("span", { class: "long", title: text.length > 16 ? text : undefined }, text);
}

/** The text of a panel that has nothing to show yet. */
export function empty(...children) {
  return h("p", { class: "empty" }, children);
}
