"""`python -m nndl_jax.documents` prints the JSON Schema of documents."""

import json
import sys

from nndl_jax.documents import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
