"""The site daemon: hub journal and local load control, alone if need be."""
