"""Measures whether `service_tier = "priority"` makes this provider faster: the same request with and without it.

tier           default (the request names none) or priority
trial          one turn to be made: its pair and its tier
pair           two trials, one of each tier, one right after the other; their order alternates from pair to pair
timed request  one POST /responses and its event stream, with its times
sample         the result of one trial: times, counts and names, and no text of request or response
probe          makes one trial: by the real Codex through a capture, or directly
capture        a loopback proxy for one turn of Codex: sets the tier, adds the key, measures, streams through
verdict        the conclusion from the samples: faster, no_effect, slower, refused or not_enough_data
"""
