// Numbers, durations and times in the format that people read.

const numbers = new Intl.NumberFormat("en");
const large = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const MOST_DIGITS = 1e9;

/** A number in full, or, where that would be long, with three digits and its unit: 64; 1,579; 12.3B. */
export function count(value, most = MOST_DIGITS) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 1e15) return value.toExponential(1);
  return Math.abs(value) < most ? numbers.format(value) : large.format(value);
}

/** A share of a whole, in percent; 0 and 100 only where it is exactly that. */
export function share(part, whole) {
  if (!whole) return "–";
  const percent = (100 * part) / whole;
  return `${percent > 0 && percent < 1 ? "<1" : percent > 99 && percent < 100 ? ">99" : Math.round(percent)} %`;
}

/** The beginning of an id that is long. */
export function shortId(id) {
  return id.length > 13 ? `${id.slice(0, 13)}…` : id;
}

/** Milliseconds, with three digits at most: 412 ms, 1.24 s, 12.4 s, 2 min 5 s, 3 h 20 min. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const hours = Math.floor(whole / 3600);
  return hours < 100 ? `${hours} h ${Math.floor((whole % 3600) / 60)} min` : `${count(hours, 1e4)} h`;
}

export function clock(at) {
  return at.toLocaleTimeString("en-GB");
}

/** The time of day, with the date before it on other days than today. */
export function moment(at, now = new Date()) {
  if (Number.isNaN(at.getTime())) return "–";
  if (at.toDateString() === now.toDateString()) return clock(at);
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock(at).slice(0, 5)}`;
}

export function day(at) {
  return at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** The age of a moment, in one unit. */
export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (Number.isNaN(seconds)) return "at an unknown time";
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/** "1 request", "2 requests". */
export function plural(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

/** The value that this share of the values does not exceed, by nearest rank; null without any. */
export function quantile(values, part) {
  if (values.length === 0) return null;
  return [...values].sort((a, b) => a - b)[Math.ceil(part * values.length) - 1];
}

export function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
