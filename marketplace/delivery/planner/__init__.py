"""Plans the common round: collect at the shops in their hours, then deliver in the promised windows.

`plan_in_child` is the planner; `plan_plainly` the plan without engines for when it fails; `violations` the rules.
Only the child process imports the engines (vroom, pyvrp): importing this package is cheap and holds no lock.
"""

from .checker import Violation, violations
from .child import PlannerFailed, plan_in_child
from .instance import InstanceUnreadable, plan_from_json, plan_to_json, problem_from_json, problem_to_json
from .plain import plan_plainly
from .problem import HomeOrder, Load, Parcel, Place, Plan, Problem, Shop, Step, Travel, Vehicle, Window
from .travel import GreatCircle

__all__ = [
    "GreatCircle",
    "HomeOrder",
    "InstanceUnreadable",
    "Load",
    "Parcel",
    "Place",
    "Plan",
    "PlannerFailed",
    "Problem",
    "Shop",
    "Step",
    "Travel",
    "Vehicle",
    "Violation",
    "Window",
    "plan_from_json",
    "plan_in_child",
    "plan_plainly",
    "plan_to_json",
    "problem_from_json",
    "problem_to_json",
    "violations",
]
