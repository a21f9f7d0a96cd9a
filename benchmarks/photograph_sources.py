"""Which packages `photographs.py` takes its pictures from, and which pictures of each.

The pictures belong to their photographers, most of them under CC BY or CC BY-SA (each package's
copyright file says): they are measured here, nothing of them is redistributed.

Chosen by eye. Left out are renders, drawings, logos, composites, black and white, and whatever has
a heavy filter. The split goes by project, so that no photographer is known on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Source:
    """Packages of one project.

    Attributes:
        split: the folder that its pictures go to.
        suite: the release of Ubuntu that still carries the packages.
        family: the packages' name, `*` standing for each of `editions`.
        take: patterns of the pictures' names, separated by blanks.
        leave: the same, for those that are no plain photographs.
        judged: whether size and compression count; film is too rare for that.
    """

    split: str
    suite: str
    family: str
    editions: str = ""
    take: str = "*"
    leave: str = ""
    judged: bool = True

    def packages(self) -> list[str]:
        return [self.family.replace("*", edition) for edition in self.editions.split() or [""]]

    def wants(self, name: str) -> bool:
        return _matches(name, self.take) and not _matches(name, self.leave)


def _matches(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


# This photographer works on film too: those that name the scanner are under `film_real`, and what
# says nothing is on no side.
PERHAPS_FILM = "*sigisagi *sigi_sagi"

SOURCES = (
    Source(
        "film_real",
        "noble",
        "budgie-wallpapers-*",
        "jammy noble",
        take="beach_by_sigisagi coffee_by_* fern_by_* mills_by_* stones_in_lake* mountain_by_*",
        judged=False,
    ),
    Source("film_real", "noble", "ubuntu-wallpapers-zesty", take="Espaciolandia_*", judged=False),
    Source(
        "training",
        "noble",
        "budgie-wallpapers-*",
        "xenial yakkety zesty artful bionic cosmic disco eoan focal groovy hirsute impish jammy"
        " kinetic lunar mantic",
        leave=f"{PERHAPS_FILM} 12cordas_* Xplo_* ai_generated_* apo-fraxflame-* aquamarine_droplet_*"
        " architecture_infra* be-quiet-* bench_at_* bike_spoke_* city-lights-* cyclist_and_*"
        " desk_clock_* dog_by_* donald_* eglise-* flatcycle_* impossibly_* leaf_tip_* mirror_walk_*"
        " numbat_* peaking_sun_* rusty_old_* sand_by_* stardust_* streaming_* tarmac_* train_trip_*"
        " trakking-* trekking_* ubuntu_budgie_* walk-to-*",
    ),
    Source(
        "training",
        "noble",
        "ubuntu-wallpapers-*",
        "maverick precise quantal utopic vivid wily xenial bionic cosmic disco focal impish jammy"
        " kinetic lunar mantic noble",
        leave="*_Cante *_NK *_dark *_light *-dark *-light *_GREY *_Grey *_Grey_* *_Hiking93"
        " *_Santoro *_Brenner *_gixo_* A_Little_Quetzal_* Abstract_* Aubergine_* Bane_of_*"
        " Black_hole_* Blue_by_* BusquedaNocturna Capucijnengang_* Encounter_* Flight_dive_*"
        " Forever_* Horses_on_* I_am_a_* Icy_Grass_* Little_numbat_* LunarCatcher_* Mantic_maze_*"
        " Minotaur_* Monument_valley_* Morning_by_* Mountain_king_* Music_by_* Night_Seascape_*"
        " Optical_* Rainbow_* Reflection_* Saffron_* Sunny_Autumn_* Tesla_* Tri_Narwhal_*"
        " Numbat_wallpaper* Ubuntu_warrior_* Utopic_* Wallpaper_* Vanishing_* Water_web_* canvas_*"
        " clock_by_* hardy_* ubuntu16_* ubuntu_wallpaper* warty-* xgu472*",
    ),
    Source(
        "training",
        "noble",
        "ubuntu-gnome-wallpapers-*",
        "trusty utopic xenial yakkety",
        leave=f"{PERHAPS_FILM} 160818-* 1_by_* heaven_* pexels-* ubuntu-gnome-wonders-* wall27-*"
        " weathercock*",
    ),
    Source(
        "training",
        "noble",
        "xubuntu-community-wallpapers-*",
        "trusty xenial bionic focal jammy",
        leave="Dolomites_* Journey_* My_Nut_* cloudbreaker thierry_* traslasierra",
    ),
    Source(
        "training",
        "noble",
        "ubuntu-mate-wallpapers-*",
        "hirsute photos",
        take="andrew-* gabriele-* hu-chen-* joe-* johann-* kristopher-* matteo-* nattu-* stefan-*"
        " tommy-*",
    ),
    Source(
        "training",
        "noble",
        "ubuntustudio-wallpapers-*",
        "legacy focal noble",
        take="2004_city-* 2004_misty-* 2004_sea-* 2004_sky-* 2404_Banaue* 2404_Brauneck_* 2404_bee2"
        " ubuntustudio-lense ubuntustudio-mixer",
    ),
    Source(
        "training",
        "noble",
        "mate-backgrounds",
        take="Aqua Blinds Dune Garden GreenMeadow LadyBird RainDrops Storm TwoWings YellowFlower",
    ),
    Source("training", "noble", "edubuntu-wallpapers-legacy", take="*-horses *-ladybug *-lights"),
    Source(
        "training", "noble", "kubuntu-wallpapers", take="Gregorio_001 Gregorio_002 Gregorio_003"
    ),
    Source(
        "training",
        "noble",
        "lubuntu-artwork",
        take="2004-city-bridge 2004-city-sky 2104-leaves 2210-kudu-photo 2404-numbat",
    ),
    Source("training", "xenial", "lubuntu-artwork-14-04", leave="*-default-* wall"),
    Source("training", "xenial", "gnome-backgrounds", take="Bokeh_Tails Chmiri Mirror Stones"),
    Source(
        "training",
        "bionic",
        "gnome-backgrounds",
        take="ColdWarm Fabric Flowerbed Icescape Road SeaSunset Wood",
    ),
    Source(
        "held_out",
        "noble",
        "ubuntucinnamon-wallpapers-*",
        "eoan focal groovy hirsute impish jammy kinetic lunar mantic",
        leave="Ubuntu_Cinnamon* ubuntu_cinnamon_* Beerus_* Fantasy_Kudu_* Half_Dome_*"
        " Harbour_Bridge_* *_Rebecca_Ryklin Manhattan_Bridge_* *_Bledowski Ubuntu_Remixes_*",
    ),
    Source(
        "held_out",
        "noble",
        "ubuntukylin-wallpapers-*",
        "saucy trusty utopic vivid wily xenial yakkety zesty disco groovy",
        leave="Celebration-* Crystal Kylin* Melody apps-in-* bird-and-wall blue-city blue-ray"
        " bright-moon buildings-* butterflies-* chinese-knot crystal-ball dazzle-* dream-*"
        " falling-leaves fang fangkuang fantas* glare green-kylin guide-to-* hello-world"
        " illusion-wind kylin-* livingness look magic-forest* metal-* morning-light myself"
        " old-street panda parashorea-* planet-* purple-city rain-drops-* rule-of-* seasons-*"
        " secret-* shanhe sound-of-* starry-* startrek stone-dragon* sunrise-in-yadan the-chameleon"
        " the-dandelion the-three-* time-deposit tower travel-of-* twelve-* ubuntu-and-*"
        " ubuntukylin-* warty-* wings-* youker-*",
    ),
    Source(
        "held_out",
        "xenial",
        "kdeartwork-wallpapers",
        take="Aghi Autumn Beach_Reflecting_Clouds Blue_Wood City_at_Night Code_Poets_Dream"
        " Colorado_Farm Curls_on_Green Damselfly Evening Field Fields_of_Peace Finally_Summer_*"
        " Flower_drops Fresh_Morning Golden_Ripples Grass Hanami HighTide Holiday_Cactus Icy_Tree"
        " JK_Bridge_at_Night Korea Ladybuggin Leafs_Labyrinth Midnight_in_Karelia Red_Leaf"
        " Skeeter_Hawk Spring_Sunray Storm The_Rings_of_Saturn There_is_Rain_on_* Vector_Sunset"
        " Winter_Track",
    ),
    Source(
        "held_out",
        "xenial",
        "kde-wallpapers",
        take="Auros Autumn Azul Castilla_Sky Flores Flying_Field Prato",
    ),
    Source(
        "held_out",
        "noble",
        "plasma-workspace-wallpapers",
        take="ColorfulCups DarkestHour FallenLeaf Kite summer_1am",
    ),
    Source("held_out", "noble", "lomiri-wallpapers-16.04", leave="analogpattern_* umang_*"),
    Source("held_out", "noble", "lomiri-wallpapers-20.04", take="Kleiber_*"),
)
