// Holds what the worker told, and lets each panel draw what changed of it.

import { benchmark } from "./benchmark.js";
import { checks } from "./checks.js";
import { h, fill } from "./dom.js";
import { fast } from "./fast.js";
import { journal } from "./journal.js";
import { age } from "./parts.js";
import { requests } from "./requests.js";
import { route } from "./route.js";
import { times } from "./times.js";
import { silent, verdict, vital } from "./verdict.js";

const EVENTS = "/__codex_fast_proxy/api/events";
const MOST = 200;
const PATIENCE = 3000; // ms without a connection before the page says so: a refresh hands over in less
const AGING = 5000;

let known = null;
let lines = [];
let waiting = null;
const drawn = new Map();

/** Draw a panel only where what it shows is not what it showed. */
function draw(panel, ...values) {
  const text = JSON.stringify(values);
  if (drawn.get(panel) === text) return;
  drawn.set(panel, text);
  panel(...values);
}

function show() {
  const { worker } = known;
  const turns = lines.filter((line) => line.kind === "generation");
  draw(verdict, known.verdict);
  draw(vital, turns.at(-1) ?? null);
  draw(route, known.route, known.fast);
  draw(fast, known.fast, known.benchmark, known.home_flag);
  draw(requests, turns);
  draw(times, turns);
  draw(checks, lines.filter((line) => line.kind !== "generation"));
  draw(benchmark, known.benchmark);
  draw(journal, known.journal, known.home_flag);
  draw(foot, worker, known.route.base_url);
  draw(live, worker.requests_in_flight);
}

function live(running) {
  const text = running ? `Live · ${running} in flight` : "Live";
  fill(document.getElementById("live"), h("span", { class: running ? "dot busy" : "dot" }), text);
  document.body.dataset.live = "yes";
}

function foot(worker, address) {
  const served = `${worker.requests_served} served since it started`;
  const parts = [`Version ${worker.version}`, `process ${worker.pid}`, address, served, "this page only reads"];
  fill(document.getElementById("foot"), parts.map((part) => h("span", {}, part)));
}

function lost() {
  drawn.delete(live);
  fill(document.getElementById("live"), h("span", { class: "dot gone" }), "Reconnecting");
  document.body.dataset.live = "no";
  waiting ??= setTimeout(() => {
    drawn.delete(verdict);
    silent(known?.home_flag ?? "");
  }, PATIENCE);
}

function found() {
  clearTimeout(waiting);
  waiting = null;
}

function take(more) {
  const seen = new Set(more.map((line) => line.request_id));
  lines = [...lines.filter((line) => !seen.has(line.request_id)), ...more].slice(-MOST);
}

const source = new EventSource(EVENTS);
source.addEventListener("all", (event) => {
  const { requests: all, ...state } = JSON.parse(event.data);
  found();
  known = state;
  lines = all;
  show();
});
source.addEventListener("state", (event) => {
  known = JSON.parse(event.data);
  show();
});
source.addEventListener("requests", (event) => {
  take(JSON.parse(event.data));
  show();
});
source.addEventListener("error", () => {
  lost();
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
});
setInterval(age, AGING);
