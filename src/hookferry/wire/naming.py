"""What the name of an event type says of the record behind the event.

Two of the profiles speak of records, ``contact.changed`` being the event ``changed`` of the entity
``contact``; where the publisher names no entity, the type does.
"""

from __future__ import annotations


def split_type(event_type: str) -> tuple[str, str]:
    """Return what an event type is about and what happened to it.

    The last segment is what happened, the others what it happened to: ``list.category.created`` is
    ``created`` of ``list.category``. A type of one segment is both.
    """
    subject, dot, verb = event_type.rpartition(".")
    return (subject, verb) if dot else (event_type, event_type)
