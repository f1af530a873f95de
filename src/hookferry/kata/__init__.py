"""The automation language: trees (KATA), templates, the interpreter.

Pure: a script is text in and a result out. What acts on the world (requests, storage, events) are
ports that ``hookferry.automate`` fills; so is giving way to others, by ``Fuel``'s pause.
"""
