// The time that Fast has saved, where a benchmark has measured it, and otherwise that it is not known.

import { count, day, duration, plural } from "./format.js";
import { figure } from "./parts.js";

const TITLE = "Time saved by Fast";

function because(gain) {
  if (gain.requests === 0) return "no successful request with Fast";
  return "no benchmark has measured it for these models at this provider";
}

function limits({ log_since: since }) {
  return since !== null && `of the log, which begins on ${day(new Date(since))}`;
}

function amount(ms) {
  if (ms === 0) return "none";
  return ms > 0 ? duration(ms) : `−${duration(-ms)}`;
}

/** `gain` is what the worker adds up; see `FastRequests.saved`. */
export function saved(gain) {
  if (gain === null || gain.ms === null) return figure(TITLE, "not known", gain && because(gain), gain && limits(gain));
  const dates = gain.benchmarks.map((iso) => day(new Date(iso)));
  const span = gain.low_ms !== gain.high_ms && `${amount(gain.low_ms)} to ${amount(gain.high_ms)}`;
  const basis = `by the benchmark${dates.length > 1 ? "s" : ""} of ${dates.at(-1)}`;
  const part = gain.measured < gain.requests ? `for ${count(gain.measured)} of ${plural(gain.requests, "request")}` : `for ${plural(gain.requests, "request")}`;
  return figure(TITLE, amount(gain.ms), span, `${part}, ${basis}`, limits(gain));
}
