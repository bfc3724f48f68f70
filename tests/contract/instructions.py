"""The instructions that the user gave for agents and for the program, in our own words, with the place that carries each.

A row is an instruction and its places; `otherwise` says where the program does something else, or more, and why.
"""

from __future__ import annotations

from typing import Final

from tests.contract.places import Answer, Held, Instruction, Line, Page, Said, row, skill

VERBS, BEFORE, FLAGS, FACTS, AFTER = "Which verb", "Before you run one", "Flags", "Good to know", "After a verb"
README, GUIDE, SECURITY = "README.md", "docs/guide.md", "docs/security.md"
INSTALL, UPDATE, SET_UPSTREAM, UNINSTALL = (
    f".codex/{name}.md" for name in ("INSTALL", "UPDATE", "SET_UPSTREAM", "UNINSTALL")
)
DIAGNOSES, REFUSALS, RESULTS, HINTS = (
    "diagnoses.DIAGNOSES",
    "refusals.REFUSALS",
    "results.RESULTS",
    "chatgpt_login.HINTS",
)
RESTART: Final = "Restart the Codex App and return to the conversation, or open a new CLI process"

# fmt: off
WHEN_TO_USE: Final = (
    row("The skill is for users who let Codex manage the proxy for Fast and the split of login and key.",
        Page("SKILL.md", "", "Manage the local Fast proxy and auth split for OpenAI Codex (CLI and App)")),
    row("A request to enable the proxy.", skill(VERBS, '| Fast, or "enable the proxy" | `install --start` |')),
    row("A request that the App use Fast.", Page("SKILL.md", "", "Use when the user wants Codex Fast (priority service tier)"), skill(VERBS, "| Fast, or")),
    row("A request for Fast with a provider that the user names.", skill(FLAGS, "`--provider NAME` only if the user names a provider")),
    row("Plug-ins work and model requests answer 401, with a ChatGPT login.",
        Page("SKILL.md", "", "sees plug-ins work while model requests answer 401"), skill(VERBS, "or model requests fail with 401 after it | `prepare-chatgpt-login`")),
    row("A request to measure, or the question whether the provider supports Fast.",
        Page("SKILL.md", "", "asks whether the provider supports Fast or wants it measured"), skill(VERBS, "| to know whether the provider supports Fast |")),
    row("Another URL of the provider.", Page("SKILL.md", "", "wants another upstream URL or key"), skill(VERBS, "| another URL, key or policy | `set-upstream --upstream-base URL`")),
    row("Status.", skill(VERBS, "| to know whether the proxy is well | `status` |"), Page("SKILL.md", "", "asks whether the proxy is healthy")),
    row("The question for updates.", skill(VERBS, "| to know whether there is an update | `check-update`"), Page("SKILL.md", "", "or up to date")),
    row("To stop.", Page("SKILL.md", "", "wants to stop or remove it"), skill(VERBS, "| to stop it, switch it off or remove it | `uninstall --defer-stop`")),
    row("To uninstall.", skill(VERBS, "| to stop it, switch it off or remove it | `uninstall --defer-stop`, and `uninstall` after the restart"),
        Held("end_to_end/test_skill.py", "test_an_uninstall_in_its_own_session"),
        otherwise="In two steps always: an agent's own session may use the proxy. Where it has used it, the command without the flag waits for the restart by itself."),
)

