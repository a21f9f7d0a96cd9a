"""Low-rank adapters on a base model: what every trainer that trains them shares."""
