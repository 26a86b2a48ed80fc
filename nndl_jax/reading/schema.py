"""The JSON Schema of records, with the docstring of each field as its description.

Pydantic would read these from the source of every record whenever one is imported, which takes a
third of the time of a command that only looks at documents.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from types import ModuleType

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class DescribedSchema(GenerateJsonSchema):
    """What `json_schema(schema_generator=...)` takes."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The schema of one record."""
        found = super().model_schema(schema)
        record = schema["cls"]
        descriptions = _describe_fields(record)
        for name, field in record.model_fields.items():
            if name in descriptions:
                found["properties"][field.alias or name]["description"] = descriptions[name]
        return found


def _describe_fields(record: type[BaseModel]) -> dict[str, str]:
    """Docstrings of a record's fields, those that it inherits too."""
    found: dict[str, str] = {}
    for parent in reversed(record.__mro__):
        if issubclass(parent, BaseModel) and (module := inspect.getmodule(parent)) is not None:
            found |= _docstrings(module).get(parent.__qualname__, {})
    return found


@cache
def _docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    """By class and field, what stands as a text of its own below a field."""
    classes = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ClassDef)
    ]
    return {node.name: dict(_below_fields(node.body)) for node in classes}


def _below_fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, inspect.cleandoc(text)
            case _:
                continue
