"""Times the reference and this engine on the same folder, text, prompt and lengths."""
import contextlib
import io
import json
import os
import random
import re
import statistics
import subprocess
import time

import torch

HOP, RATE = 256, 22050


def draw_lengths(low, high, count, seed):
    """Codes of each segment; the longest first, so that a warm-up sees every length of the cache."""
    draw = random.Random(seed)
    lengths = [draw.randint(low, high) for _ in range(count)]
    return sorted(lengths, reverse=True)[:1] + lengths


def seconds_of(codes):
    return int(codes * 1.72) * HOP / RATE


def _summary(runs, **fields):
    rtf = sorted(r["wall_s"] / r["audio_s"] for r in runs)
    return dict(fields, n=len(runs), rtf=statistics.median(rtf), rtf_min=rtf[0], rtf_max=rtf[-1],
                wall_s=statistics.median(r["wall_s"] for r in runs),
                first_ms=1e3 * statistics.median(r["first_s"] for r in runs),
                host_s_per_s=statistics.median(r["host_s"] / r["audio_s"] for r in runs), runs=runs)


def _synchronise(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _stages(text, audio):
    """Milliseconds per second of speech, from what the reference prints about its last run."""
    return {name: round(1e3 * float(value) / audio, 1) for name, value in re.findall(r">> (\w+)_time: ([\d.]+) seconds", text)}


def time_reference(tts, precision, clip, prompt_s, text, lengths, warmup, repeat, seconds):
    """One stream through infer(), voice known. If it would last over `seconds`: one warm-up, then as many runs as fit, but
    at least 3."""
    cuda = tts.device.startswith("cuda")

    def once(codes):
        out = io.StringIO()
        _synchronise(tts.device)
        start, host = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(out):
            rate, wave = tts.infer(clip, text, None, max_mel_tokens=codes)
        _synchronise(tts.device)
        wall, host = time.perf_counter() - start, time.process_time() - host
        expected = int(codes * 1.72) * HOP
        if wave.shape[0] != expected:
            raise SystemExit(f"the reference spoke {wave.shape[0]} samples for {codes} codes, {expected} were expected")
        audio = expected / rate
        return dict(wall_s=wall, first_s=wall, audio_s=audio, host_s=host, codes=codes), _stages(out.getvalue(), audio)

    begin = time.perf_counter()
    last, warm = 0., 0
    for codes in lengths[:warmup]:
        last = once(codes)[0]["wall_s"]
        warm += 1
        if (warmup + repeat) * last > seconds:
            break
    if cuda:
        torch.cuda.reset_peak_memory_stats(tts.device)
    left = seconds - (time.perf_counter() - begin)
    repeat = max(min(3, repeat), min(repeat, int(left / last) if last else repeat))
    timed = [once(lengths[i % len(lengths)]) for i in range(repeat)]
    result = _summary([run for run, _ in timed], side="reference", precision=precision, prompt_s=prompt_s, warmup=warm,
                      stages_ms_per_s=timed[-1][1])
    if cuda:
        result["gpu_peak_mib"] = torch.cuda.max_memory_reserved(tts.device) / 2**20
    return result


def time_ours(program, environment, model, device, precision, clip, prompt_s, text, lengths, warmup, repeat, timeout, json_path):
    """bench_speak in a process of its own."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(json_path)
    command = [program, model, "--devices", device, "--voice", clip, "--text", text, "--precision", precision, "--codes",
               ",".join(map(str, lengths)), "--warmup", str(warmup), "--repeat", str(repeat), "--json", json_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"bench_speak {precision}: exit status {done.returncode}: {done.stderr.strip()[-600:]}")
    with open(json_path) as f:
        line = json.loads(f.read())
    extra = {k: line[k] for k in ("load_s", "voice_s", "gpu_peak_mib", "stages_ms_per_s") if k in line}
    return _summary(line["runs"], side="ours", precision=precision, prompt_s=prompt_s, warmup=warmup, **extra)


def table(results):
    """Markdown. The ratio is the reference's time over ours at the same precision and prompt, in brackets over its fp32."""
    def reference(prompt, precision):
        return next((r["rtf"] for r in results if r["side"] == "reference" and (r["prompt_s"], r["precision"]) ==
                     (prompt, precision)), None)

    lines = ["| side | precision | prompt, s | n | real-time factor | times faster | first sound, ms | host CPU s/s | GPU MiB |",
             "|---|---|---|---|---|---|---|---|---|"]
    for r in results:
        same, plain = reference(r["prompt_s"], r["precision"]), reference(r["prompt_s"], "fp32")
        ratio = ""
        if r["side"] == "ours":
            ratio = " ".join(filter(None, [same and f"{same / r['rtf']:.2f}", plain and f"({plain / r['rtf']:.2f})"]))
        memory = f"{r['gpu_peak_mib']:.0f}" if "gpu_peak_mib" in r else ""
        lines.append(f"| {r['side']} | {r['precision']} | {r['prompt_s']:g} | {r['n']} | {r['rtf']:.3f} "
                     f"[{r['rtf_min']:.3f}-{r['rtf_max']:.3f}] | {ratio} | {r['first_ms']:.0f} | {r['host_s_per_s']:.2f} | {memory} |")
    return "\n".join(lines)
