#!/usr/bin/env python3
"""Speaks a text on the GPUs of a Ray cluster and writes one WAV file: the same samples as one process gives.

Each GPU has one long-lived actor with the model loaded. Runs of segments go to the actors, at most --window runs per actor
at a time, and come back in order; a lost actor or node is started again and its runs are spoken again from their seeds.

usage: speak_cluster.py --output FILE.wav [OPTION...] TEXT_FILE

  --model DIR      model folder, the same path on every node (default: the bundled voice)
  --voice FILE     clip to speak like (default: the model's own)
  --seed N         default 0
  --address A      of a running cluster, as ray.init takes it; default: a local one
  --cpu-workers N  N actors on CPUs in place of one per GPU
  --window N       runs in flight per actor, default 2
  --run N          segments of a run, default 4
  --shim FILE      libindextts2-shim.so, the same path on every node (default: that of this build)
"""
import argparse
import array
import collections
import ctypes
import os
import sys
import wave

RATE = 22050
MAX_RESTARTS = 20
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Speaker:
    """An actor: one model on one device, behind the C shim."""

    def __init__(self, shim, model, devices, voice):
        # Ray gives a worker as many threads as processors it asked for; their number may change the last bits.
        os.environ.pop("OMP_NUM_THREADS", None)
        self.library = ctypes.CDLL(shim)
        self.library.indextts2_speaker_open.restype = ctypes.c_void_p
        self.library.indextts2_speaker_speak.restype = ctypes.POINTER(ctypes.c_float)
        error = ctypes.c_char_p()
        self.speaker = ctypes.c_void_p(self.library.indextts2_speaker_open(
            model.encode(), devices.encode(), voice.encode() if voice else None, ctypes.byref(error)))
        if not self.speaker:
            raise RuntimeError(error.value.decode())

    def process_id(self):
        return os.getpid()

    def speak(self, text, seed, first, count):
        """Samples of each segment of the run as bytes of 32-bit floats, and whether the text ends in it."""
        sizes, last, error = ctypes.POINTER(ctypes.c_size_t)(), ctypes.c_int(), ctypes.c_char_p()
        samples = self.library.indextts2_speaker_speak(
            self.speaker, text.encode(), ctypes.c_int64(seed), first, count, ctypes.byref(sizes), ctypes.byref(last),
            ctypes.byref(error))
        if not samples:
            raise RuntimeError(error.value.decode())
        waves, at = [], 0
        for i in range(count):
            waves.append(ctypes.string_at(ctypes.addressof(samples.contents) + 4 * at, 4 * sizes[i]))
            at += sizes[i]
        self.library.indextts2_free(samples)
        self.library.indextts2_free(sizes)
        return waves, bool(last.value)


def in_order(ray, actors, text, seed, run, window):
    """Yields the waves of all segments in text order, with at most `window` runs in flight per actor."""
    flight, first, ended = collections.deque(), 0, False
    while flight or not ended:
        while not ended and len(flight) < window * len(actors):
            actor = actors[first // run % len(actors)]
            flight.append(actor.speak.remote(text, seed, first, run))
            first += run
        waves, last = ray.get(flight.popleft())
        yield from (wave for wave in waves if wave)
        if last:  # runs beyond the end give nothing
            ended = True
            for task in flight:
                ray.cancel(task)
            return


def open_actors(ray, args):
    count = args.cpu_workers or int(ray.cluster_resources().get("GPU", 0))
    if count == 0:
        sys.exit("speak_cluster.py: the cluster has no GPU; --cpu-workers N uses CPUs")
    needs = {"num_cpus": 1} if args.cpu_workers else {"num_gpus": 1}
    # Ray shows an actor its own GPU only, so it is number 0 there.
    device = "cpu" if args.cpu_workers else "cuda:0"
    remote = ray.remote(max_restarts=MAX_RESTARTS, max_task_retries=MAX_RESTARTS, **needs)(Speaker)
    return [remote.remote(args.shim, args.model, device, args.voice) for _ in range(count)]


def write_wav(path, waves, on_wave=None):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        for number, samples in enumerate(waves):
            floats = array.array("f", samples)
            out.writeframes(array.array("h", (max(-32768, min(32767, round(x * 32767))) for x in floats)).tobytes())
            if on_wave:
                on_wave(number)


def parse(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("text_file")
    parser.add_argument("--output", required=True)
    parser.add_argument("--model", default=os.path.join(ROOT, "models/compact-en"))
    parser.add_argument("--voice", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--address", default=None)
    parser.add_argument("--cpu-workers", type=int, default=0)
    parser.add_argument("--window", type=int, default=2)
    parser.add_argument("--run", type=int, default=4)
    parser.add_argument("--shim", default=os.path.join(ROOT, "build/pipelines/cluster/libindextts2-shim.so"))
    return parser.parse_args(arguments)


def main():
    args = parse(sys.argv[1:])
    import ray  # only for this script: pip install ray
    ray.init(address=args.address, include_dashboard=False, log_to_driver=False)
    with open(args.text_file, encoding="utf-8") as file:
        text = file.read()
    write_wav(args.output, in_order(ray, open_actors(ray, args), text, args.seed, args.run, args.window))
    print(args.output)


if __name__ == "__main__":
    main()
