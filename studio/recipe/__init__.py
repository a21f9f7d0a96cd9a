"""The recipe: what a run is to do, in one strict YAML file. Imports no torch.

Load one with `load_recipe`, build one with `recipe_from_dict` or `starter_recipe`, write down what
it came to with `lock`.
"""

from studio.recipe.json_schema import json_schema
from studio.recipe.loading import load_recipe, recipe_from_dict, validated
from studio.recipe.lock import Lock, lock, recipe_digest, require_as_locked
from studio.recipe.schema import Recipe
from studio.recipe.starter import starter_recipe

__all__ = [
    "Lock",
    "Recipe",
    "json_schema",
    "load_recipe",
    "lock",
    "recipe_digest",
    "recipe_from_dict",
    "require_as_locked",
    "starter_recipe",
    "validated",
]
