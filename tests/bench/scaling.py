#!/usr/bin/env python3
"""How speed grows with GPUs: bench_scaling on a model of the official sizes and on the bundled voice, and the plan's scheme
around the Python reference beside it, on one machine in one call.

    scaling.py --ref REF --ours FOLDER [--devices cuda:0,cuda:1] [--budget SECONDS] [--out FILE]
    scaling.py --ref REF --ours FOLDER --devices cuda:0 --replicas 2       rehearsal on one GPU

REF and FOLDER as in beside_reference.py. Results go to FILE as JSON lines. Exit status 1: something failed.
"""
import argparse
import os
import subprocess
import sys
import time

from beside_reference import ROOT, START, TEXT, Programs, machine, say, write_line


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ref", required=True)
    p.add_argument("--ours", required=True)
    p.add_argument("--work", default="/tmp/beside", help="model folder and clips")
    p.add_argument("--out", default="scaling.jsonl", help="JSON lines are appended")
    p.add_argument("--devices", help="all CUDA devices if left out")
    p.add_argument("--replicas", type=int, default=1, help="of one device, in place of several devices")
    p.add_argument("--batch", type=int, default=16, help="segments decoded together on a device")
    p.add_argument("--segments", type=int, default=64)
    p.add_argument("--soak", type=int, default=6)
    p.add_argument("--codes", default="250-750")
    p.add_argument("--precision", default="bf16")
    p.add_argument("--prompt", type=float, default=15, help="seconds")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--plan-segments", type=int, default=4, help="of the reference, per device; 0: leave it out")
    p.add_argument("--budget", type=float, default=540, help="seconds in all; the reference is left out if too few are left")
    return p.parse_args()


def bench(args, program, environment, model, clip, name, *more):
    say(f"bench_scaling: {name}")
    command = [program, model, "--devices", args.devices, "--replicas", str(args.replicas), "--flight", str(args.batch),
               "--voice", clip, "--seed", str(args.seed), "--segments", str(args.segments), "--text", TEXT,
               "--json", args.out, *more]
    left = args.budget - (time.perf_counter() - START)
    try:
        sys.stdout.flush()
        status = subprocess.run(command, env=environment, timeout=max(30, left)).returncode
    except subprocess.TimeoutExpired:
        status = "over the budget"
    if status != 0:
        say(f"bench_scaling: {name}: FAILED: {status}")
        write_line(args.out, case="failed", name=name, status=str(status))
    return status == 0


def plan(args, networks, bpe_model, clip):
    """One more set of the same weights on each further device. Some of what the reference launches goes to the current one."""
    import torch
    from beside.networks import assemble, make_networks
    from beside.plan_pool import measure_plan
    devices = args.devices.split(",")
    models = [assemble(networks, bpe_model)]
    for device in devices[1:]:
        with torch.cuda.device(device):
            more = make_networks(os.path.abspath(args.ref), os.path.join(args.ref, "checkpoints/config.yaml"), clip, device,
                                 args.seed)
            models.append(assemble(more, bpe_model))
    speeds = measure_plan(models, clip, TEXT, 500, args.plan_segments * len(devices), runs=1)
    gain = speeds[len(devices)] / speeds[1]
    say(f"the plan's scheme around the reference: {speeds} s of speech a second, {gain:.2f} times one")
    write_line(args.out, case="plan", speeds=speeds, gain=gain)


def main():
    args = parse()
    args.out, args.work = os.path.abspath(args.out), os.path.abspath(args.work)
    import common as C
    import torch
    C.setup(os.path.abspath(args.ref))
    args.devices = args.devices or ",".join(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    from beside.clips import make_clips
    from beside.model_folder import write_model_folder
    from beside.networks import make_networks
    programs = Programs(args.ours, os.path.join(os.path.dirname(torch.__file__), "lib"))
    program = Programs.find(os.path.abspath(args.ours), "bench_scaling", "tests/bench/bench_scaling")
    first = args.devices.split(",")[0]
    write_line(args.out, case="machine", devices=args.devices, **machine(torch, first))
    clip = make_clips(os.path.join(ROOT, "models/compact-en/prompts"), args.work, [args.prompt])[args.prompt]
    say("networks with random weights")
    networks = make_networks(os.path.abspath(args.ref), os.path.join(args.ref, "checkpoints/config.yaml"), clip, first, args.seed)
    bpe_model = os.path.join(ROOT, "tests/golden/reference/tiny/bpe.model")
    model = os.path.join(args.work, "model")
    write_model_folder(networks, model, bpe_model, args.seed)
    good = bench(args, program, programs.environment, model, clip, "official sizes", "--codes", args.codes, "--precision",
                 args.precision, "--soak", str(args.soak))
    compact = os.path.join(ROOT, "models/compact-en")
    if os.path.exists(os.path.join(compact, "gpt.pth")):
        good = bench(args, program, programs.environment, compact, clip, "bundled voice", "--codes", "20-40", "--precision",
                     "fp32") and good
    if args.plan_segments > 0:
        if args.budget - (time.perf_counter() - START) > 40 * args.plan_segments:
            plan(args, networks, bpe_model, clip)
        else:
            say("LEFT OUT: the plan's scheme: too little of the budget is left")
            write_line(args.out, case="left out", name="plan")
    say("all is well" if good else "something FAILED, see above")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
