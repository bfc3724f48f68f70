"""A model of the user's files, updated by the writers alone: it reads no record of the product.

mine   the values of config.toml as their owners want them, without us
stood  the same at the moment of the last install: what `--force` goes back to
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cfp.core.state import State
from tests.lifecycle.writers import GONE, OUR_URL, Leaves, changed

DIRECT = frozenset({State.ABSENT, State.PREPARED, State.RESTORED_DEFERRED})
_FLAGS = {("features", "hooks"), ("features", "codex_hooks")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One possibility of what is true; after a crash there are two until recovery has decided.

    exact      the whole config.toml that an uninstall must give back, mode included, while nobody else has written
    haunted    an old text of somebody has brought our keys back: where nothing is recorded, they are leftovers
    inside     an install went through and nothing was given back since
    shifted    other hooks have moved onto our position or off it: whose switch stands there, nobody can tell
    """

    mine: Leaves
    stood: Leaves
    exact: tuple[bytes | None, int] | None = None
    hooks_exact: tuple[bytes | None, int] | None = None
    haunted: bool = False
    shifted: bool = False
    inside: bool = False

    def wrote(self, meant: Leaves) -> Model:
        """Others changed these values of config.toml, and kept the rest of its present text.

        Who sets a flag to what we set it to has given it back to us: nobody can tell one `true` from another.
        """
        same = {path: self.stood.get(path, GONE) for path in meant if path in _FLAGS and meant[path] is True}
        return replace(self, mine=changed(self.mine, meant | (same if self.inside else {})), exact=None)

    def overwrote(self, old: Leaves, meant: Leaves, text: Leaves) -> Model:
        """Others wrote an old text again: their own values are as they were then, ours as they are now."""
        ours = {path for path, value in text.items() if is_ours(path, value, old)}
        kept = {path: self.mine.get(path, GONE) for path in ours}
        return replace(self, mine=changed(changed(old, kept), meant), exact=None, haunted=self.haunted or bool(ours))

    def hooks_written(self, *, shifted: bool) -> Model:
        return replace(self, hooks_exact=None, shifted=self.shifted or shifted)

    def installed(self, config: tuple[bytes | None, int] | None, hooks: tuple[bytes | None, int] | None) -> Model:
        """An install went through; `config` and `hooks` as they were where nothing of ours was in them."""
        return replace(
            self,
            stood=dict(self.mine),
            exact=config or self.exact,
            hooks_exact=hooks or self.hooks_exact,
            inside=True,
        )

    def moved(self, path: tuple[str, ...], url: str) -> Model:
        """The provider's true URL is another one from now on."""
        return replace(self, mine=self.mine | {path: url}, stood=self.stood | {path: url}, exact=None)

    def robbed(self) -> Model:
        """Others deleted what we had written down: which of our keys were there before, nobody can tell."""
        return replace(self, exact=None, hooks_exact=None, haunted=True)

    def forced(self, text: Leaves | None) -> Model:
        """`--force` gave our keys back whoever had changed them; `text` is what came of it."""
        own = [path for path in self.mine.keys() | self.stood.keys() if is_own(path)]
        overruled = {
            path: self.stood.get(path, GONE) for path in own if (text or {}).get(path) == self.stood.get(path)
        }
        return replace(self, mine=changed(self.mine, overruled), exact=None)

    def outside(self) -> Model:
        """Everything is given back but what others have changed."""
        return replace(self, inside=False)

    def forgotten(self) -> Model:
        """Everything is given back; exact texts were compared."""
        return replace(self.outside(), exact=None, hooks_exact=None)

    def complaints(self, text: Leaves, state: State, *, interrupted: bool) -> list[str]:
        """Compare a config.toml that parses: others' values stand, and ours only where we are installed."""
        ours_allowed = interrupted or self.haunted or state not in DIRECT
        problems = []
        for path in text.keys() | self.mine.keys():
            value, wanted = text.get(path, GONE), self.mine.get(path, GONE)
            if value == wanted or (ours_allowed and is_ours(path, value, self.mine)):
                continue
            if (self.haunted and is_own(path)) or (self.shifted and path[-1] == "enabled"):
                continue
            problems.append(f"{'.'.join(path)} is {_shown(value)}, and should be {_shown(wanted)} ({state})")
        return problems


def is_own(path: tuple[str, ...]) -> bool:
    """Whether this program may set the key at all."""
    url = path == ("openai_base_url",) or (path[0] == "model_providers" and path[-1] == "base_url")
    return (
        url
        or path == ("model_provider",)
        or path in _FLAGS
        or (path[:2] == ("hooks", "state") and path[-1] in {"trusted_hash", "enabled"})
    )


def is_ours(path: tuple[str, ...], value: Any, mine: Leaves) -> bool:
    """Whether a value is one that this program has put there."""
    if value is GONE or not is_own(path):
        return False
    if path in _FLAGS:
        return value is True and mine.get(path) is not True
    if path == ("model_provider",):
        return value == "other"  # by --activate-provider; nobody else writes it here
    if path[:2] == ("hooks", "state"):
        return path not in mine and (path[-1] == "enabled" or str(value) != "sha256:theirs")
    return OUR_URL.fullmatch(str(value)) is not None


def _shown(value: Any) -> str:
    return "absent" if value is GONE else repr(value)
