"""Verification of caught requests: one declarative scheme, presets as data, code for the few.

Pure: what must be fetched (a certificate) is asked for with ``KeyNeeded`` and brought by the
caller.
"""
