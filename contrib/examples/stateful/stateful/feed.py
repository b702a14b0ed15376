import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig


@dataclass
class Feed(dg.StateBackedComponent, dg.Resolvable):
    """One asset per table of the stored state; refreshing adds a table."""

    defs_state: ResolvedDefsStateConfig = field(
        default_factory=DefsStateConfigArgs.versioned_state_storage)

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig.from_args(self.defs_state, default_key="feed")

    def write_state_to_path(self, state_path: Path) -> None:
        state_path.write_text(json.dumps(["first", f"at_{int(time.time())}"]))

    def build_defs_from_state(self, context, state_path):
        tables = json.loads(state_path.read_text()) if state_path else ["first"]
        return dg.Definitions(assets=[dg.AssetSpec(key=table) for table in tables])
