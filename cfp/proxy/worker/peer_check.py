"""Trust in the owner of a client's socket: another user of the machine must not spend the API key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cfp.socket_owner import lookups, own_user

if TYPE_CHECKING:
    from cfp.socket_owner import Address, OwnerLookup, User


class PeerGuard:
    """Trust in peers of our user only. The next lookup replaces one that fails; without any, all are trusted."""

    def __init__(self, checks: Sequence[Callable[[], OwnerLookup]], user: User) -> None:
        self._remaining = list(checks)
        self._user = user
        self._check: OwnerLookup | None = None
        self._next()

    @classmethod
    def of_this_system(cls) -> PeerGuard:
        return cls(lookups(), own_user())

    @property
    def name(self) -> str:
        return "none" if self._check is None else self._check.name

    def trusts(self, peer: Address, ours: Address) -> bool | None:
        """Whether the peer is our user's; None where it has left."""
        check = self._check
        if check is None:
            return True
        try:
            owner = check.owner(peer, ours)
        except OSError:
            self._next()
            return self.trusts(peer, ours)
        return None if owner is None else owner == self._user

    def close(self) -> None:
        check, self._check = self._check, None
        if check is not None:
            check.close()

    def _next(self) -> None:
        self.close()
        while self._remaining:
            with suppress(OSError):
                self._check = self._remaining.pop(0)()
                return
