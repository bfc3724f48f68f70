// Numbers, durations and times in the format that people read.

const numbers = new Intl.NumberFormat("en");

export function count(value) {
  return value === null || value === undefined ? "–" : numbers.format(value);
}

/** Milliseconds, with three digits at most: 412 ms, 1.24 s, 12.4 s, 2 min 5 s. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export function clock(at) {
  return at.toLocaleTimeString("en-GB");
}

/** The time of day, with the date before it on other days than today. */
export function moment(at, now = new Date()) {
  if (at.toDateString() === now.toDateString()) return clock(at);
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock(at).slice(0, 5)}`;
}

export function day(at) {
  return at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** The age of a moment, in one unit. */
export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/** "1 request", "2 requests". */
export function plural(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

export function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
