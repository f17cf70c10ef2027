"""How things are shown: words of the reader's language, numbers, local time, charts."""
