"""The parts of deploy/check that compare files with each other. Needs Python 3; PyYAML for the manifests."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
CRATES = HERE.parent / "crates"
DASHBOARD = HERE / "grafana/tidings.json"
# crates/app/src/runtime.rs, STOP_AFTER_DRAIN.
AFTER_DRAIN_SECONDS = 15
DEFAULT_DRAIN_SECONDS = 30
# What Grafana puts in for its variables.
VARIABLES = {"$job": "tidings", "$provider": ".*", "$__rate_interval": "1m"}


def texts():
    return {path: path.read_text() for path in sorted(HERE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts}


def environment():
    """Every option that a file names exists: a misspelt one would be ignored in silence."""
    known = set(re.findall(r"^#([A-Z_]+)=", (HERE / "env.example").read_text(), re.M))
    for path, text in texts().items():
        for name in sorted(set(re.findall(r"\bTIDINGS_[A-Z_]+\b", text)) - known):
            yield f"{path.relative_to(HERE)}: {name} is no option of env.example"


def metrics():
    """Every metric that an alert, a panel or an autoscaler asks for is made by the program."""
    source = "".join(path.read_text() for path in CRATES.rglob("src/**/*.rs"))
    made = set(re.findall(r'"((?:tidings|process)_[a-z_]+)"', source))
    for path in [DASHBOARD, HERE / "prometheus/tidings.rules.yml", HERE / "kubernetes/keda/workers.yaml"]:
        for name in sorted(set(re.findall(r"\b(?:tidings|process)_[a-z_]+(?=[{\[\s)\\\"])", path.read_text()))):
            base = re.sub(r"(_bucket|_sum|_count)$", "", name)
            # The library puts the unit and `_total` behind the name that the program gives.
            if not {name, base, re.sub(r"(_total|_seconds)$", "", base)} & made:
                yield f"{path.relative_to(HERE)}: no crate makes {name}"


def grace():
    """Who stops a process waits for its drain."""
    drains = {"compose.yaml": "TIDINGS_DRAIN_SECONDS: (\\d+)", "kubernetes/base/config.yaml": 'TIDINGS_DRAIN_SECONDS: "(\\d+)"'}
    drain = {file: int(re.search(pattern, (HERE / file).read_text())[1]) for file, pattern in drains.items()}
    patience = [("compose.yaml", r"<<: .tidings|stop_grace_period: (\d+)s", drain["compose.yaml"])]
    patience += [(f"systemd/{unit.name}", r"^TimeoutStopSec=(\d+)$", DEFAULT_DRAIN_SECONDS) for unit in (HERE / "systemd").glob("*.service")]
    roles = ["web", "dispatcher", "worker", "intake"]
    patience += [(f"kubernetes/base/{role}.yaml", r"terminationGracePeriodSeconds: (\d+)", drain["kubernetes/base/config.yaml"]) for role in roles]
    for file, pattern, seconds in patience:
        waits = [int(found) for found in re.findall(pattern, (HERE / file).read_text(), re.M) if found]
        if not waits or waits[0] <= seconds + AFTER_DRAIN_SECONDS:
            yield f"{file}: waits {waits} s, but the drain may take {seconds} + {AFTER_DRAIN_SECONDS}"


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def queries():
    """Title, legend, and the query as Grafana would send it."""
    for panel in panels():
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            yield panel["title"], target["legendFormat"], query


def dashboard():
    """Panels have numbers of their own and do not lie on each other."""
    taken, numbers = {}, set()
    for panel in panels():
        at, title = panel["gridPos"], panel["title"]
        if panel["id"] in numbers:
            yield f"two panels have the number {panel['id']}"
        numbers.add(panel["id"])
        if at["x"] + at["w"] > 24:
            yield f"{title} is wider than the screen"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if taken.setdefault(cell, title) != title:
                yield f"{title} lies on {taken[cell]}"
                break


def promql():
    """promtool reads the dashboard's queries, as recording rules."""
    rules = [{"record": f"dashboard:query:{number}", "expr": query} for number, (_, _, query) in enumerate(queries())]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "dashboard.yml")
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    if done.returncode:
        yield done.stdout + done.stderr


