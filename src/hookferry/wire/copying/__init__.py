"""A caught request in other forms: as a command or a program that sends it again, as an entry of a
HAR, beside another one.

Pure text from bytes. Which headers may be shown is decided by whoever asks; who sends a request
again is ``hookferry.catch.replays``.
"""