COMMANDS: Final = (
    row("The program is the source of truth; each line below is one that it takes.", skill("codex-fast-proxy", "Rely on that object"), Line("doctor")),
    row("Enable.", Line("install --start", "start", value=True), skill(VERBS, "`install --start`")),
    row("Enable with the saved key.", Line("install --start --use-provider-auth-file", "use_provider_auth_file", value=True), skill(FLAGS, "`--use-provider-auth-file`")),
    row("Look for the provider's key, writing nothing.", Line("prepare-chatgpt-login", "apply", value=False), skill(VERBS, "`prepare-chatgpt-login`")),
    row("Save the key.", Line("prepare-chatgpt-login --apply", "apply", value=True), skill(VERBS, "with `--apply`")),
    row("Try a URL.", Line("verify-upstream --upstream-base https://api.example.com/v1"), skill(VERBS, "`verify-upstream --upstream-base URL`")),
    row("Another URL.", Line("set-upstream --upstream-base https://api.example.com/v1"), skill(VERBS, "`set-upstream --upstream-base URL`")),
    row("The saved key.", Line("set-upstream --use-provider-auth-file", "use_provider_auth_file", value=True), skill(VERBS, "`set-upstream --use-provider-auth-file`")),
    row("Codex's own login or key again.", Line("set-upstream --clear-upstream-auth", "clear_upstream_auth", value=True), skill(VERBS, "`--clear-upstream-auth`")),
    row("The policy auto.", Line("set-upstream --service-tier-policy auto", "service_tier_policy", "auto"), skill(VERBS, "`--service-tier-policy auto`")),
    row("The policy inject_missing.", Line("set-upstream --service-tier-policy inject_missing", "service_tier_policy", "inject_missing"), skill(FLAGS, "`inject_missing`")),
    row("Status.", Line("status"), skill(VERBS, "| `status` |")),
    row("Updates.", Line("check-update"), skill(VERBS, "`check-update`")),
    row("Measure.", Line("benchmark"), skill(VERBS, "`benchmark`")),
    row("The hook's own command.", Line("autostart --quiet", "quiet", value=True), Answer("install", "startup_hook.command", "autostart"),
        otherwise="SKILL.md names no such verb: the hook runs it, and no agent needs to."),
    row("Stop by force.", Line("stop --force", "force", value=True), skill(BEFORE, "`--force` cuts off current sessions")),
    row("Uninstall in two steps.", Line("uninstall --defer-stop", "defer_stop", value=True), skill(VERBS, "`uninstall --defer-stop`, and `uninstall` after the restart")),
    row("Uninstall.", Line("uninstall", "defer_stop", value=False), skill(VERBS, "and `uninstall` after the restart")),
)

ENABLING: Final = (
    row("To install the repository or the skill leaves the provider's config alone.",
        skill(BEFORE, "Installing this skill does not change the Codex config"), Page(INSTALL, "Install, for an agent", "They do not change the Codex configuration")),
    row("Enable by install --start, which starts the proxy first and switches the config after it.",
        skill(VERBS, "`install --start`"), Answer("install", "switch_order", "proxy_started_before_config_switch")),
    row("It installs one hook of the user for SessionStart, in hooks.json.", Answer("install", "startup_hook.status", "installed"), Answer("install", "startup_hook.path", "/.codex/hooks.json")),
    row("It enables the feature flag of hooks, by its new and its old name; either counts.",
        Answer("install", "hooks_opt_out_overridden", value=False), Held("core/test_plan.py", "test_the_old_flag_is_written_for_old_codex_only"), Held("codex/test_real_codex.py", "test_the_flags_that_let_hooks_run"),
        otherwise="Codex has had hooks on by default since 0.124, and warns of the old name: a flag is written only where an old Codex needs it or the user had switched hooks off, and uninstall gives that back."),
    row("The hook starts a missing proxy only while the recorded provider points at it.",
        skill(FACTS, "The hook starts the proxy if none is running"), Held("end_to_end/test_hook.py", "test_a_provider_that_moved_away_is_left_alone")),
    row("The hook does not restart a healthy proxy because its code is older.", skill(FACTS, "The hook does not replace a proxy only because its code is older"),
        otherwise="It does apply newer settings, in a handover that cuts no turn, so that the next session has them without a restart of the App."),
    row("`startup_hook: true` means installed, enabled and trusted.", skill(FACTS, "it is installed, enabled and trusted"), Answer("status_ready", "startup_hook", value=True), Answer("status_ready", "startup_hook_trust.ready", value=True)),
    row("Where the trust is modified or missing, enable again.", skill(FACTS, "`startup_hook_trust` says why (`modified` or `untrusted`, for example), and `install --start` repairs it"), Said(DIAGNOSES, "startup_hook_not_ready", "install --start` again")),
    row("Do not rely on hooks.json alone for that.", skill(FACTS, "The file hooks.json alone does not show that")),
    row("After an update, install --start replaces a proxy of older code, where the config points at it, before it returns.",
        skill(FACTS, "after an update of the program, `install --start` does, and keeps the settings"), Page(UPDATE, "The running proxy", "Only if `config_matches` is true"), Page(UPDATE, "The running proxy", "replaces the running proxy if its code is older")),
    row("Codex runs the hook for each session; a quiet no-op is not logged.", Held("end_to_end/test_hook.py", "test_a_session_with_a_living_worker_leaves_no_trace"), Line("autostart --quiet")),
    row("A plain install does not enable; it is refused.", Answer("install_without_start", "code", "start_required"), Answer("install_without_start", "changed", value=False)),
    row("The default policy is auto: with a ChatGPT login, or one that cannot be seen, Codex's choice stays.",
        skill(FLAGS, "adds none with a ChatGPT login, where config.toml names another tier, or where the login cannot be seen"), Line("set-upstream --service-tier-policy auto"), Said("results.FAST", "fast_login_unknown", "adds no tier")),
    row("With an API key, auto adds Fast where Codex names no tier.", skill(FLAGS, "it adds Fast where Codex talks to the provider with an API key"), Answer("install", "fast_behavior", "auto_global_priority"),
        otherwise="It adds none where config.toml names another tier: Codex leaves that choice out of its requests, and the user made it."),
    row("inject_missing only if the user wants it for all and accepts that the App's switch no longer decides.", skill(FLAGS, "`inject_missing` only if the user wants Fast for everything and accepts that the App's own switch no longer decides")),
    row("preserve only if the user wants no tier added.", skill(FLAGS, "`preserve` if the user wants no tier added")),
    row("Before the first enabling, and before the model's route changes, one streaming request tries URL and key.",
        skill(BEFORE, "after it has verified the provider with one real, small, streaming request"), Answer("install", "verification.request", "POST /v1/responses"), Answer("install", "verification.stream", value=True)),
    row("If that fails, no --no-verify without the user's word that requests may fail.", skill(BEFORE, "do not add `--no-verify` unless the user accepts that later Codex requests may fail")),
    row("Settings without a policy and without a key of the proxy are of an old global Fast: they stay inject_missing until the user asks otherwise; with a key they mean preserve.",
        Held("core/test_settings.py", "test_settings_from_before_policies")),
    row("If start or switch fails, the config is as before when the command returns.", Held("end_to_end/test_failing_upstream.py", "test_a_failing_provider_changes_nothing"), Held("lifecycle/test_machine.py", "test_a_failure_undoes_everything")),
    row("Running Codex processes keep their provider: restart the App and resume, or open a new CLI process.", Answer("install", "next_user_action", RESTART), Answer("install", "current_session_effect", "keep their route")),
    row("Report the JSON, next_user_action and the hint for the ChatGPT login.",
        skill(AFTER, "repeat `next_user_action`"), skill(AFTER, "Always add `chatgpt_login_hint.message`"), Answer("install", "chatgpt_login_hint.message"), Answer("install", "chatgpt_login_hint.next_user_action")),
    row("With optional_setup_available: API-key mode may stay, and prepare-chatgpt-login comes before a ChatGPT login and its extras.",
        Said(HINTS, "optional_setup_available", "With API-key login, the provider's API works with Fast"), Said(HINTS, "optional_setup_available", "plug-in marketplace, GitHub and other connectors, a Fast switch, status hints and voice input"),
        Said(HINTS, "optional_setup_available", "Before you sign in with ChatGPT, run `codex-fast-proxy prepare-chatgpt-login`")),
    row("Chain no other work in the same turn.", skill(AFTER, "Do no other work in the same turn")),
)

