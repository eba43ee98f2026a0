"""One line for each document: `schemathesis <name>: <operations>, <cases>, <failures>, <time>`.

Ends with 1 where there is a failure, where a call was not tested, or where the
shared instance got lost on the way, so that what was tested was no instance.
"""

import json
import os
import sys
import urllib.request

# Calls that schemathesis.toml leaves out: the endless stream.
LEFT_OUT = {"native": 1}

name, path = sys.argv[1:]
with open(os.environ["LABELWIRE_CARD"], encoding="utf-8") as file:
    card = json.load(file)
try:
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
except FileNotFoundError:
    print(f"schemathesis {name}: but it did not run")
    sys.exit(1)

operations, cases = report["operations"], report["test_cases"]
errors = len(report["errors"])
wrong = []
missing = operations["total"] - LEFT_OUT.get(name, 0) - operations["tested"]
if missing:
    wrong.append(f"{missing} operations were not tested")
if errors:
    wrong.append(f"{errors} errors")
if not report["complete"]:
    wrong.append("it did not end")
request = urllib.request.Request(
    f"{card['base_url']}/v1/instances/{card['instance']}",
    headers={"Authorization": f"Bearer {card['account_token']}"},
)
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        state = json.load(answer)["state"]
except OSError as error:
    state = str(error)
if state != "connected":
    wrong.append(f"the shared instance is lost ({state})")
if not wrong and not cases["unique_failures"] and report["exit_code"]:
    wrong.append(f"it ended with {report['exit_code']}")

line = (
    f"schemathesis {name}: {operations['tested']} operations, {cases['generated']} cases, "
    f"{cases['unique_failures']} failures, {report['running_time']:.0f} s"
)
print(line + "".join(f", but {words}" for words in wrong))
sys.exit(bool(wrong or cases["unique_failures"]))
