"""How much a finding weighs: the check's own word, unless the recipe says otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from studio.curation.manifest import Finding
from studio.curation.settings import Ruling


@dataclass(frozen=True)
class Rulings:
    """The recipe's ``curation.severity``: by check, what its findings shall count for."""

    by_check: Mapping[str, Ruling]

    def weighed(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings as the recipe weighs them. Those that are off are left out; those that it
        changes say so: ``decided_by`` is ``recipe``, ``by_default`` what the check had said.
        """
        for finding in findings:
            ruling = self.by_check.get(finding.check, finding.severity)
            if ruling == finding.severity:
                yield finding
            elif ruling != "off":
                decision = {"decided_by": "recipe", "by_default": finding.severity}
                yield replace(finding, severity=ruling, evidence={**finding.evidence, **decision})

    def weighed_of_set(
        self, check: str, findings: Iterable[Finding], *, dropped_any: bool
    ) -> Iterator[Finding]:
        """As `weighed`, for what a check says of the whole set.

        Where ``block`` dropped the pictures in question, the set is mended: then what is said of it
        keeps the check's own weight, and need not stop the run.
        """
        is_mended = dropped_any and self.by_check.get(check) == "block"
        return iter(findings) if is_mended else self.weighed(findings)
