"""Numbers of a document that float32 would make others of."""

from struct import pack, unpack

from annotated_types import Gt, Lt
from pydantic.fields import FieldInfo

from nndl_jax.reading.record import Record, fault

SMALLEST = 2.0**-126
"""The least positive number that all devices compute with."""


def check_float32(value: object, at: tuple[str | int, ...]) -> None:
    """Refuse a number that is 0, infinite or no longer within its bounds in float32.

    Args:
        value: a record, or what it holds.
        at: where that stands in the record whose validator asks.
    """
    match value:
        case Record():
            for name, field in type(value).model_fields.items():
                inner = getattr(value, name)
                check_float32(inner, (*at, name))
                if isinstance(inner, float):
                    _check_bounds(inner, field, (*at, name))
        case tuple():
            for index, inner in enumerate(value):
                check_float32(inner, (*at, index))
        case float() if 0 < abs(value) < SMALLEST:
            message = f"is 0 in float32, got {value:g}; the least number is {SMALLEST:.2g}"
            raise fault(at, f"{message}, or less if training.dtype is float64")
        case float() if abs(value) > _LARGEST:
            message = f"is infinite in float32, got {value:g}; the largest number is {_LARGEST:.2g}"
            raise fault(at, f"{message}, or more if training.dtype is float64")
        case _:
            pass


_LARGEST = (2 - 2.0**-23) * 2.0**127


def _check_bounds(value: float, field: FieldInfo, at: tuple[str | int, ...]) -> None:
    """Refuse a number that float32 rounds to a bound that it must not reach."""
    (rounded,) = unpack("f", pack("f", value))
    for limit in field.metadata:
        match limit:
            case Gt(gt=bound):
                sign = ">"
            case Lt(lt=bound):
                sign = "<"
            case _:
                continue
        if rounded == bound:
            message = f"must be {sign} {bound:g} in float32 as well, got {value!r}"
            raise fault(at, f"{message}; move it away, or make training.dtype float64")
