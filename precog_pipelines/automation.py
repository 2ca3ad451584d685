"""When assets materialise by themselves: after what they are made from, once its checks passed."""

import dagster as dg

DOWNSTREAM = dg.AutomationCondition.eager() & (
    dg.AutomationCondition.all_deps_blocking_checks_passed()
)
"""Partition by partition, as soon as the same partition upstream is new."""

DOWNSTREAM_OF_ANY_PARTITION = (
    dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)
"""As soon as any partition upstream is new. Seasons that a source does not have stay missing for
ever and must not hold up what is made from the others."""
