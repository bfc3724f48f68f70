"""The guided story on a temporary home with an embedded provider.

provider        a Responses provider on loopback that records every request
scripted turns  its replies: the event stream of a turn, and the failures of providers
story           the steps that the demo shows
"""
