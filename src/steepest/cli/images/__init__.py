"""The commands on images; `cli/commands.py` calls them where there are images."""
