"""What ``hookferry listen`` is made of.

``journal`` remembers what was forwarded, ``feed`` hears from hookferry, ``forwarding`` talks to
the local program, ``relay`` brings the three together, ``view`` and ``keys`` are the terminal.
"""
