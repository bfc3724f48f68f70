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
        "No request went through, so nothing was measured; error_type and status of the samples say why.",
        f"Run `{CLI} verify-upstream`; for TimeoutExpired, give a larger --timeout."),
    "benchmark_incomplete": Message("Interrupted; these are the samples so far, and nothing was saved.", "Run again when you like."),
    "benchmark_faster": Message(
        "The priority tier made this workload faster.", "One run is an observation, not a promise: load and hour differ."),
    "benchmark_no_effect": Message(
        "The priority tier made no difference worth noticing.", "Ask the provider whether it serves this tier for this model."),
    "benchmark_slower": Message("The priority tier was slower in this run.", "Run again at another time."),
    "benchmark_not_enough_data": Message(
        "These samples do not tell whether the priority tier is faster.",
        f"Run `{CLI} benchmark` with more --pairs (pairs_suggested, where it is given); that costs quota again."),
    "benchmark_samples_failed": Message("Some samples failed and do not count; error_type and status say why."),
    "benchmark_lengths_differ": Message(
        "The answers of the two tiers differ in length, so their total times are not quite the same work."),
    "benchmark_several_requests": Message("Codex needed more than one request for some samples; their times are summed."),
    "profile_full": Message("One answer of some hundred tokens for each sample."),
    "profile_smoke": Message("One word for each sample: tells whether requests go through, not how fast they are."),
    "privacy": Message(
        "The prompt is a fixed one of this program. Times, counts and names are kept; answers, bodies and keys are not."),
}
# fmt: on
