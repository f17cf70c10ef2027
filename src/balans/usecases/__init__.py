"""One file for each thing the utility does; joins domain knowledge over ports."""