THE_SPLIT: Final = (
    row("For a ChatGPT login prefer the proxy's own file of the key to auth.json, literal keys and the user's variables.", skill(FLAGS, "The provider's key: `--use-provider-auth-file` is the usual way"), skill(BEFORE, "or `auth.json` by hand")),
    row("The proxy replaces Authorization of the requests that it forwards; plug-ins, GitHub and connectors are not touched.",
        Page(README, "Sign in with ChatGPT, keep your provider", "the proxy replaces `Authorization` in the requests that it forwards"), Held("end_to_end/test_split.py", "test_with_the_proxy_it_sees_the_key_and_nobody")),
    row("It drops cookies there.", Held("end_to_end/test_split.py", "test_with_the_proxy_it_sees_the_key_and_nobody"), Page(README, "codex-fast-proxy", "no ChatGPT token, account id, attestation or cookie"),
        otherwise="Only known fields pass at all, because a list of what to drop misses the App's next one; a Cookie that the user sets for the provider in config.toml passes."),
    row("--upstream-api-key-env stays as the advanced way.", skill(FLAGS, "`--upstream-api-key-env NAME` takes a variable's name, never a key, and is for setups that need one"), Line("install --start --upstream-api-key-env RELAY_KEY", "upstream_api_key_env", "RELAY_KEY")),
    row("A dry run of prepare-chatgpt-login comes first.", skill(FLAGS, "`prepare-chatgpt-login` without `--apply` is a dry run"), Answer("prepare_login_dry_run", "applied", value=False)),
    row("It may find the key in auth.json or the environment, and prints none.", Answer("prepare_login_dry_run", "source", "process_env:"), Answer("prepare_login_dry_run", "secret_printed", value=False),
        otherwise="After a ChatGPT login no file has the key: --from-stdin and --from-env take it from the user."),
    row("Report its fields, ask, then --apply.", skill(FLAGS, "report its fields, ask, then apply"), Answer("prepare_login_dry_run", "next_user_action", "prepare-chatgpt-login --apply")),
    row("Then set-upstream --use-provider-auth-file, which tries the key before it saves.", Answer("prepare_login", "next_user_action", "set-upstream --use-provider-auth-file"), Answer("set_upstream_deferred", "verification.stream", value=True)),
    row("While restart_required or needs_restart is true, do not say that the user can sign in.", skill(AFTER, "Say that the user can sign in with ChatGPT only when in the answer of `status` `running` is true, `needs_restart` false"), Answer("set_upstream_deferred", "restart_required", value=True)),
    row("Say instead that the key is verified and saved, and the running proxy does not have it yet.", skill(AFTER, "the route is verified and saved, but the running proxy still uses the old one"), Said(HINTS, "not_loaded_yet", "the running proxy does not send it yet")),
    row("The user restarts the App or allows `start` before the login.", Said(HINTS, "not_loaded_yet", "Before you sign in with ChatGPT, start a new Codex session or run `codex-fast-proxy start`")),
    row("Once the split is active and nothing is pending, say that the user can sign in.", skill(AFTER, "`chatgpt_login_hint.status` `ready`"), Answer("status_split", "chatgpt_login_hint.next_user_action", "Sign in with ChatGPT"), Answer("status_split", "needs_restart", value=False)),
    row("Report chatgpt_login_windows_troubleshooting where it is there.", skill(AFTER, "`backup_path` and `chatgpt_login_windows_troubleshooting`")),
)

