// Durations over time in SVG: one mark a request, a line at each tier's median, a logarithmic scale.

import { s } from "./dom.js";
import { duration, moment } from "./format.js";
import { mark } from "./parts.js";

const HEIGHT = 150;
const PAD = { left: 46, right: 8, top: 8, bottom: 20 };
const STEPS = [1, 2, 5];

/** The round values of a logarithmic axis that lie between two durations, at most about five. */
export function ticks(low, high) {
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of STEPS) {
      const value = step * 10 ** power;
      if (value >= low && value <= high) values.push(value);
    }
  }
  return values.length > 5 ? values.filter((value) => Math.log10(value) % 1 === 0) : values;
}

/** The ends of the axis: a little beyond the lowest and the highest value. */
export function span(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = Math.max(1.25, (high / low) ** 0.08);
  return [low / room, high * room];
}

/**
 * points   {at: ms, value: ms, kind, label}, in the order of time, at least one
 * medians  {kind, value}
 * width    in pixels
 */
export function chart({ points, medians, width, label }) {
  const [low, high] = span(points.map((point) => point.value));
  const from = points[0].at;
  const until = points.at(-1).at;
  const right = width - PAD.right;
  const bottom = HEIGHT - PAD.bottom;
  const x = (at) => (until === from ? (PAD.left + right) / 2 : PAD.left + 6 + ((at - from) / (until - from)) * (right - PAD.left - 12));
  const y = (value) => bottom - (Math.log(value / low) / Math.log(high / low)) * (bottom - PAD.top);
  const grid = ticks(low, high).map((value) => [
    s("line", { class: "grid", x1: PAD.left, x2: right, y1: y(value), y2: y(value) }),
    s("text", { class: "tick", x: PAD.left - 6, y: y(value) + 4, "text-anchor": "end" }, duration(value).replace(/\.00? s$/, " s").replace(/\.0 ms$/, " ms")),
  ]);
  const ends = [
    s("text", { class: "tick", x: PAD.left, y: HEIGHT - 4 }, moment(new Date(from))),
    until > from && s("text", { class: "tick", x: right, y: HEIGHT - 4, "text-anchor": "end" }, moment(new Date(until))),
  ];
  const lines = medians.map(({ kind, value }) => s("line", { class: `median ${kind}`, x1: PAD.left, x2: right, y1: y(value), y2: y(value) }));
  const marks = points.map((point) => {
    const drawn = mark(point.kind, x(point.at), y(point.value));
    drawn.append(s("title", {}, point.label));
    return drawn;
  });
  return s("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": label }, grid, lines, marks, ends);
}
