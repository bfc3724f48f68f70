"""An uninstall mends a config of which nothing is recorded; what it refuses or asks for comes before that."""

from __future__ import annotations

import pytest

from tests.homes.site import Site, files_of, in_memory
from tests.lifecycle.writers import PLAIN, URLS

CHATGPT = b'{"tokens": {"access_token": "canary-chatgpt-0123456789"}}'
LOGIN_CONFIG = PLAIN.replace('env_key = "RELAY_KEY"', "requires_openai_auth = true")


def site_without_a_record(login: bytes = b'{"OPENAI_API_KEY": "canary-openai-0123456789"}') -> Site:
    site = in_memory({"config.toml": (LOGIN_CONFIG if login == CHATGPT else PLAIN).encode(), "auth.json": login})
    assert site.run(("install", "--start", "--no-verify")).code == 0
    site.home.take(site.home.layout.manifest)
    return site


@pytest.mark.parametrize("flags", [[], ["--keep-state"], ["--defer-stop"], ["--force"]])
def test_what_is_refused_is_not_mended(flags: list[str]) -> None:
    """No file changes if hooks.json does not parse, as the refusal says."""
    site = site_without_a_record()
    site.home.put(site.home.layout.hooks, b"[]x")
    before = files_of(site.home.image())
    answer = site.run(["uninstall", *flags])
    assert (answer.code, answer.json["code"], answer.json["changed"]) == (2, "hooks_unparseable", False)
    assert files_of(site.home.image()) == before


def test_a_login_that_the_provider_refuses_needs_a_yes_first() -> None:
    """Mended or not, the provider's own URL would get the ChatGPT login: nothing changes until the user agrees."""
    site = site_without_a_record(CHATGPT)
    before = files_of(site.home.image())
    answer = site.run(["uninstall"])
    assert (answer.code, answer.status, answer.json["changed"]) == (4, "confirmation_required", False)
    assert files_of(site.home.image()) == before
    answer = site.run(["uninstall", "--confirm-chatgpt-direct-uninstall"])
    assert (answer.code, answer.json["config_restore"]) == (0, "restored_base_url")
    assert answer.json["direct_upstream_auth_warning"]["upstream_base"] == URLS[0]
    assert site.disk.read(site.home.layout.config) == LOGIN_CONFIG.encode()
