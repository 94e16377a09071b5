"""Puts the contracts on a chain, wires them and hands them to the timelock; may be stopped anywhere and run again."""

from node.deploy.choices import ROLES, Choices, Parameters
from node.deploy.service import DeploymentMismatch, Progress, deploy

__all__ = ["ROLES", "Choices", "DeploymentMismatch", "Parameters", "Progress", "deploy"]
