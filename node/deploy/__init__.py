"""Puts the contracts on a chain and wires them; may be stopped anywhere and run again."""

from node.deploy.plan import Parameters
from node.deploy.service import DeploymentMismatch, deploy

__all__ = ["DeploymentMismatch", "Parameters", "deploy"]
