"""An adapter made ready for others: its card, its pictures, and a place on a hub, only on demand."""
