"""Bounds of a question that hold before it is looked at: what it expands to, how deep it goes, what it asks of itself.

A schema describes itself without waiting for anything, so a question about it must be small from the start: one
description, each list of it once on the way down, no second name for anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graphql import GraphQLError
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
)

DEEPEST: Final = 16
"""Of nested fields: the usual description of all types needs fifteen."""
MOST_FIELDS: Final = 400
"""Counted wherever a fragment is spread."""
MOST_ALIASES: Final = 20
TOO_LARGE: Final = {"code": "query-too-large"}
DESCRIPTIONS: Final = frozenset({"__schema", "__type"})
LISTS: Final = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
"""Lead from a type to other types."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a question a selection stands."""

    depth: int = 1
    fragments: frozenset[str] = frozenset()
    is_description: bool = False
    in_list: bool = False


def check(document: DocumentNode) -> None:
    """Raises GraphQLError where the document is out of bounds."""
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    count = _Count(fragments)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            if definition.operation is not OperationType.QUERY:
                raise GraphQLError("the ledger can only be read", definition)
            count.walk(definition.selection_set)


class _Count:
    """What all operations of one document come to."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._nodes = 0
        self._aliases = 0
        self._descriptions = 0

    def walk(self, chosen: SelectionSetNode) -> None:
        """Visits every selection with fragments expanded; ends at the first that is too much."""
        open_sets = [(chosen, _Place())]
        while open_sets:
            selection_set, place = open_sets.pop()
            for node in selection_set.selections:
                below = self._below(node, place)
                if below is not None:
                    open_sets.append(below)

    def _below(self, node: SelectionNode, place: _Place) -> tuple[SelectionSetNode, _Place] | None:
        self._nodes += 1
        if self._nodes > MOST_FIELDS or place.depth > DEEPEST:
            raise _too_large(f"at most {DEEPEST} levels and {MOST_FIELDS} fields, fragments included", node)
        if isinstance(node, FieldNode):
            inner = self._field(node, place)
            return None if node.selection_set is None else (node.selection_set, inner)
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name in place.fragments:
                raise _too_large(f"the fragment {name} contains itself", node)
            if name not in self._fragments:
                return None  # which validation tells
            seen = place.fragments | {name}
            return self._fragments[name].selection_set, _Place(place.depth, seen, place.is_description, place.in_list)
        inline: SelectionSetNode = node.selection_set  # type: ignore[attr-defined]
        return inline, place

    def _field(self, node: FieldNode, place: _Place) -> _Place:
        name = node.name.value
        is_description, in_list = place.is_description, place.in_list
        if node.alias is not None:
            self._aliases += 1
            if is_description or self._aliases > MOST_ALIASES:
                raise _too_large(f"at most {MOST_ALIASES} aliases, and none in the schema's description", node)
        if name in DESCRIPTIONS:
            is_description = True
            self._descriptions += 1
            if self._descriptions > 1:
                raise _too_large("one __schema or __type in a question", node)
        elif is_description and name in LISTS:
            if in_list:
                raise _too_large(f"{name} below another list of the schema's description", node)
            in_list = True
        return _Place(place.depth + 1, place.fragments, is_description, in_list)


def _too_large(text: str, node: SelectionNode) -> GraphQLError:
    return GraphQLError(text, node, extensions=TOO_LARGE)