THE_ROUTE: Final = (
    row("set-upstream for another URL, source of the key or policy while the proxy is enabled.", skill(VERBS, "| another URL, key or policy | `set-upstream"), skill(FLAGS, "For another URL while the proxy is enabled, use `set-upstream`, not `install`")),
    row("The config keeps pointing at the proxy; settings and what uninstall restores move.", Answer("set_upstream_deferred", "config_matches", value=True), Held("core/test_set_upstream.py", "test_the_baseline_moves_with_the_url"), Page(SET_UPSTREAM, "Save it", "a later uninstall writes this URL into config.toml")),
    row("It refuses where the config no longer points at the recorded proxy.", Said(REFUSALS, "provider_repointed", "no longer points at the proxy"), Page(SET_UPSTREAM, "Save it", "Nothing was saved")),
    row("No --restart unless the user accepts that sessions are cut.", skill(FLAGS, "then ask first"),
        otherwise="A restart hands over and cuts no turn, so it needs no consent, but for a proxy that cannot hand over."),
    row("Without it: restart the App, a new CLI process, or `start`.", Said(RESULTS, "upstream_deferred", "Restart the Codex App, open a new CLI process, or run `codex-fast-proxy start`"), Answer("set_upstream_deferred", "next_user_action", "Restart the Codex App, open a new CLI process, or run")),
    row("verify-upstream where the user wants a candidate tried.", skill(VERBS, "| to try a URL or key | `verify-upstream --upstream-base URL`")),
    row("It makes the same request and leaves settings, config, hooks and proxy alone.",
        Answer("verify_upstream", "request", "POST /v1/responses"), Answer("verify_upstream", "settings_changed", value=False), Answer("verify_upstream", "config_changed", value=False), Answer("verify_upstream", "proxy_restarted", value=False),
        Held("end_to_end/test_set_upstream.py", "test_verifying_changes_nothing")),
    row("Never edit the provider's base_url while the proxy is enabled.", skill(BEFORE, "Never edit the provider's `base_url`"), Page(SET_UPSTREAM, "Change the provider's URL, key or policy, for an agent", "Never edit the provider's `base_url` in config.toml")),
    row("For the key use prepare-chatgpt-login and set-upstream instead of auth.json.", skill(BEFORE, "or `auth.json` by hand"), skill(VERBS, "then `set-upstream --use-provider-auth-file`")),
    row("Model, reasoning and other fields may be edited directly.", skill(BEFORE, "Other fields of config.toml, such as the model or the reasoning effort, you may edit as ever")),
    row("It changes no model, reasoning, tools, input or key of a request.", Held("end_to_end/test_turns.py", "test_only_the_tier_is_added"), Held("core/test_set_upstream.py", "test_the_baseline_moves_with_the_url")),
    row("The try is real traffic at the provider.", Page(SET_UPSTREAM, "Try it, without a change", "One small real request goes to the provider")),
    row("It applies at once where the proxy is not running or --restart is passed, else later.", Answer("set_upstream_deferred", "start_result.status", "deferred"), Answer("set_upstream_restarted", "start_result.status", "restarted"), Said(RESULTS, "upstream_saved", "The proxy is not running")),
    row("--provider only where the user names one or none can be chosen.", skill(FLAGS, "`--provider NAME` only if the user names a provider or `code` is `ambiguous_provider`"), Said(REFUSALS, "ambiguous_provider", "--provider")),
    row("--upstream-base only where config.toml has no URL or the user wants another.", skill(FLAGS, "`--upstream-base URL` only if `code` is `upstream_unknown` or the user wants another URL"), Said(REFUSALS, "upstream_unknown", "--upstream-base URL")),
    row("--upstream-api-key-env takes a name, never a key.", skill(FLAGS, "takes a variable's name, never a key"), Said("usage.USAGE", "invalid_env_name", "the name of an environment variable, not a key")),
    row("--clear-upstream-auth goes back to what Codex itself sends.", skill(FLAGS, "`--clear-upstream-auth` passes on what Codex itself sends again"), Held("core/test_set_upstream.py", "test_auth_is_set_and_cleared")),
    row("For another URL, set-upstream rather than install again.", skill(FLAGS, "use `set-upstream`, not `install`")),
)

