"""The provider as the manager reaches it: which key Codex would send, and one real request that tries a route.

key       found where Codex itself looks, and nowhere else
secret    a text that only `reveal()` shows
outbound  the way out of this machine: proxy variables and trusted authorities
"""
