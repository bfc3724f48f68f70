"""The outcome, warnings and notes of `benchmark`."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

BenchmarkCode = Literal[
    "benchmark_nothing_measured",
    "benchmark_incomplete",
    "benchmark_faster",
    "benchmark_no_effect",
    "benchmark_slower",
    "benchmark_not_enough_data",
    "benchmark_refused",
    "benchmark_full_run_kept",
    "benchmark_samples_failed",
    "benchmark_lengths_differ",
    "benchmark_several_requests",
    "profile_full",
    "profile_smoke",
    "privacy",
]

# fmt: off
BENCHMARK: Final[dict[BenchmarkCode, Message]] = {
    "benchmark_nothing_measured": Message(
        "No request succeeded, so nothing was measured. The samples' error_type and status give the reasons.",
        f"Run `{CLI} verify-upstream`. If error_type is TimeoutExpired, pass a larger --timeout."),
    "benchmark_incomplete": Message("Interrupted. These are the samples so far, and nothing was saved.", "Run the command again when you like."),
    "benchmark_faster": Message(
        "The {tier} tier made this workload faster.", "One run is an observation, not a guarantee: the result depends on the provider's load and the time of day."),
    "benchmark_no_effect": Message(
        "The {tier} tier made no noticeable difference.", "Ask the provider whether it supports this tier for this model."),
    "benchmark_slower": Message("The {tier} tier was slower in this run.", "Run the benchmark again at another time."),
    "benchmark_not_enough_data": Message(
        "These samples are too few to show whether the {tier} tier is faster.",
        f"Run `{CLI} benchmark` with more --pairs (pairs_suggested is an estimate); it costs quota again."),
    "benchmark_refused": Message(
        "The provider refused the tier {tier} and answered without it, so the benchmark ended after the first refusal.",
        "Ask the provider whether it has this tier for this model. The proxy sends requests without a tier that is refused."),
    "benchmark_full_run_kept": Message("The dashboard still shows the last full run, which a smoke run does not replace."),
    "benchmark_samples_failed": Message("Some samples failed and are not counted. Their error_type and status give the reasons."),
    "benchmark_lengths_differ": Message(
        "The responses of the two tiers differ in length, so their total times are not fully comparable."),
    "benchmark_several_requests": Message("Codex sent more than one request for some samples. Their times are added up."),
    "profile_full": Message("Each sample is one response of several hundred tokens."),
    "profile_smoke": Message("Each sample is a response of one word. It shows whether requests succeed, not how fast they are."),
    "privacy": Message(
        "The prompt is a fixed text of this program. The result contains times, counts and names, but no responses, bodies or keys."),
}
# fmt: on
