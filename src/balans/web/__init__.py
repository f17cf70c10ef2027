"""The Django project: pages, live streams, accounts."""
