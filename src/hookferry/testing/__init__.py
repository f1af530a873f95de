"""What users import to test their webhooks: a real receiver. Standard library only."""

from __future__ import annotations

from hookferry.testing.receiver import Receiver
from hookferry.testing.records import Received

__all__ = ["Received", "Receiver"]
