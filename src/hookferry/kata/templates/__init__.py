"""Templates in scripts: a subset of Twig, compiled once and rendered under a budget."""

from hookferry.kata.templates import library
from hookferry.kata.templates.lexer import PACKAGE, TWIG, Delimiters
from hookferry.kata.templates.registry import Run
from hookferry.kata.templates.template import Template, compile_template

__all__ = [
    "PACKAGE",
    "TWIG",
    "Delimiters",
    "Run",
    "Template",
    "compile_template",
    "library",
]
