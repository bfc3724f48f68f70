"""The whole story on a throw-away home: an embedded provider, and what it takes to show the switch.

upstream  a Responses provider on loopback that remembers every request
answers   what it says: the event stream of a turn, and the ways in which a provider fails
"""
