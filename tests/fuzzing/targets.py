"""All targets, by name."""

from collections.abc import Mapping
from itertools import chain

from fuzzing.scripts import script_targets
from fuzzing.stores import store_targets
from fuzzing.target import Target

TARGETS: Mapping[str, Target] = {each.name: each for each in chain(script_targets(), store_targets())}
