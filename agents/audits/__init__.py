"""Audits: how efficient and how fair a policy is, whatever made it."""

from agents.audits.agreement import Violations as Violations
from agents.audits.agreement import violations as violations
from agents.audits.efficiency import dominated as dominated
from agents.audits.efficiency import dominated_in as dominated_in
from agents.audits.efficiency import dominating as dominating
from agents.audits.efficiency import ex_post as ex_post
from agents.audits.efficiency import pareto as pareto
from agents.audits.efficiency import surplus as surplus
from agents.audits.envy import envy as envy
from agents.audits.frontier import improvement as improvement
from agents.audits.report import Audit as Audit
from agents.audits.report import audit as audit
from agents.audits.transfers import refused as refused
from agents.audits.transfers import reversed_by as reversed_by
