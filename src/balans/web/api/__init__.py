"""The REST API: for programs with a key, and for pages of whoever has logged in.

Every operation names its scope and runs in the transaction of one tenant. Errors are problems
(RFC 9457); lists come in pages; times have an offset.
"""
