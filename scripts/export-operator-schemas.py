"""
Writes src/models/cost/rules/operator-schemas.json: attributes and inputs of every operator that the rules count,
over all versions of ONNX's operator sets and of ONNX Runtime's com.microsoft, from the Python packages onnx and
onnxruntime. Run it when either has a new version; the test of the rules then says what they do not know yet.
"""

import json
import pathlib

import onnx.defs
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

target = pathlib.Path(__file__).parent.parent / "src/models/cost/rules/operator-schemas.json"


def add(operators, schema):
    prefix = f"{schema.domain}." if schema.domain else ""
    entry = operators.setdefault(prefix + schema.name, {"attributes": set(), "inputs": 0})
    entry["attributes"] |= set(schema.attributes)
    variadic = any(str(given.option).endswith("Variadic") for given in schema.inputs)
    entry["inputs"] = None if variadic or entry["inputs"] is None else max(entry["inputs"], len(schema.inputs))


operators = {}
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "":
        add(operators, schema)
for schema in runtime.get_all_operator_schema():
    if schema.domain == "com.microsoft":
        add(operators, schema)

content = {
    "versions": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    "operators": {
        name: {"attributes": sorted(entry["attributes"]), "inputs": entry["inputs"]}
        for name, entry in sorted(operators.items())
    },
}
lines = [f'    {json.dumps(name)}: {json.dumps(entry)}' for name, entry in content["operators"].items()]
target.write_text(
    '{\n  "versions": ' + json.dumps(content["versions"]) + ',\n  "operators": {\n' + ",\n".join(lines) + "\n  }\n}\n"
)
