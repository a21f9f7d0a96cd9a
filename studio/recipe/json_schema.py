"""The recipe as a JSON schema: what editors complete and check a recipe file with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from studio import registry
from studio.recipe.schema import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema with every installed trainer's settings, told apart by ``kind``.

    The settings' docstrings are the descriptions.
    """
    plugins = registry.plugins()
    models: list[type[BaseModel]] = [Recipe, *(p.settings for p in plugins.values())]
    references, schema = models_json_schema([(model, "validation") for model in models])
    definitions = schema["$defs"]
    variants = {}
    for kind, plugin in plugins.items():
        reference = references[(plugin.settings, "validation")]["$ref"]
        settings = definitions[reference.rpartition("/")[2]]
        settings["required"] = sorted({*settings.get("required", ()), "kind"})
        variants[kind] = reference
    recipe = definitions.pop("Recipe")
    recipe["properties"]["trainer"] = {
        "description": Recipe.model_fields["trainer"].description,
        "oneOf": [{"$ref": reference} for reference in variants.values()],
        "discriminator": {"propertyName": "kind", "mapping": variants},
    }
    definitions.pop("TrainerSettings", None)
    return {"$schema": DIALECT, **recipe, "$defs": definitions}
