"""Automations at work: runs, what their commands do, timers, packages.

The language itself is ``hookferry.kata``; how a delivery comes about is the engine's.
"""
