from __future__ import annotations

from typing import Any

import pytest

from studio.recipe import migrations


def test_old_recipes_go_through_every_version_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(content: dict[str, Any]) -> dict[str, Any]:
        content["new"] = content.pop("old")
        return content

    def double(content: dict[str, Any]) -> dict[str, Any]:
        return {**content, "new": content["new"] * 2}

    monkeypatch.setattr(migrations, "VERSION", 3)
    monkeypatch.setattr(migrations, "MIGRATIONS", {1: rename, 2: double})
    assert migrations.migrate({"old": 4}) == {"new": 8, "version": 3}
    assert migrations.migrate({"new": 4, "version": 2}) == {"new": 8, "version": 3}
    assert migrations.migrate({"new": 4, "version": 3}) == {"new": 4, "version": 3}


def test_there_is_a_migration_from_every_older_version() -> None:
    assert set(migrations.MIGRATIONS) == set(range(1, migrations.VERSION))
