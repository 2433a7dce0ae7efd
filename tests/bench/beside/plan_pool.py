"""The multi-GPU plan of the web UI, around the reference: one model object and one Python thread per GPU, segment i on GPU
i mod N, results in text order."""
import contextlib
import io
import queue
import statistics
import threading
import time

import torch

from beside.speed import seconds_of


class PlanPool:
    def __init__(self, models, clip, text):
        self.models, self.clip, self.text = models, clip, text
        self.inbox = [queue.Queue() for _ in models]
        self.threads = [threading.Thread(target=self._work, args=place, daemon=True) for place in zip(models, self.inbox)]
        for thread in self.threads:
            thread.start()

    def _work(self, model, inbox):
        if model.device.startswith("cuda"):
            torch.cuda.set_device(model.device)
        for codes, done, result in iter(inbox.get, None):
            try:
                result.append(model.infer(self.clip, self.text, None, max_mel_tokens=codes))
            except Exception as error:  # whatever it is, it belongs to the caller
                result.append(error)
            done.set()

    def speak(self, lengths):
        """Sounds in the order of the lengths."""
        jobs = [(codes, threading.Event(), []) for codes in lengths]
        for i, job in enumerate(jobs):
            self.inbox[i % len(self.models)].put(job)
        for _, done, result in jobs:
            done.wait()
            if isinstance(result[0], Exception):
                raise result[0]
            yield result[0]

    def close(self):
        for inbox in self.inbox:
            inbox.put(None)
        for thread in self.threads:
            thread.join()


def measure_plan(models, clip, text, codes, segments, runs):
    """{devices: speech seconds per second} for the first device alone and for all of them; one warm-up each."""
    speeds = {}
    for count in sorted({1, len(models)}):
        pool = PlanPool(models[:count], clip, text)
        walls = []
        with contextlib.redirect_stdout(io.StringIO()):
            for run in range(runs + 1):
                start = time.perf_counter()
                sounds = sum(1 for _ in pool.speak([codes] * (segments if run else count)))
                if run:
                    assert sounds == segments
                    walls.append(time.perf_counter() - start)
        pool.close()
        speeds[count] = segments * seconds_of(codes) / statistics.median(walls)
    return speeds
