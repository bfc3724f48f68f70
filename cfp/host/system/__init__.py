"""What the operating system and other programs on it offer: browser, git, terminal, links, throw-away folders."""
