"""Simulated materials: what the shipped classifier of materials was taught with.

A photograph is framed, treated as one material would show it, and encoded like every other, so
that nothing but its pixels tells what it is. Runs only when the classifier is made anew.
"""
