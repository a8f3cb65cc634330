"""Checks the files of deploy/ for containers; tests/deploy.sh calls it.

- Compose files and Kubernetes resources fit the schemas.
- They set only variables that .env.example describes, and compose files use those of env.example.
- Selectors and named ports of services are those of pods.
- Pods fit the profile "restricted" of the Pod Security Standards, but for what a schema checks.
- Each layout of Kubernetes is complete, and kubectl builds it, if kubectl is installed.
- Caddy accepts its configuration.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import yaml

SCHEMAS = Path("target/tools/schemas")
COMPOSE = Path("deploy/compose")
KUBERNETES = Path("deploy/kubernetes")
# An old version that clusters may still have, and the newest one of the wheel.
KUBERNETES_VERSIONS = ["1.30.0", "1.37.0"]

# Variables of the images of PostgreSQL and Caddy.
FOREIGN = {"postgres": re.compile(r"POSTGRES_\w+|PGDATA"), "caddy": re.compile(r"SITE")}

problems = []
# By "FILE: KIND NAME": the labels that a resource selects.
selectors = {}
# The labels of each kind of pods, and the names of their ports.
pods = []


def schema_files(wheel):
    """Opens the wheel that `wheel`, a pattern, matches."""
    (path,) = SCHEMAS.glob(wheel)
    return zipfile.ZipFile(path)


def errors(schema, value, resolver=None):
    """The places of `value` that do not fit `schema`, and why."""
    validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
    for error in validator.iter_errors(value):
        place = ".".join(str(part) for part in error.absolute_path)
        yield f"{place}: {error.message[:300]}"


def variables_of_the_program():
    text = Path(".env.example").read_text()
    return set(re.findall(r"^#([A-Z][A-Z_]+)=", text, re.MULTILINE))


def check_variables(where, image, names):
    """Whether the program, or the other program of `image`, has the variables."""
    foreign = FOREIGN.get(image.split(":")[0])
    for name in names:
        if foreign is not None:
            if not foreign.fullmatch(name):
                problems.append(f"{where}: unknown variable {name} of the image {image}")
        elif name not in variables_of_the_program():
            problems.append(f"{where}: .env.example has no variable {name}")


# Compose


def check_compose():
    with schema_files("check_jsonschema-*.whl") as wheel:
        name = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
        schema = json.loads(wheel.read(name))
    example = (COMPOSE / "env.example").read_text()
    documented = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    used = set()
    files = sorted(COMPOSE.glob("*.yaml"))
    for file in files:
        text = file.read_text()
        used |= set(re.findall(r"\$\{([A-Z_]+)", text))
        value = yaml.safe_load(text)
        problems.extend(f"{file}: {error}" for error in errors(schema, value))
        for name, service in value["services"].items():
            check_variables(f"{file}: {name}", service.get("image", ""),
                            service.get("environment", {}))
    if used != documented:
        problems.append(f"{COMPOSE}/env.example has {documented}, used are {used}")
    return len(files)


def check_caddy():
    files = sorted(COMPOSE.glob("*Caddyfile"))
    for file in files:
        command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(file)]
        run = subprocess.run(command, capture_output=True, text=True,
                             env={**os.environ, "SITE": "monitor.example.org"})
        if run.returncode != 0 or "not formatted" in run.stderr:
            problems.append(f"{file}: {run.stderr.strip().splitlines()[-1]}")
    return len(files)


# Kubernetes


def kubernetes_schemas():
    """By version: a function that gives the schema of a kind, and the resolver of its parts."""
    prefix = "kubernetes_validate/kubernetes-json-schema"
    wheel = schema_files("kubernetes_validate-*.whl")

    def of(version):
        folder = f"{prefix}/v{version}-local-strict"
        definitions = json.loads(wheel.read(f"{folder}/_definitions.json"))

        def of_kind(value):
            # As the files are named: apps/v1 is apps-v1, networking.k8s.io/v1 is networking-v1.
            version = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", value["apiVersion"])
            schema = json.loads(wheel.read(f"{folder}/{value['kind'].lower()}-{version}.json"))
            resolver = jsonschema.RefResolver.from_schema(
                schema, store={definitions["$id"]: definitions})
            return schema, resolver

        return of_kind

    return {version: of(version) for version in KUBERNETES_VERSIONS}


def check_resource(where, value, schemas):
    for version, of_kind in schemas.items():
        schema, resolver = of_kind(value)
        problems.extend(f"{where}, Kubernetes {version}: {error}"
                        for error in errors(schema, value, resolver))
    where = f"{where}: {value['kind']} {value['metadata']['name']}"
    if value["kind"] == "ConfigMap":
        check_variables(where, "service-healthcheck", value["data"])
    spec = value.get("spec", {})
    selector = spec.get("selector", spec.get("podSelector"))
    if selector is not None:
        ports = {port.get("targetPort") for port in spec.get("ports", [])}
        selectors[where] = (selector.get("matchLabels", selector), ports)
    if "template" in spec:
        pod = spec["template"]["spec"]
        ports = {port["name"] for container in pod["containers"] for port in container["ports"]}
        pods.append((spec["template"]["metadata"]["labels"], ports))
        check_pod(where, pod)


def check_selectors():
    for where, (labels, ports) in selectors.items():
        if not any(labels.items() <= pod.items() and ports <= names for pod, names in pods):
            problems.append(f"{where}: no pod has {labels} and the ports {ports}")


def check_pod(where, pod):
    """The Pod Security Standard "restricted", without a service account and with probes."""

    def must(condition, what):
        if not condition:
            problems.append(f"{where}: expected {what}")

    security = pod["securityContext"]
    must(security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0,
         "runAsNonRoot and runAsUser")
    must(security.get("seccompProfile") == {"type": "RuntimeDefault"}, "a seccomp profile")
    must(pod.get("automountServiceAccountToken") is False, "no token of a service account")
    must(not any(pod.get(name) for name in ["hostNetwork", "hostPID", "hostIPC"]),
         "no namespaces of the host")
    for volume in pod.get("volumes", []):
        must("hostPath" not in volume, "no hostPath")
    for container in pod["containers"] + pod.get("initContainers", []):
        security = container["securityContext"]
        must(security.get("allowPrivilegeEscalation") is False, "allowPrivilegeEscalation: false")
        must(security.get("readOnlyRootFilesystem") is True, "readOnlyRootFilesystem: true")
        must(security.get("capabilities") == {"drop": ["ALL"]}, "no capabilities")
        must(not security.get("privileged"), "no privileged container")
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
            must(probe in container, f"a {probe}")
        resources = container.get("resources", {})
        must("memory" in resources.get("limits", {}), "a limit of memory")
        must({"cpu", "memory"} <= resources.get("requests", {}).keys(), "requests")
        check_variables(where, container["image"],
                        [variable["name"] for variable in container.get("env", [])])


def check_kubernetes():
    schemas = kubernetes_schemas()
    checked = 0
    layouts = sorted(path.parent for path in KUBERNETES.glob("*/kustomization.yaml"))
    for folder in layouts:
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        files = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
        if files != {name for name in listed if not name.startswith("../")}:
            problems.append(f"{folder}/kustomization.yaml lists {listed}, the folder has {files}")
        for name in sorted(files):
            for value in yaml.safe_load_all((folder / name).read_text()):
                check_resource(folder / name, value, schemas)
                checked += 1
    if shutil.which("kubectl") is None:
        print("kubectl is not installed: kustomizations are not built")
        layouts = []
    for folder in layouts:
        run = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
        if run.returncode != 0 or run.stderr:
            problems.append(f"{folder}: {run.stderr}")
        for value in yaml.safe_load_all(run.stdout):
            check_resource(f"{folder}, built", value, schemas)
    check_selectors()
    return checked


def main():
    print(f"{check_compose()} compose files, {check_caddy()} configurations of Caddy, "
          f"{check_kubernetes()} resources of Kubernetes")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
