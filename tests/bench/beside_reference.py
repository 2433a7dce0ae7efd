#!/usr/bin/env python3
"""This engine beside the Python reference, on one machine, with one set of random weights of the official sizes.

    beside_reference.py --ref REF --ours FOLDER [--work DIR] [--only parity|speed] [--out FILE]
    beside_reference.py --ref REF --ours FOLDER --only limits --budget 580      what one GPU is to reach, as a table
    beside_reference.py --ref REF --ours FOLDER --smoke          tiny networks on the CPU: checks the script

REF holds the reference's package indextts and checkpoints/config.yaml; FOLDER is what collect_gpu.sh wrote, or a build
folder. Steps: the networks on the GPU; a model folder of them in DIR (7 GB); parity: a chain of the reference in fp32
without TF32, recorded with its draws, then golden_test on it; speed: infer() against bench_speak, one stream, voice
known, the same lengths. Results go to FILE as JSON lines, a table to stdout. Exit status 1: something failed.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GENERATOR = os.path.join(ROOT, "tests/golden/generator")
sys.path[:0] = [HERE, GENERATOR]
sys.dont_write_bytecode = True
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

# Plain words: the text grammars leave them as they are, so the reference needs none.
TEXT = ("the ferry leaves the old harbour early in the morning and crosses the wide bay while the fishermen repair "
        "their nets and the children wave from the wooden pier below the lighthouse")
START = time.perf_counter()


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ref", required=True)
    p.add_argument("--ours", required=True)
    p.add_argument("--work", default="/tmp/beside", help="model folder, golden folder and clips")
    p.add_argument("--out", default="beside.jsonl", help="JSON lines are appended")
    p.add_argument("--only", choices=["parity", "speed", "limits"])
    p.add_argument("--limits-precision", default="bf16")
    p.add_argument("--throughput-repeat", type=int, default=1, help="of the runs of 128 segments, after a warm-up")
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--device", default="cuda:0")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--parity-codes", type=int, default=220)
    p.add_argument("--codes", default="450-550", help="MIN-MAX of the timed segments")
    p.add_argument("--prompts", default="15,5", help="seconds")
    p.add_argument("--reference-precisions", default="fp32,fp16")
    p.add_argument("--precisions", default="fp32,fp16", help="of this engine")
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--repeat", type=int, default=5)
    p.add_argument("--budget", type=float, default=340, help="seconds in all; the reference gets fewer runs (3 or more) to fit")
    a = p.parse_args()
    if a.smoke:
        a.device, a.precisions, a.reference_precisions, a.prompts = "cpu", "fp32", "fp32", "3,2"
        a.parity_codes, a.codes, a.warmup, a.repeat = 60, "40-50", 1, 3
    a.prompts = [float(s) for s in a.prompts.split(",")]
    a.precisions, a.reference_precisions = a.precisions.split(","), a.reference_precisions.split(",")
    if a.device == "cpu":
        a.precisions, a.reference_precisions = ["fp32"], ["fp32"]
    return a


def say(text):
    print(f"[{time.perf_counter() - START:6.1f} s] {text}", flush=True)


class Programs:
    """golden_test and bench_speak with the environment they need here."""

    def __init__(self, folder, torch_lib):
        folder = os.path.abspath(folder)
        self.golden_test = self.find(folder, "golden_test", "tests/golden/golden_test")
        self.bench_speak = self.find(folder, "bench_speak", "tests/bench/bench_speak")
        grammars = self.find(folder, "text", "engine/text")
        old = os.environ.get("LD_LIBRARY_PATH")
        self.environment = {**os.environ, "INDEXTTS2_GRAMMARS": grammars,
                            "LD_LIBRARY_PATH": ":".join(filter(None, [folder, torch_lib, old]))}

    @staticmethod
    def find(folder, *names):
        for name in names:
            if os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
        raise SystemExit(f"--ours {folder}: neither {' nor '.join(names)} is there; fill it with tests/bench/collect_gpu.sh")


def machine(torch, device):
    info = dict(torch=torch.__version__, python=platform.python_version(), cores=os.cpu_count())
    if device.startswith("cuda"):
        info["gpu"] = torch.cuda.get_device_name(device)
    return info


def write_line(path, **fields):
    with open(path, "a") as f:
        f.write(json.dumps(fields) + "\n")


def parity(args, programs, tts, model, clip):
    from beside.parity import record_chain
    golden = os.path.join(args.work, "golden")
    record_chain(tts, model, golden, clip, TEXT, args.parity_codes, args.seed, say)
    say("parity: golden_test")
    done = subprocess.run([programs.golden_test, golden, args.device], env=programs.environment, capture_output=True, text=True,
                          timeout=240 if args.device.startswith("cuda") else 1200)
    print(done.stdout + done.stderr, flush=True)
    write_line(args.out, case="parity", passed=done.returncode == 0, lines=done.stdout.splitlines())
    return done.returncode == 0


def speed(args, programs, tts, model, clips):
    from beside.networks import forget_voice, to_fp16
    from beside.speed import draw_lengths, table, time_ours, time_reference
    low, _, high = args.codes.partition("-")
    lengths = draw_lengths(int(low), int(high or low), args.warmup + args.repeat, args.seed)
    say(f"speed: lengths {lengths} codes")
    ours = [(s, p) for s in args.prompts for p in args.precisions]
    theirs = [(s, p) for p in args.reference_precisions for s in args.prompts]
    results, good = [], True

    def keep(result):
        results.append(result)
        write_line(args.out, case="speed", **result)
        say(f"speed: {result['side']} {result['precision']} prompt {result['prompt_s']:g} s: real-time factor "
            f"{result['rtf']:.3f} [{result['rtf_min']:.3f}-{result['rtf_max']:.3f}], n = {result['n']}, {result['stages_ms_per_s']}")

    for s, p in ours:
        try:
            keep(time_ours(programs.bench_speak, programs.environment, model, args.device, p, clips[s], s, TEXT, lengths,
                           args.warmup, args.repeat, timeout=150, json_path=os.path.join(args.work, "ours.json")))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            good = False
            say(f"speed: FAILED: {error}")
            write_line(args.out, case="failed", precision=p, prompt_s=s, error=str(error))
    wall = 0.
    for i, (s, p) in enumerate(theirs):
        left = args.budget - (time.perf_counter() - START)
        if left < 4 * wall:     # a warm-up and three runs
            good = False
            say(f"speed: LEFT OUT: reference {p} prompt {s:g} s: {left:.0f} s of the budget are left; raise --budget")
            write_line(args.out, case="left out", precision=p, prompt_s=s)
            continue
        if p == "fp16" and not tts.use_fp16:
            to_fp16(tts)
        forget_voice(tts)
        keep(time_reference(tts, p, clips[s], s, TEXT, lengths, args.warmup, args.repeat, left / (len(theirs) - i)))
        wall = results[-1]["wall_s"]
    print("\n" + table(sorted(results, key=lambda r: (-r["prompt_s"], r["precision"], r["side"]))), flush=True)
    return good


def limits(args, programs, tts, model, clips):
    """The faster of the reference's precisions is timed first, with few runs; then bench_speak in all its ways."""
    from beside import limits as L
    from beside.networks import forget_voice, to_fp16
    from beside.speed import draw_lengths, time_reference
    longest, rtf = max(args.prompts), []
    lengths = draw_lengths(480, 520, 5, args.seed)
    for p in args.reference_precisions:
        if p == "fp16" and not tts.use_fp16:
            to_fp16(tts)
        forget_voice(tts)
        result = time_reference(tts, p, clips[longest], longest, TEXT, lengths, 1, 3, 60)
        write_line(args.out, case="speed", **result)
        say(f"limits: reference {p}: real-time factor {result['rtf']:.3f}, n = {result['n']}")
        rtf.append(result["rtf"])
    tts.__dict__.clear()    # its share of the GPU is this engine's now
    if args.device.startswith("cuda"):
        import gc
        import torch
        gc.collect()
        torch.cuda.empty_cache()
    bench = L.Bench(programs.bench_speak, programs.environment, model, args.device, TEXT, args.work, say,
                    lambda **line: write_line(args.out, **line))
    results = L.measure(bench, clips, args.limits_precision, args.repeat, args.throughput_repeat, args.seed)
    print("\n" + L.table(results, min(rtf, default=None)), flush=True)
    return all(line is not None for line in results.values())