STOPPING: Final = (
    row("To stop the proxy under a running process cuts the conversation: uninstall --defer-stop, restart, uninstall again.",
        skill(VERBS, "your own session may use the proxy, and would wait for a stopped one without an end"), Answer("uninstall_deferred", "stop_result.status", "deferred"), Answer("uninstall_deferred", "next_user_action", "Then run `codex-fast-proxy uninstall` again")),
    row("With confirmation_required nothing was changed.", skill(AFTER, "`confirmation_required` (exit 4): nothing was changed"), Answer("uninstall_confirmation", "message", "Nothing was changed"), Answer("uninstall_confirmation", "changed", value=False)),
    row("Report direct_upstream_auth_warning first.", skill(AFTER, "Report `direct_upstream_auth_warning.message`, ask whether"), Answer("uninstall_confirmation", "direct_upstream_auth_warning.message", "may respond with 401")),
    row("Ask: keep it, switch back to API-key login first, or continue all the same.", skill(AFTER, "ask whether to keep the proxy, to switch back to API-key login first, or to continue"), Answer("uninstall_confirmation", "next_user_action", "Ask the user for one of three")),
    row("Only a clear yes leads to --confirm-chatgpt-direct-uninstall.", skill(AFTER, "only if the user wants to continue, add `--confirm-chatgpt-direct-uninstall`"), Line("uninstall --confirm-chatgpt-direct-uninstall", "confirm_chatgpt_direct_uninstall", value=True)),
    row("After a confirmed uninstall the warning comes before any word on a restart.",
        skill(AFTER, "`uninstall` with `direct_upstream_auth_warning`: report `direct_upstream_auth_warning.message` and `direct_upstream_auth_warning.next_user_action` before any word about a restart"), Answer("uninstall_deferred", "next_user_action", "Switch Codex back to API-key login before restarting it, or keep the proxy. Restart")),
    row("Without the proxy its key is gone from the route, and a ChatGPT login may reach the provider, which answers 401.", Answer("uninstall_deferred", "direct_upstream_auth_warning.message", "Without the proxy, Codex sends the ChatGPT login directly to")),
    row("Tell the user to switch back first, or to keep the proxy.", Answer("uninstall_deferred", "direct_upstream_auth_warning.next_user_action", "Switch Codex back to API-key login before restarting it, or keep the proxy")),
    row("Uninstall takes our hook alone.", Held("codex/test_hooks_json.py", "test_removal_moves_nobody"), Answer("uninstall_deferred", "startup_hook.status", "removed_file")),
    row("No stop while the config points at the proxy, unless the user accepts that sessions fail.", skill(BEFORE, "`stop` is refused while Codex points at the proxy"), Answer("stop_refused", "code", "config_points_to_proxy")),
    row("Where the config is as installed, uninstall restores all of it.", Held("end_to_end/test_round_trip.py", "test_every_byte_comes_back"), Page(GUIDE, "Remove it", "`restored` if config.toml is as before, byte for byte")),
    row("Where others changed it, only the provider's URL goes back.", Answer("uninstall_deferred", "config_restore", "restored_base_url"), Page(GUIDE, "Remove it", "`restored_base_url` if you had edited it since"), Held("core/test_plan.py", "test_the_users_edits_survive_an_uninstall")),
    row("With a ChatGPT login, nothing is touched before the confirmation.",
        Answer("uninstall_confirmation", "config_restore", "not_attempted"), Answer("uninstall_confirmation", "startup_hook.status", "unchanged"), Answer("uninstall_confirmation", "stop_result.status", "not_attempted"), Answer("uninstall_confirmation", "files", "kept"),
        Held("end_to_end/test_round_trip.py", "test_a_login_that_goes_nowhere_needs_no_yes"), otherwise="Where the login would not reach the provider, as with env_key, there is nothing to confirm."),
    row("skipped_config_changed: delete nothing, and ask before --force.", skill(AFTER, "`config_restore` `skipped_config_changed` (exit 3)"), skill(AFTER, "Do not delete anything; ask before `uninstall --force`"), Page(UNINSTALL, "The configuration", "Remove nothing; ask")),
)

