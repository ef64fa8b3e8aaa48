"""What measure-fit-gpu.sh does; see there. Of the standard library only."""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

from fit_shapes import SHAPES

# What the project promises.
MOST_OFF_SHARE, MOST_OFF_MIB, MOST_LEDGER_SHARE, MOST_REFUSAL_SECONDS = 0.10, 300, 0.02, 0.050
REFUSALS = 9
HUGE_CONTEXT = 500_000_000
# So many tokens of a prompt show what a model takes beyond its load.
PROMPT_TOKENS = 4096


class HotModel:
    """One hotmodel with a state directory of its own."""

    def __init__(self, options, name, models, server="", router=""):
        self.folder = os.path.join(options.folder, name)
        os.makedirs(self.folder)
        self.port = free_port()
        lines = [f"[server]\nport = {self.port}\nstate_path = \"state/state.json\"\ngpu_settle_timeout_seconds = 20\n{server}",
                 "[snapshots]\nenabled = false", f"[llama]\nbinary = \"{options.server}\"", f"[router]\nport = 0\n{router}"]
        for model, (path, context) in models.items():
            lines.append(f"[models.{model}]\npath = \"{path}\"\nctx_size = {context}\ngpu_layers = {options.gpu_layers}")
        config = os.path.join(self.folder, "hotmodel.toml")
        with open(config, "w") as file:
            file.write("\n".join(lines) + "\n")
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen([options.hotmodel, "serve", "--config", config], stderr=self.log)
        for _ in range(200):
            try:
                if self.send("GET", "/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"hotmodel did not start: {self.tail()}")

    def send(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=900)
        try:
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def switch(self, model):
        status, report = self.send("POST", "/admin/switch", {"model": model})
        if status != 200:
            raise SystemExit(f"the switch to {model} failed: {report}\n{self.tail()}")
        return report

    def plan(self, model):
        status, plan = self.send("POST", "/admin/switch", {"model": model, "dry_run": True})
        if status != 200:
            raise SystemExit(f"no plan for {model}: {plan}")
        return plan

    def tail(self):
        with open(self.log.name) as file:
            return "".join(file.readlines()[-15:])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def gpus(plan):
    return [device for device in plan["devices"] if device["device"] != "cpu"]


def total(plan, field):
    """Of all GPUs; None where there is none."""
    values = [device[field] for device in gpus(plan)]
    return sum(values) if values and None not in values else None


def taken(report):
    """By NVML's readings around the load, all devices together; None without a device."""
    memory = report["gpu_memory"]
    before, after = memory["after_settle"]["total_mb"], memory["after_load"]["total_mb"]
    return None if before is None or after is None else after - before


def refusals(hotmodel, active):
    plan = hotmodel.plan("huge")
    # Tried, it could take all of the machine's memory.
    if plan["fits"] is not False:
        raise SystemExit(f"a context of {HUGE_CONTEXT} would not be refused: {plan}")
    seconds = []
    for _ in range(REFUSALS):
        began = time.perf_counter()
        status, answer = hotmodel.send("POST", "/admin/switch", {"model": "huge"})
        seconds.append(time.perf_counter() - began)
        if status != 409 or answer["error"]["code"] != "does_not_fit":
            raise SystemExit(f"a context of {HUGE_CONTEXT} was not refused: {status} {answer}")
    state = hotmodel.send("GET", "/admin/state")[1]
    if (state["active_model"], state["phase"]) != (active, "ready"):
        raise SystemExit(f"a refusal touched the active model: {state}")
    chat(hotmodel, "are you there", 1)
    return statistics.median(seconds), answer["error"]["message"]


def chat(hotmodel, content, tokens):
    body = {"max_tokens": tokens, "messages": [{"role": "user", "content": content}]}
    status, answer = hotmodel.send("POST", "/v1/chat/completions", body)
    if status != 200:
        raise SystemExit(f"a chat failed: {answer}")


def measure(options, number, name, small):
    write, layers = SHAPES[name]
    path = os.path.join(options.folder, f"shape-{number}.gguf")
    write(path, options.layers or layers, options.context)
    models = {"shape": (path, options.context), "small": (small, 4096), "huge": (path, HUGE_CONTEXT)}
    hotmodel = HotModel(options, f"serve-{number}", models)
    try:
        first = total(hotmodel.plan("shape"), "needed_mb")
        hotmodel.switch("small")
        learnt = total(hotmodel.plan("shape"), "needed_mb")
        measured = taken(hotmodel.switch("shape"))
        before = total(hotmodel.plan("small"), "free_mb")
        # A letter and a blank, which these vocabularies know as three bytes.
        chat(hotmodel, "a " * (min(PROMPT_TOKENS, options.context // 2) // 4), 1)
        after = total(hotmodel.plan("small"), "free_mb")
        hotmodel.switch("small")
        known = hotmodel.plan("shape")
        again = taken(hotmodel.switch("shape"))
        median, message = refusals(hotmodel, "shape")
        return {
            "name": name, "bytes": os.path.getsize(path), "first": first, "learnt": learnt, "measured": measured,
            "grown": None if before is None else before - after, "ledger": total(known, "needed_mb"), "again": again,
            "sources": [device["source"] for device in gpus(known)], "refusal": median, "message": message,
        }
    finally:
        hotmodel.stop()
        os.remove(path)


def shown(value):
    return "-" if value is None else str(value)


def off(estimate, truth):
    """With its sign, and whether it is within what is promised."""
    if estimate is None or not truth:
        return "-", True
    difference = estimate - truth
    return f"{difference:+d} ({difference / truth:+.1%})", abs(difference) <= max(MOST_OFF_SHARE * truth, MOST_OFF_MIB)


def main():
    parser = argparse.ArgumentParser(prog="measure-fit-gpu.sh")
    for place in ("hotmodel", "server", "folder"):
        parser.add_argument(place, help=argparse.SUPPRESS)
    parser.add_argument("--context", type=int, default=32768)
    parser.add_argument("--gpu-layers", type=int, default=999)
    parser.add_argument("--layers", type=int)
    options = parser.parse_args()
    small = os.path.join(options.folder, "small.gguf")
    SHAPES["dense"][0](small, 2, 4096)
    rows = []
    for number, name in enumerate(SHAPES):
        began = time.monotonic()
        rows.append(measure(options, number, name, small))
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"ctx_size {options.context}, gpu_layers {options.gpu_layers}; MiB of all GPUs. Measured: NVML after the load "
          "less before it. Refused: the median of "
          f"{REFUSALS} switches to ctx_size {HUGE_CONTEXT}, while the model stayed loaded and answered after them.\n")
    print("| shape | file MB | estimate, nothing loaded before | off | estimate, another model loaded before | off "
          f"| measured | more after {PROMPT_TOKENS} tokens | ledger | second load | off | refused in ms |")
    print("|" + "---|" * 12)
    missed = []
    for row in rows:
        first, first_holds = off(row["first"], row["measured"])
        learnt, learnt_holds = off(row["learnt"], row["measured"])
        ledger = off(row["ledger"], row["again"])[0]
        print(f"| {row['name']} | {row['bytes'] // 1000000} | {shown(row['first'])} | {first} | {shown(row['learnt'])} | {learnt} "
              f"| {shown(row['measured'])} | {shown(row['grown'])} | {shown(row['ledger'])} | {shown(row['again'])} | {ledger} "
              f"| {row['refusal'] * 1000:.1f} |")
        if not (first_holds and learnt_holds):
            missed.append(f"{row['name']}: the estimate")
        if row["again"] and (set(row["sources"]) != {"ledger"}
                             or abs(row["ledger"] - row["again"]) > MOST_LEDGER_SHARE * row["again"]):
            missed.append(f"{row['name']}: the ledger")
        if row["refusal"] > MOST_REFUSAL_SECONDS:
            missed.append(f"{row['name']}: the refusal")
    print(f"\nA refusal: {rows[-1]['message']}")
    measured = all(row["measured"] for row in rows)
    print(f"\nEstimates within 10 % or 300 MiB, the ledger within 2 %, refusals below 50 ms: "
          f"{'NO: ' + ', '.join(missed) if missed else 'yes' if measured else 'yes, without a GPU'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
