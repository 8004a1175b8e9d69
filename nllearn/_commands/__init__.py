"""The subcommands of ``nllearn``; :mod:`nllearn.cli` puts them together."""
