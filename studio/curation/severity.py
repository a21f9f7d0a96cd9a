"""How much a finding weighs: the check's own word, unless the recipe says otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from studio.curation.manifest import Finding, Severity
from studio.curation.settings import Ruling


@dataclass(frozen=True)
class Rulings:
    """The recipe's ``curation.severity``: by check, what its findings shall count for."""

    by_check: Mapping[str, Ruling]

    def weighed(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings as the recipe weighs them. Those that are off are left out; those that it
        changes say so: ``decided_by`` is ``recipe``, ``by_default`` what the check had said.

        Of copies, off means a remark: who divides the set must know of them.
        """
        for finding in findings:
            ruling = self.by_check.get(finding.check, finding.severity)
            if ruling != "off":
                yield _weighing(finding, ruling)
            elif "twin" in finding.evidence:
                yield _weighing(finding, "info")

    def weighed_of_set(
        self, check: str, findings: Iterable[Finding], *, dropped_any: bool
    ) -> Iterator[Finding]:
        """As `weighed`, for what a check says of the whole set.

        Where ``block`` dropped the pictures in question the set is mended: what is said of it is
        a warning at most, and does not stop the run.
        """
        if dropped_any and self.by_check.get(check) == "block":
            return (_weighing(f, "info" if f.severity == "info" else "warn") for f in findings)
        return self.weighed(findings)


def _weighing(finding: Finding, severity: Severity) -> Finding:
    if severity == finding.severity:
        return finding
    decision = {"decided_by": "recipe", "by_default": finding.severity}
    return replace(finding, severity=severity, evidence={**finding.evidence, **decision})