def main():
    args = parse()
    args.out, args.work = os.path.abspath(args.out), os.path.abspath(args.work)
    import common as C
    import torch
    C.setup(os.path.abspath(args.ref))
    torch.set_num_threads(os.cpu_count())
    from beside.clips import make_clips
    from beside.model_folder import write_model_folder
    from beside.networks import assemble, make_networks
    programs = Programs(args.ours, os.path.join(os.path.dirname(torch.__file__), "lib"))
    write_line(args.out, case="machine", **machine(torch, args.device))
    clips = make_clips(os.path.join(ROOT, "models/compact-en/prompts"), args.work, args.prompts)
    sizes = C.load_profile(os.path.join(GENERATOR, "profile.json"))["sizes"] if args.smoke else None
    say("networks with random weights")
    networks = make_networks(os.path.abspath(args.ref), os.path.join(args.ref, "checkpoints/config.yaml"),
                             clips[max(args.prompts)], args.device, args.seed, sizes)
    bpe_model = os.path.join(ROOT, "tests/golden/reference/tiny/bpe.model")
    model = os.path.join(args.work, "tiny" if args.smoke else "model")
    written = write_model_folder(networks, model, bpe_model, args.seed)
    say(f"model folder {model}: {'written' if written else 'is there already'}")
    tts = assemble(networks, bpe_model)
    good = True
    if args.only == "limits":
        del networks
        good = limits(args, programs, tts, model, clips)
        say("all is well" if good else "something FAILED, see above")
        return 0 if good else 1
    if args.only != "speed":
        good = parity(args, programs, tts, model, clips[min(args.prompts)]) and good
    if args.only != "parity":
        good = speed(args, programs, tts, model, clips) and good
    say("all is well" if good else "something FAILED, see above")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
