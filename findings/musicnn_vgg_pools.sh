#!/usr/bin/env bash
# The package musicnn 0.1.0 builds another network than the one whose weights it ships. The graph beside the weights of
# MSD_vgg pools by 4x1 and then 1x4; models.py, which builds the network for both vggs, pools by 4x1 at steps of 2x2 and
# then 2x2, as MTT_vgg was trained. A pool has no weights, so the checkpoint of MSD_vgg is restored without a word and its
# tags are those of a network that nobody trained.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorboard==2.20.0 2> /dev/null
"$folder/env/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" musicnn==0.1.0 2> /dev/null
"$folder/env/bin/python" - "$folder"/musicnn-0.1.0-*.whl <<'PY'
import re
import sys
import zipfile
from tensorboard.compat.proto import meta_graph_pb2

def pools(content):
    """Rows and columns of each pool and of its steps."""
    graph = meta_graph_pb2.MetaGraphDef()
    graph.ParseFromString(content)
    nodes = [node for node in graph.graph_def.node if node.op == "MaxPool"]
    return [tuple(list(node.attr[key].list.i)[1:3] for key in ("ksize", "strides")) for node in nodes]

with zipfile.ZipFile(sys.argv[1]) as wheel:
    source = wheel.read("musicnn/models.py").decode()
    graphs = {name: pools(wheel.read(f"musicnn/{name}/.meta")) for name in ("MSD_vgg", "MTT_vgg")}
body = source[source.index("def vgg("):]
pairs = re.findall(r"pool_size=\[(\d+), (\d+)\], strides=\[(\d+), (\d+)\]", body)[:5]
code = [([int(a), int(b)], [int(c), int(d)]) for a, b, c, d in pairs]
print("musicnn 0.1.0; size and step of each pool")
print("models.py:", *code)
for name, graph in graphs.items():
    print(f"{name}:  ", *graph)
sys.exit(not (code == graphs["MTT_vgg"] != graphs["MSD_vgg"]))
PY
