"""Does `service_tier = "priority"` make this provider faster? The same request with and without it, side by side.

tier       default (the request names none) or priority
turn       one request to be made: which pair, which tier
pair       two turns, one of each tier, right after each other; which comes first alternates from pair to pair
exchange   one POST /responses and its event stream, with its times
sample     what one turn came to: times, counts and names, never a word of what was asked or answered
probe      how a turn is made: by the real Codex through a capture, or directly
capture    a loopback proxy for one turn of Codex: sets the tier, adds the key, measures, streams through
verdict    what the samples show: faster, no_effect, slower or not_enough_data
"""
