"""Packages: automations, sources and what belongs to them, in one JSON document (Cerb's packages).

``manifest`` reads a document, ``prompts`` and ``placeholders`` fill in what it leaves open,
``rendering`` its templates; ``kinds`` knows the records it may hold, ``importing`` creates them,
``exporting`` writes a document of what is there, ``library`` has those that come with hookferry.
"""
