"""Adapter files made into others: merged, resized, extracted, converted, worked into a base model."""