def ask(address):
    """Each query of the dashboard against a Prometheus that scrapes Tidings: says how many series answer; refused ones are errors."""
    for title, legend, query in queries():
        url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            found = json.load(urllib.request.urlopen(url))["data"]["result"]
        except urllib.error.HTTPError as error:
            yield f"{title}: {error.read().decode()}"
            continue
        print(f"    {len(found):3} series  {title}, {legend or 'one number'}")


def manifests():
    """What one manifest says of another is so: names, labels, ports, files; and each pod keeps to the namespace's rules."""
    import yaml

    base = HERE / "kubernetes/base"
    listed = set(yaml.safe_load((base / "kustomization.yaml").read_text())["resources"])
    there = {path.name for path in base.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    if listed != there:
        yield f"kustomization.yaml lists {sorted(listed ^ there)} differently from the folder"
    found = [item for path in sorted(base.glob("*.yaml")) for item in yaml.safe_load_all(path.read_text()) if item]
    named = {(item["kind"], item["metadata"]["name"]) for item in found if "name" in item.get("metadata", {})}
    pods = {item["metadata"]["name"]: item["spec"]["template"] for item in found if item["kind"] in ("Deployment", "Job")}
    for name, pod in pods.items():
        yield from pod_refers(name, pod, named)
    for item in found:
        yield from selects(item, pods, found)


def pod_refers(name, pod, named):
    spec = pod["spec"]
    if ("ServiceAccount", spec["serviceAccountName"]) not in named:
        yield f"{name}: no ServiceAccount {spec['serviceAccountName']}"
    if not spec["securityContext"]["runAsNonRoot"] or spec["securityContext"]["seccompProfile"]["type"] != "RuntimeDefault":
        yield f"{name}: not restricted"
    for volume in spec["volumes"]:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and ("PersistentVolumeClaim", claim) not in named:
            yield f"{name}: no PersistentVolumeClaim {claim}"
    for container in spec["containers"]:
        for source in container["envFrom"]:
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in source and (kind, source[key]["name"]) not in named:
                    yield f"{name}: no {kind} {source[key]['name']}"
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container and container[probe]["httpGet"]["port"] not in ports:
                yield f"{name}: {probe} asks a port that is not there"
        if not {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in spec["volumes"]}:
            yield f"{name}: mounts a volume that is not there"


def selects(item, pods, found):
    spec, name = item.get("spec", {}), f"{item['kind']} {item.get('metadata', {}).get('name')}"
    wanted = {"Service": spec.get("selector"), "PodDisruptionBudget": (spec.get("selector") or {}).get("matchLabels"),
              "Deployment": (spec.get("selector") or {}).get("matchLabels"),
              "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels")}.get(item["kind"])
    if wanted and "nobody" not in wanted.values():
        chosen = [pod for pod in pods.values() if wanted.items() <= pod["metadata"]["labels"].items()]
        if not chosen:
            yield f"{name} selects no pod"
        ports = {port["name"] for pod in chosen for box in pod["spec"]["containers"] for port in box.get("ports", [])}
        asked = [port["targetPort"] for port in spec.get("ports", []) if item["kind"] == "Service"]
        asked += [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
        for port in asked:
            if port not in ports:
                yield f"{name}: no selected pod has the port {port}"
    if item["kind"] == "Ingress":
        services = {other["metadata"]["name"] for other in found if other["kind"] == "Service"}
        for path in spec["rules"][0]["http"]["paths"]:
            if path["backend"]["service"]["name"] not in services:
                yield f"{name}: no Service {path['backend']['service']['name']}"


def main():
    what, *arguments = sys.argv[1:]
    wrong = list(globals()[what](*arguments))
    for line in wrong:
        print(f"    {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    os.chdir(HERE)
    sys.exit(main())
