"""A recipe as a form: every setting as a field, made from the settings' own schema. No torch, no browser.

::

    field.py        one setting: what it is called, what may stand there, what it is good for
    schema.py       all of them for a method, in sections, and the few that come first
    entry.py        a value as one reads and types it, and back
    sheet.py        a recipe's text in the making: its values, its problems, and changes of it
    starting.py     recipes to begin with

A trainer of someone else's needs nothing for this but its settings.
"""
