"""Commands, one file each; each imports its layer only when it runs."""
