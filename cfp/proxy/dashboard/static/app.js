// Receive the worker's state and requests, and draw the panels that changed.

import { benchmark } from "./benchmark.js";
import { checks } from "./checks.js";
import { h, fill } from "./dom.js";
import { fast } from "./fast.js";
import { plural } from "./format.js";
import { journal } from "./journal.js";
import { models } from "./models.js";
import { age } from "./parts.js";
import { requests } from "./requests.js";
import { route } from "./route.js";
import { times } from "./times.js";
import { usage } from "./usage.js";
import { fastLine, silent, verdict, vital } from "./verdict.js";

const EVENTS = "/__codex_fast_proxy/api/events";
const MOST_LINES = 200;
const SILENCE = 3000; // ms without a connection before the page reports it: a refresh takes less
const AGE_INTERVAL = 5000;

let state = null;
let lines = [];
let silence = null;
const drawn = new Map();

/** Draw a panel where its values have changed. */
function draw(panel, ...values) {
  const text = JSON.stringify(values);
  if (drawn.get(panel) === text) return;
  drawn.set(panel, text);
  try {
    panel(...values);
  } catch (error) {
    console.error(error); // the other panels are drawn all the same
  }
}

function show() {
  const { worker } = state;
  const turns = lines.filter((line) => line.purpose === "generation");
  draw(fastLine, state.fast.in_effect);
  draw(verdict, state.verdict);
  draw(vital, turns.at(-1) ?? null);
  draw(route, state.route, state.fast);
  draw(fast, state.fast, state.benchmark, state.route.upstream_base, state.home_flag);
  draw(requests, turns);
  draw(usage, turns.at(-1)?.request_id ?? null);
  draw(times, turns);
  draw(models, state.models);
  draw(checks, lines.filter((line) => line.purpose !== "generation"));
  draw(benchmark, state.benchmark, state.benchmark_runs);
  draw(journal, state.journal, state.home_flag);
  draw(foot, worker, state.route.base_url);
  draw(live, worker.requests_in_flight);
}

function live(running) {
  const text = running ? `Live · ${running} running` : "Live";
  fill(document.getElementById("live"), h("span", { class: running ? "dot busy" : "dot" }), text);
  document.body.dataset.live = "yes";
}

function foot(worker, address) {
  const served = `${plural(worker.requests_served, "request")} served since the start`;
  const parts = [`Version ${worker.version}`, `process ${worker.pid}`, address, served, "this page is read-only"];
  fill(document.getElementById("foot"), parts.map((part) => h("span", {}, part)));
}

function lost() {
  drawn.delete(live);
  fill(document.getElementById("live"), h("span", { class: "dot gone" }), "Reconnecting");
  document.body.dataset.live = "no";
  silence ??= setTimeout(() => {
    drawn.delete(verdict);
    silent(state?.home_flag ?? "");
  }, SILENCE);
}

function reconnected() {
  clearTimeout(silence);
  silence = null;
}

function add(more) {
  const ids = new Set(more.map((line) => line.request_id));
  lines = [...lines.filter((line) => !ids.has(line.request_id)), ...more].slice(-MOST_LINES);
}

const source = new EventSource(EVENTS);
source.addEventListener("all", (event) => {
  const { requests: all, ...rest } = JSON.parse(event.data);
  reconnected();
  state = rest;
  lines = all;
  show();
});
source.addEventListener("state", (event) => {
  state = JSON.parse(event.data);
  show();
});
source.addEventListener("requests", (event) => {
  add(JSON.parse(event.data));
  show();
});
source.addEventListener("error", () => {
  lost();
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
});
setInterval(age, AGE_INTERVAL);
