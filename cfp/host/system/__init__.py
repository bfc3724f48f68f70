"""Services of the operating system and its programs: browser, git, terminal, links, temporary folders, Windows."""