MEASURING: Final = (
    row("Measure only where the user asks for it or accepts the cost.", skill(BEFORE, "Run `benchmark` only when the user asks for a measurement or confirms its cost"), skill(VERBS, "costs quota: ask first")),
    row("The default is three pairs of real codex exec turns in alternating order, against the saved upstream.",
        Line("benchmark", "pairs", 3), Line("benchmark", "mode", "codex-cli"), Line("benchmark", "profile", "full"), Page(README, "Decide about Fast, and measure it", "in alternating order"), Held("bench/test_benchmark.py", "test_what_is_measured_is_the_saved_upstream")),
    row("It can cost much quota.", skill(BEFORE, "six real turns by default"), Answer("benchmark", "tokens.requests")),
    row("It uses the keys that are there, keeps no contents, and compares whole responses also where no answer names a tier.",
        Answer("benchmark", "privacy", "no responses, bodies or keys"), Answer("benchmark", "observed_speedup_total"), Answer("benchmark", "api_key_source")),
    row("For the question whether the provider supports Fast: the default full profile.", skill(FLAGS, "Whether Fast works, the default `full` profile says"), skill(VERBS, "`benchmark` is sure"),
        otherwise="The verdict that status remembers (`tier_verdicts`) is free, and comes first; only a measurement is sure."),
    row("Logs, injected tiers and 200 are no proof.", skill(AFTER, "an HTTP 200 or an injected tier in the log does not prove a speed-up")),
    row("Where no key is found, ask for a variable's name.", skill(FLAGS, "If no key is found, ask for a variable's name for `--api-key-env`"), Line("benchmark --api-key-env RELAY_KEY", "api_key_env", "RELAY_KEY"), Said(REFUSALS, "benchmark_key_unknown", "--api-key-env")),
    row("A sample has 600 seconds.", Line("benchmark", "timeout", 600)),
    row("After TimeoutExpired a longer time, before any conclusion.", skill(FLAGS, "after `TimeoutExpired`, run again with a larger `--timeout`, such as 900"), Line("benchmark --timeout 900", "timeout", 900)),
    row("Report profile, medians, speed-up, acceptance, effect, confirmation, counts, control and errors.",
        skill(AFTER, "`profile`, `benchmark_mode`"), skill(AFTER, "the medians of `default` and `priority`"), skill(AFTER, "`observed_speedup_total` and `observed_speedup_first_output`"), skill(AFTER, "`priority_accepted`, `observed_priority_effective`, `provider_confirmed_priority`"),
        skill(AFTER, "`service_tier_control.valid`"), skill(AFTER, "each `error_type`"), *(Answer("benchmark", field) for field in ("profile", "benchmark_mode", "default.median_total_ms", "priority.ok", "priority.count", "observed_speedup_total",
        "priority_accepted", "observed_priority_effective", "provider_confirmed_priority", "service_tier_control.valid", "samples"))),
    row("Whole response and first output come before first event and first byte.", skill(AFTER, "The time to the whole response and to the first output come before the time to the first event or byte")),
    row("priority_accepted proves acceptance, observed_priority_effective an effect on this workload.", skill(AFTER, "An accepted tier (`priority_accepted`: one sample succeeded)"), Answer("benchmark", "observed_priority_effective", value=False),
        otherwise="An effect also needs an interval of the speed-up above 1: a ratio of few samples alone misleads too often."),
    row("Name the mode, and promise nothing about the App.", skill(AFTER, "no run is a guarantee about the App"), Answer("benchmark", "benchmark_mode")),
    row("One success is enough for priority_accepted, so the counts go with it.", skill(AFTER, "`ok` of `count`")),
    row("One run is no guarantee.", skill(AFTER, "One run is no guarantee")),
    row("smoke is for connectivity, direct for a machine without the CLI.", skill(FLAGS, "`--profile smoke` only says that requests succeed, and `--mode direct` is for a machine without the Codex CLI"), Line("benchmark --profile smoke --mode direct", "profile", "smoke")),
    row("It compares no tier with priority.", Answer("benchmark", "service_tier_control.priority_request_service_tiers", ["priority"]), Answer("benchmark", "service_tier_control.default_request_service_tiers", [])),
    row("Redacted numbers are kept in one file.", Answer("benchmark", "saved_to", "codex-fast-proxy-state/state/fast_proxy.benchmark.json")),
    row("The dashboard shows the last run and starts none.", Page(GUIDE, "Find out whether it is faster", "the dashboard keeps the last full run"), Held("dashboard/test_handler.py", "test_the_page_only_reads")),
)

