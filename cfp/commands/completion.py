"""Print a completion script for bash, zsh or fish, made from the commands' own flags."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from cfp.commands import COMMANDS
from cfp.commands.command import Command
from cfp.commands.parsing import parser_of
from cfp.host.home import Host
from cfp.result import Raw

PROGRAMS = ("codex-fast-proxy", "cfp")
_QUOTED = str.maketrans({"'": "'\\''"})  # a quote inside single quotes of a shell


EXAMPLES = (
    ("bash > ~/.local/share/bash-completion/completions/codex-fast-proxy", "for bash; make the folder first"),
    ("zsh > ~/.zfunc/_codex-fast-proxy", "for zsh, where that folder exists and is in fpath"),
    ("fish > ~/.config/fish/completions/codex-fast-proxy.fish", "for fish; make the folder first"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    shell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbSyntax:
    """The syntax behind a verb: flags with their choices, and words."""

    summary: str
    flags: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the word."""
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell to print the script for")


def run(args: Args, _host: Host) -> Raw:
    """Return the script; `source <(codex-fast-proxy completion bash)` uses it."""
    return Raw(text={"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](menu()))


def menu() -> dict[str, VerbSyntax]:
    """Read every verb's parser."""
    syntaxes = {}
    for verb, (_, summary) in COMMANDS.items():
        flags: dict[str, tuple[str, ...]] = {}
        words: tuple[str, ...] = ()
        for action in parser_of(verb)._actions:  # noqa: SLF001  argparse has no public way to list them
            choices = tuple(map(str, action.choices or ()))
            flags |= dict.fromkeys(action.option_strings, choices)
            words += () if action.option_strings else choices
        syntaxes[verb] = VerbSyntax(summary=summary, flags=flags, words=words)
    return syntaxes


def _bash(verbs: Mapping[str, VerbSyntax]) -> str:
    cases = "".join(f"        {verb}) words='{' '.join((*of.flags, *of.words))}' ;;\n" for verb, of in verbs.items())
    choices = "".join(f"        {flag}) words='{' '.join(values)}' ;;\n" for flag, values in _choices(verbs).items())
    return (
        "_codex_fast_proxy() {\n"
        '    local words="" word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"\n'
        f'    if [ "$COMP_CWORD" -eq 1 ]; then words="{" ".join(verbs)}"; else\n'
        f'    case "${{COMP_WORDS[1]}}" in\n{cases}    esac\n'
        f'    case "$before" in\n{choices}    esac\n'
        "    fi\n"
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))\n'
        "}\n"
        f"complete -o default -F _codex_fast_proxy {' '.join(PROGRAMS)}\n"
    )


def _zsh(verbs: Mapping[str, VerbSyntax]) -> str:
    described = " ".join(f"'{verb}:{of.summary.translate(_QUOTED)}'" for verb, of in verbs.items())
    cases = "".join(
        f"        {verb}) compadd -- {' '.join((*of.flags, *of.words))} ;;\n" for verb, of in verbs.items()
    )
    choices = "".join(
        f"        {flag}) compadd -- {' '.join(values)}; return ;;\n" for flag, values in _choices(verbs).items()
    )
    return (
        f"#compdef {' '.join(PROGRAMS)}\n"
        "_codex_fast_proxy() {\n"
        f"    local -a verbs; verbs=({described})\n"
        "    if (( CURRENT == 2 )); then _describe command verbs; return; fi\n"
        f'    case "$words[CURRENT-1]" in\n{choices}    esac\n'
        f'    case "$words[2]" in\n{cases}    esac\n'
        "}\n"
        f"compdef _codex_fast_proxy {' '.join(PROGRAMS)}\n"
    )


def _fish(verbs: Mapping[str, VerbSyntax]) -> str:
    lines = []
    for program in PROGRAMS:
        lines.append(f"complete -c {program} -f")
        for verb, of in verbs.items():
            summary = of.summary.replace("'", "\\'")
            lines.append(f"complete -c {program} -n __fish_use_subcommand -a {verb} -d '{summary}'")
            behind = f"complete -c {program} -n '__fish_seen_subcommand_from {verb}'"
            if of.words:
                lines.append(f"{behind} -a '{' '.join(of.words)}'")
            for flag, values in of.flags.items():
                name = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                lines.append(f"{behind} {name}" + (f" -xa '{' '.join(values)}'" if values else ""))
    return "\n".join(lines) + "\n"


def _choices(verbs: Mapping[str, VerbSyntax]) -> dict[str, tuple[str, ...]]:
    return {flag: values for of in verbs.values() for flag, values in of.flags.items() if values}


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    output="Prints the script.",
    has_format=False,
    run=run,
    needs_home=False,
    needs_sockets=False,
)
