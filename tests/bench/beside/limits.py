"""The figures that one GPU is to reach, measured with bench_speak, as one table with what must and what should be reached."""
import json
import os
import random
import subprocess

CODE_S = 1.72 * 256 / 22050      # seconds of speech of one code
REFERENCE_GPU_RTF = 0.33         # of the reference on one H100 with an infinitely fast host: the sum of its kernels


def draw(low, high, count, seed):
    source = random.Random(seed)
    return ",".join(str(source.randint(low, high)) for _ in range(count))


class Bench:
    """bench_speak on one model and device; results are kept as JSON lines."""

    def __init__(self, program, environment, model, device, text, work, say, keep):
        self.base = [program, model, "--devices", device, "--text", text]
        self.environment, self.work, self.say, self.keep = environment, work, say, keep

    def __call__(self, name, *options, timeout=240):
        path = os.path.join(self.work, "limits.json")
        if os.path.exists(path):
            os.remove(path)
        done = subprocess.run([*self.base, *map(str, options), "--json", path], env=self.environment, capture_output=True,
                              text=True, timeout=timeout)
        if done.returncode != 0:
            self.say(f"limits: {name}: FAILED ({done.returncode}): {done.stderr.strip()[-600:]}")
            return None
        with open(path) as f:
            line = json.loads(f.read())
        self.say(f"limits: {name}: rtf {line['rtf']:.4f}, {line['speech_s_per_s']:.1f} s/s, first {line['first_ms']:.0f} ms, "
                 f"host {line['host_cores']:.2f} cores, GPU {line.get('gpu_peak_mib', 0):.0f} MiB, n = {line['n']}, "
                 f"{line['stages_ms_per_s']}")
        self.keep(case="limits", name=name, **line)
        return line


def measure(bench, clips, precision, repeat, throughput_repeat, seed):
    """Results by name; None where a run failed."""
    long, short = clips[max(clips)], clips[min(clips)]
    warmup = 2
    # Lengths that the process has not seen before: the warm-ups' come again, therefore more than are used.
    tens = ["--codes", draw(480, 520, 64, seed), "--warmup", warmup, "--repeat", repeat]
    mixed = ["--codes", draw(250, 750, 128, seed), "--warmup", 1, "--repeat", throughput_repeat, "--segments", 128]
    first = ["--first", 100, "--warmup", warmup, "--repeat", repeat]
    own = ["--precision", precision]
    out = {"one": bench("one stream, long prompt", *own, "--voice", long, *tens),
           "one short": bench("one stream, short prompt", *own, "--voice", short, *tens),
           "one fp32": bench("one stream, fp32", "--precision", "fp32", "--voice", long, *tens),
           "first": bench("first sound alone", *own, "--voice", long, *first),
           "first beside": bench("first sound, 15 running", *own, "--voice", long, *first, "--beside", 15, "--codes",
                                 draw(250, 750, 128, seed)),
           "first cold": bench("first sound, cold voice", *own, "--voice", long, *first, "--cold", "yes")}
    for flight in (4, 16, 32):
        out[f"{flight}"] = bench(f"{flight} in flight, long prompt", *own, "--voice", long, *mixed, "--flight", flight)
    for flight in (16, 32):
        out[f"{flight} short"] = bench(f"{flight} in flight, short prompt", *own, "--voice", short, *mixed, "--flight", flight)
    return out


def _stage(name, seconds=10):
    return lambda line: line["stages_ms_per_s"].get(name, 0) * seconds


def _step(flight):
    """Milliseconds of a decoding step: all segments in flight take one code of it."""
    return lambda line: line["stages_ms_per_s"].get("decode", 0) * CODE_S * flight


def _memory(line):
    return line.get("gpu_peak_mib", float("nan")) / 1024


def _field(name):
    return lambda line: line[name]


# (what, run, figure, must, aim, more is better)
ROWS = [
    ("RTF, one stream of 10 s segments, P15", "one", _field("rtf"), 0.045, 0.033, False),
    ("same, fp32", "one fp32", _field("rtf"), 0.14, 0.11, False),
    ("ms per code, 1 segment", "one", _step(1), 0.70, 0.52, False),
    ("ms per step, 4 segments", "4", _step(4), 0.85, 0.65, False),
    ("ms per step, 16 segments", "16", _step(16), 1.5, 1.0, False),
    ("ms per step, 32 segments", "32", _step(32), 2.4, 1.5, False),
    ("25 flow steps, P5 + 10 s, ms", "one short", _stage("flow"), 38, 29, False),
    ("25 flow steps, P15 + 10 s, ms", "one", _stage("flow"), 65, 50, False),
    ("vocoder, 10 s, ms", "one", _stage("vocoder"), 10, 7, False),
    ("first audio, warm voice, alone, ms", "first", _field("first_ms"), 120, 90, False),
    ("first audio, warm voice, 15 running, ms", "first beside", _field("first_ms"), 300, 220, False),
    ("first audio, cold voice, ms", "first cold", _field("first_ms"), 200, 150, False),
    ("speech s per s, 16 in flight, P15", "16", _field("speech_s_per_s"), 80, 105, True),
    ("speech s per s, 32 in flight, P15", "32", _field("speech_s_per_s"), 90, 120, True),
    ("speech s per s, 16 in flight, P5", "16 short", _field("speech_s_per_s"), 100, 135, True),
    ("speech s per s, 32 in flight, P5", "32 short", _field("speech_s_per_s"), 112, 155, True),
    ("GPU memory, 1 segment, GiB", "one", _memory, 4.5, 4, False),
    ("GPU memory, 16 segments, GiB", "16", _memory, 10, 8, False),
    ("host cores busy, 16 in flight", "16", _field("host_cores"), 0.2, 0.2, False),
]


def table(results, reference_rtf):
    """Markdown. Steps are seconds of the decode stage over steps in which every place is taken, so they are upper bounds."""
    lines = ["| what | measured | must | aim | reached |", "|---|---|---|---|---|"]

    def row(what, value, must, aim, more):
        better = (lambda limit: value >= limit) if more else (lambda limit: value <= limit)
        reached = "aim" if better(aim) else "must" if better(must) else "no"
        lines.append(f"| {what} | {value:.3g} | {'>=' if more else '<='} {must:g} | {aim:g} | {reached} |")

    for what, run, figure, must, aim, more in ROWS:
        if results.get(run) is None:
            lines.append(f"| {what} | not measured | {must:g} | {aim:g} | |")
        else:
            row(what, figure(results[run]), must, aim, more)
    if results.get("one"):
        own = results["one"]["rtf"]
        if reference_rtf:
            row("times faster than the reference here, wall time, P15", reference_rtf / own, 15, 20, True)
        row("times faster than the reference's GPU time alone", REFERENCE_GPU_RTF / own, 7, 10, True)
    return "\n".join(lines)
