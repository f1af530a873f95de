"""The receiving half: sources, and what happens to a request between its arrival and its answer.

A floor between the engine and the doors (DESIGN section 2). It knows the engine, the wire and the
ledger's ports; it knows no framework and opens no listening socket. What a source may say is
``definition``, how sources are managed ``sources``.
"""
