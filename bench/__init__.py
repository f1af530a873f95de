"""The benchmark: ``make bench``. What it measures and how is in ``bench/README.md``.

Load generator, receivers and engine are processes of their own; this package imports nothing of
hookferry but its store, to fill a ledger ahead of a measurement.
"""
