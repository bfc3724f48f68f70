"""Other people's programs: where they are, and how a script among them is started.

search     a program by PATH, and never in the current folder
codex      the Codex CLI: by PATH, and in the folders where Windows' installers put it
npm        the real program behind the script that npm writes
batch      the command line of a program, which for a script of cmd is one of cmd's
"""