LOOKING: Final = (
    row("The JSON is the truth.", skill("codex-fast-proxy", "Each verb prints one JSON object; other lines are progress. Rely on that object")),
    row("Health and code are part of status and doctor.", Answer("status_ready", "healthy", value=True), Answer("status_ready", "runtime_matches", value=True), Answer("doctor_ready", "health.ok", value=True)),
    row("healthy=false ends the work until the cause is known.", skill(BEFORE, "`healthy` false in `status` or `doctor`: stop, and find the cause with `doctor` before you change anything"), Said(DIAGNOSES, "proxy_unhealthy", "doctor")),
    row("needs_restart after an update: restart the App, a new process, or `start` when it is safe.", Said(DIAGNOSES, "runtime_stale", "Run `codex-fast-proxy start`"), Answer("status_pending", "needs_restart", value=True),
        otherwise="`start` hands over and cuts no turn, so that it is safe at any time; where it would cut, the diagnosis says so (runtime_stale_cut)."),
    row("The question for updates ends with check-update, which writes nothing.", skill(VERBS, "`check-update` (read-only: stop after it)"), Answer("check_update", "read_only", value=True)),
    row("Report the route, the key and the proxy by these fields.",
        skill(AFTER, "`provider`, `base_url`, `upstream_base`, `service_tier_policy`, `upstream_auth`"), skill(AFTER, "Of `status` also `running`, `runtime_matches`, `needs_restart`"), skill(AFTER, "`provider_auth_preparation.message`"), skill(AFTER, "report `diagnosis`"),
        *(Answer("status_ready", field) for field in ("provider", "base_url", "upstream_base", "service_tier_policy", "upstream_auth", "running", "diagnosis.message", "provider_auth_preparation.message", "chatgpt_login_hint.message",
        "next_user_action", "runtime_matches", "needs_restart"))),
    row("Report what became of backup and restore.", skill(AFTER, "`backup_path`"), skill(AFTER, "the files are restored (`config_restore`)"), Answer("install", "backup_path"), Answer("uninstall_deferred", "config_restore")),
    row("status.runtime shows old code, a wrong Python and a hook of another checkout.", skill(FACTS, "look there for a wrong Python or another checkout"), Answer("status_ready", "runtime.manager.python"), Answer("status_ready", "runtime.proxy.package"), Answer("status_ready", "runtime.hook_command")),
    row("Requests of /v1/responses are the evidence that the App uses the proxy.", skill(FACTS, "look for requests of `/v1/responses` in `logs`")),
    row("/v1/models is metadata, and its failures alone are none of turns.", skill(FACTS, "`GET /v1/models` is metadata; its failures alone do not concern turns")),
    row("For the App, look at the traffic after the user has sent a message there.", skill(FACTS, "let the user send a message in the App")),
)

SANDBOX: Final = (
    row("Cloning, pip, links, config.toml, hooks.json, background processes and removal may need approval.",
        Page(INSTALL, "Install, for an agent", "Ask before you begin: the steps download Python packages, install them into a folder of their own, and make one link"), skill(BEFORE, "make sure that the user agrees: they write `~/.codex/config.toml` and `hooks.json`, and start or stop a background process")),
    row("Ask for approval of the very command.", skill(BEFORE, "ask for approval of the same command outside of it"), Page(INSTALL, "Install, for an agent", "ask for approval of that same command")),
    row("After a failure by network, permission or sandbox: the same command with approval, and no way around.",
        skill(BEFORE, "(`inside_sandbox`, `worker_out_of_sight`, no network, no permission to write)"), skill(BEFORE, "do not work around it"), Said(REFUSALS, "inside_sandbox", "let the agent run it outside of its sandbox"), Said(REFUSALS, "worker_out_of_sight", "outside of the agent's sandbox")),
    row("Print no keys, bodies, prompts or history.", skill(BEFORE, "Never print keys, `auth.json`, request bodies, prompts or history"), Held("end_to_end/test_commands.py", "test_no_secret_is_printed")),
    row("auth.json stays as it is; save the key with prepare-chatgpt-login --apply.", skill(BEFORE, "or `auth.json` by hand"), skill(FLAGS, "ask, then apply")),
)

