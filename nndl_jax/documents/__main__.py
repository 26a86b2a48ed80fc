"""`python -m nndl_jax.schema` prints the JSON Schema of documents."""

import json
import sys

from nndl_jax.schema import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
