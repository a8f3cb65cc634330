"""Queries the monitor at the given URL with prometheus-api-client; see python_client.sh."""

import json
import sys
import time
import urllib.request
from datetime import datetime, timedelta

from prometheus_api_client import PrometheusConnect

server = sys.argv[1]


def add(name, url):
    body = json.dumps({"name": name, "group": "core", "url": url}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{server}/v1/services", body, headers)).read()


# The monitor probes itself, and a port that nothing listens on.
add("good", f"{server}/v1/_internal/health")
add("bad", "http://127.0.0.1:1/")
client = PrometheusConnect(url=server)
assert client.check_prometheus_connection()
deadline = time.monotonic() + 30
while len(client.custom_query("count_over_time(probe_success[1h]) > 5")) < 2:
    assert time.monotonic() < deadline, "no results"
    time.sleep(0.2)

names = client.all_metrics()
assert {"probe_success", "service_up", "process_start_time_seconds"} <= set(names), names
now = client.get_current_metric_value("probe_success", label_config={"group": "core"})
values = {one["metric"]["name"]: one["value"][1] for one in now}
assert values == {"good": "1", "bad": "0"}, now
start, end = datetime.now() - timedelta(minutes=5), datetime.now()
ranged = client.get_metric_range_data("probe_duration_seconds", None, start, end)
assert len(ranged) == 2 and all(len(one["values"]) > 2 for one in ranged), ranged
steps = client.custom_query_range("avg by (group) (probe_success)", start, end, "1s")
assert steps[0]["metric"] == {"group": "core"}, steps
assert client.get_label_values("name") == ["bad", "good"]
assert "service_id" in client.get_label_names()
assert len(client.get_series(start, end, {"match[]": "probe_success"})) == 2
assert client.get_metric_metadata("probe_success")[0]["type"] == "gauge"
print(f"prometheus-api-client: {len(names)} metrics, all calls answered")