HANDOVER: Final = (
    row("After INSTALL.md or UPDATE.md: restart, so that Codex finds the skill, then ask to enable the proxy.",
        Page(INSTALL, "Tell the user", "Restart the Codex App and return to this conversation, or open a new CLI process"), Page(INSTALL, "Tell the user", 'Then say: "enable Codex Fast proxy"'), Page(UPDATE, "Tell the user", "Restart the Codex App and return to this conversation, or open a new CLI process"),
        skill(AFTER, "After the skill itself was installed, updated or removed: ask the user to restart")),
    row("After UNINSTALL.md: restart, so that the skill is no longer listed.", Page(UNINSTALL, "Tell the user", "so that the skill is no longer listed")),
    row("After enabling: it is enabled, this process keeps its route, restart.", skill(AFTER, "say that the proxy is enabled and that the current Codex process keeps its old route"), Answer("install", "message", "The proxy is enabled"), Answer("install", "next_user_action", RESTART)),
    row("After enabling, always the note on the ChatGPT login, however long the summary is.", skill(AFTER, "Always add `chatgpt_login_hint.message` with its `next_user_action`, however long the report is"), Said(HINTS, "optional_setup_available", "without it the provider may respond with 401"),
        otherwise="Where the provider's own key goes out whatever the login, the hint says that, because a warning of 401 would be false."),
    row("confirmation_required: nothing was applied, because of the ChatGPT login and a possible 401; no word of a restart.", Answer("uninstall_confirmation", "message", "Nothing was changed. Without the proxy, Codex sends the ChatGPT login directly to"), skill(AFTER, "Do not ask for a restart yet")),
    row("uninstalled after --defer-stop: the config is direct again, the proxy runs on for now; restart, then uninstall again.",
        Answer("uninstall_deferred", "message", "config.toml is restored. The proxy keeps running so that current sessions can finish"), Answer("uninstall_deferred", "next_user_action", RESTART), Page(UNINSTALL, "The configuration", "then ask me to finish the uninstall")),
    row("The warning of a confirmed uninstall: first that the login is there and may reach the provider, then what to do.", Answer("uninstall_deferred", "direct_upstream_auth_warning.severity", "warning"), skill(AFTER, "before any word about a restart"), Page(UNINSTALL, "The configuration", "report its `message` and its `next_user_action` before you mention a restart")),
)

PROMISES: Final = (
    row("install --start keeps a copy of config.toml.", Answer("install", "backup_path", "backups/codex-fast-proxy/config.toml.")),
    row("The provider's URL becomes upstream_base.", Answer("install", "upstream_base", "http://UPSTREAM/v1")),
    row("The provider's base_url becomes http://127.0.0.1:8787/v1.", Answer("install", "base_url", "http://127.0.0.1:"), Page(GUIDE, "Enable it", "The proxy of `~/.codex` listens at port 8787"),
        otherwise="Other Codex homes have ports of their own: two homes at one port would reach each other's provider."),
    row("The hook calls this Python with the module and autostart --quiet.", Answer("install", "startup_hook.command", "PYTHON -I -m codex_fast_proxy autostart --codex-home ROOT/user/.codex --quiet"),
        otherwise="With -I: Codex runs the hook in the session's folder, whose modules must not be imported."),
    row("Only inject_missing forces Fast whatever the login is.", Held("core/test_policy.py", "test_explicit_policies_ignore_login_and_opt_out"), Page(README, "Decide about Fast, and measure it", "| `inject_missing` | always gets `priority` |"),
        otherwise="Rules of the user's own (`fast add`) come before the policy."),
)
# fmt: on

INSTRUCTIONS: Final[dict[str, tuple[Instruction, ...]]] = {
    "when to use the skill": WHEN_TO_USE,
    "commands": COMMANDS,
    "enabling": ENABLING,
    "the auth split": THE_SPLIT,
    "the route": THE_ROUTE,
    "stopping": STOPPING,
    "measuring": MEASURING,
    "looking": LOOKING,
    "sandbox": SANDBOX,
    "what the user is told": HANDOVER,
    "what the program promises": PROMISES,
}
