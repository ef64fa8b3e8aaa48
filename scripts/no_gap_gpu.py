"""What measure-no-gap-gpu.sh does; see there. Of the standard library only."""

import argparse
import http.client
import json
import os
import statistics
import sys
import threading
import time

from fit_gpu import HotModel, shown, total
from fit_shapes import SHAPES

# What the project promises of the ledger and of the estimate.
MOST_ABOVE_SHARE, MOST_ABOVE_MIB = 0.02, 300
TOKENS = 48
REST_SECONDS = 2
EMPTY_SECONDS = 120


class Client(threading.Thread):
    """Streams one answer after the other."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.port, self.number, self.done = port, number, threading.Event()
        self.answers, self.problems = [], []

    def run(self):
        while not self.done.is_set():
            try:
                self.answer()
            except (OSError, http.client.HTTPException, ValueError) as problem:
                self.problems.append(str(problem))
                return

    def answer(self):
        body = {"stream": True, "max_tokens": TOKENS, "ignore_eos": True, "temperature": 0,
                "messages": [{"role": "user", "content": f"a {self.number}"}]}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            began = time.monotonic()
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            first, last, comments = None, b"", 0
            for line in reply:
                if line.startswith(b"data:"):
                    first = first or time.monotonic()
                    last = line.strip()
                comments += line.startswith(b": hotmodel")
            if reply.status != 200 or last != b"data: [DONE]":
                raise ValueError(f"status {reply.status}, last {last!r}")
            # The head of an answer that was waited for goes out before its model is known.
            waited = comments > 0 or reply.getheader("X-HotModel-Model") is None
            self.answers.append((began, first - began, waited))
        finally:
            connection.close()


class Watch(threading.Thread):
    """The most requests that were seen waiting."""

    def __init__(self, hotmodel):
        super().__init__(daemon=True)
        self.hotmodel, self.done, self.most, self.looks = hotmodel, threading.Event(), 0, 0

    def run(self):
        while not self.done.wait(0.01):
            self.most = max(self.most, self.hotmodel.send("GET", "/admin/state")[1]["waiting_chats"])
            self.looks += 1


def wait_alone(hotmodel, model):
    for _ in range(EMPTY_SECONDS * 10):
        if hotmodel.send("GET", "/admin/state")[1]["loaded"] == [model]:
            return
        time.sleep(0.1)
    raise SystemExit(f"the model before {model} did not leave: {hotmodel.tail()}")


def switch(hotmodel, model):
    plan = hotmodel.plan(model)
    began = time.monotonic()
    report = hotmodel.switch(model)
    ended = time.monotonic()
    before, needed = report["gpu_memory"]["before_unload"]["total_mb"], total(plan, "needed_mb")
    planned = None if before is None or needed is None else before + needed
    wait_alone(hotmodel, model)
    return {"model": model, "began": began, "ended": ended, "beside": plan["beside"], "planned": planned,
            "peak": report["peak_mb"], "phases": [phase["name"] for phase in report["phases"]], "left": time.monotonic() - ended}


def longest(answers, switches, during):
    times = [first for began, first, _ in answers
             if during == any(began <= one["ended"] and began + first >= one["began"] for one in switches)]
    return max(times) * 1000 if times else None


def main():
    parser = argparse.ArgumentParser(prog="measure-no-gap-gpu.sh")
    for place in ("hotmodel", "server", "folder"):
        parser.add_argument(place, help=argparse.SUPPRESS)
    parser.add_argument("--switches", type=int, default=4)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--gpu-layers", type=int, default=999)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--context", type=int, default=8192)
    options = parser.parse_args()
    models = {}
    for name, layers in (("a", options.layers), ("b", 2 * options.layers)):
        path = os.path.join(options.folder, name + ".gguf")
        SHAPES["dense"][0](path, layers, options.context)
        models[name] = (path, options.context)
    hotmodel = HotModel(options, "serve", models, "switch_policy = \"make_before_break\"", f"parallel = {options.clients}")
    try:
        # The first loads tell the ledger what each takes.
        for model in ("a", "b", "a"):
            hotmodel.switch(model)
            wait_alone(hotmodel, model)
        clients = [Client(hotmodel.port, number) for number in range(options.clients)]
        watch = Watch(hotmodel)
        for thread in [watch, *clients]:
            thread.start()
        switches = []
        for number in range(options.switches):
            time.sleep(REST_SECONDS)
            switches.append(switch(hotmodel, "ba"[number % 2]))
        time.sleep(REST_SECONDS)
        for thread in [*clients, watch]:
            thread.done.set()
        for thread in [*clients, watch]:
            thread.join()
        return report(options, clients, watch, switches)
    finally:
        hotmodel.stop()


def report(options, clients, watch, switches):
    answers = [answer for client in clients for answer in client.answers]
    problems = [problem for client in clients for problem in client.problems]
    print(f"{options.clients} clients, answers of {TOKENS} tokens, gpu_layers {options.gpu_layers}; MiB of all GPUs.\n")
    print("| switch to | s | phases | the other one left after s | peak | planned: both | off |\n|" + "---|" * 7)
    above = []
    for one in switches:
        off = None if one["planned"] is None or one["peak"] is None else one["peak"] - one["planned"]
        if off is not None and off > max(MOST_ABOVE_SHARE * one["planned"], MOST_ABOVE_MIB):
            above.append(one["model"])
        print(f"| {one['model']} | {one['ended'] - one['began']:.2f} | {' '.join(one['phases'])} | {one['left']:.2f} "
              f"| {shown(one['peak'])} | {shown(one['planned'])} | {shown(off)} |")
    firsts = [first * 1000 for _, first, _ in answers]
    waited = sum(waits for _, _, waits in answers)
    during, outside = longest(answers, switches, True), longest(answers, switches, False)
    print(f"\nAnswers: {len(answers)}, refused or broken: {len(problems)}, waited: {waited}; most seen waiting in "
          f"{watch.looks} looks: {watch.most}")
    if firsts:
        print(f"First event: median {statistics.median(firsts):.0f} ms, longest during a switch "
              f"{'-' if during is None else f'{during:.0f}'} ms, at other times {'-' if outside is None else f'{outside:.0f}'} ms")
    for problem in problems:
        print(f"  {problem}")
    beside = all(one["beside"] for one in switches)
    missed = [text for text, holds in (
        ("requests were refused or broke", not problems), ("requests waited", waited == 0 and watch.most == 0),
        ("no answers came", bool(answers)), ("a switch did not go beside the other model", beside),
        ("a peak was above the plan", not above)) if not holds]
    measured = all(one["planned"] is not None for one in switches)
    print(f"\nNo request refused or delayed, peak as planned: "
          f"{'NO: ' + ', '.join(missed) if missed else 'yes' if measured else 'yes; memory was not measured: no GPU'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
