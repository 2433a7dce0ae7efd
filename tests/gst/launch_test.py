#!/usr/bin/env python3
"""Launch lines of indextts2src as processes on the tone engine, the plugin's file and scan (traps 10 and 16), leaks.

usage: launch_test.py PLUGIN SOURCE_ROOT   (environment: as the other tests of the suite)
"""
import array
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import wave

PLUGIN = os.path.abspath(sys.argv[1])
SOURCE_ROOT = os.path.abspath(sys.argv[2])
SAMPLES_PER_BYTE = 220      # of the tone engine
GAP = 4410                  # samples of segment-gap
TIMEOUT_S = 60
S16 = "audio/x-raw,format=S16LE"


def run(args, stdin=None, check=True, **env):
    done = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S,
                          env={**os.environ, **env}, cwd=FOLDER)
    output = done.stdout.decode("utf-8", "replace")
    if check and done.returncode != 0:
        raise AssertionError(f"{args}: exit code {done.returncode}\n{output}")
    return output


def launch(line, **options):
    return run(["gst-launch-1.0", "-q"] + line.split(), **options)


def samples(name):
    with wave.open(os.path.join(FOLDER, name)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2), file.getparams()
        return array.array("h", file.readframes(file.getnframes()))


def spoken(*texts):
    """Samples of these segments with the gaps between them."""
    return sum(len(text) for text in texts) * SAMPLES_PER_BYTE + (len(texts) - 1) * GAP


def write(name, text):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        file.write(text)
    return name


class LaunchLines(unittest.TestCase):
    def twice(self, line, wanted, stdin=None):
        """Runs a line that writes NAME twice: the same bytes both times, of the wanted length."""
        heard = []
        for name in ("first.wav", "second.wav"):
            launch(line.replace("NAME", name), stdin=stdin)
            heard.append(samples(name))
        self.assertEqual(len(heard[0]), wanted)
        self.assertEqual(heard[0], heard[1])
        return heard[0]

    def test_line_1_text_to_wav(self):
        self.twice(f"indextts2src model-path=tone: seed=1 text=Hello. ! {S16} ! wavenc ! filesink location=NAME",
                   spoken("Hello."))

    def test_line_1_on_three_replicas(self):
        write("book.txt", "First sentence. Second one. The third! A fourth? Fifth.")
        line = f"indextts2src model-path=tone: seed=1 location=book.txt DEVICES ! {S16} ! wavenc ! filesink location=NAME"
        parts = ("First sentence.", "Second one.", "The third!", "A fourth?", "Fifth.")
        one = self.twice(line.replace("DEVICES", "devices=cpu"), spoken(*parts))
        three = self.twice(line.replace("DEVICES", "devices=cpu:3 prefetch=2"), spoken(*parts))
        self.assertEqual(one, three)

    def test_subtitles(self):
        write("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nThe <i>first</i> cue\n\n"
                       "2\n00:00:05,000 --> 00:00:06,000\nTom & Jerry\n\n")
        self.twice(f"filesrc location=a.srt ! subparse ! indextts2src model-path=tone: seed=1 ! {S16} ! wavenc "
                   "! filesink location=NAME", 5 * 22050 + spoken("Tom & Jerry"))
        self.twice(f"filesrc location=a.srt ! subparse ! indextts2src model-path=tone: seed=1 timing=asap ! {S16} ! wavenc "
                   "! filesink location=NAME", spoken("The first cue", "Tom & Jerry"))

    def test_standard_input(self):
        self.twice(f"fdsrc ! text/x-raw,format=utf8 ! indextts2src model-path=tone: seed=1 ! {S16} ! wavenc "
                   "! filesink location=NAME", spoken("One line", "another", "the last"),
                   stdin=b"One line\n\nanother\nthe last")

    def test_standard_input_without_caps(self):
        self.twice(f"fdsrc ! indextts2src model-path=tone: seed=1 ! {S16} ! wavenc ! filesink location=NAME",
                   spoken("One line", "two"), stdin=b"One line\ntwo\n")

    def test_small_blocks_cut_letters(self):
        text = "Gr\u00fc\u00df Gott\n\u4f60\u597d\n"
        launch(f"fdsrc blocksize=1 ! indextts2src model-path=tone: seed=1 ! {S16} ! wavenc ! filesink location=c.wav",
               stdin=text.encode())
        parts = [line.encode() for line in text.splitlines()]
        self.assertEqual(len(samples("c.wav")), spoken(*parts))

    def test_uri(self):
        launch(f"indextts2src model-path=tone: uri=indextts2:Hello%20there. ! {S16} ! wavenc ! filesink location=u.wav")
        self.assertEqual(len(samples("u.wav")), spoken("Hello there."))

    def test_interrupt_drains(self):
        """gst-launch -e and one Ctrl-C: what was accepted is spoken, then EOS; the file is whole."""
        write("long.srt", "".join(f"{i + 1}\n00:00:01,000 --> 00:00:02,000\nCue number {i}\n\n" for i in range(500)))
        process = subprocess.Popen(
            ["gst-launch-1.0", "-e"] + ("filesrc location=long.srt ! subparse ! indextts2src max-text-bytes=60 "
             f"model-path=tone:segment_ms=30 ! {S16} ! wavenc ! filesink location=i.wav").split(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=FOLDER)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, output)
        self.assertIn(b"EOS received", output)
        self.assertGreater(len(samples("i.wav")), 0)

    def test_line_7_nothing_there(self):
        """No engine library, no model: inspecting works, PAUSED fails with its reason."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(PLUGIN, folder)
            env = {"GST_PLUGIN_PATH_1_0": folder + ":" + os.environ["GST_PLUGIN_PATH_1_0"].split(":", 1)[1],
                   "GST_REGISTRY": os.path.join(folder, "registry"), "INDEXTTS2_ENGINE": "",
                   "GST_PLUGIN_LOADING_WHITELIST": "", "LD_LIBRARY_PATH": ""}
            for _ in range(2):
                self.assertIn("Source/Converter/Text/Audio", run(["gst-inspect-1.0", "indextts2src"], **env))
                output = run(["gst-launch-1.0", "indextts2src", "text=Hello.", "!", "fakesink"], check=False, **env)
                self.assertIn("bundled voice was not found in", output)
                self.assertIn("/share/indextts2/models/compact-en", output)
                output = run(["gst-launch-1.0", "indextts2src", "text=Hello.", "model-path=" + folder, "!", "fakesink"],
                             check=False, **env)
                self.assertIn("libindextts2.so.0", output)


class Trap10Scanner(unittest.TestCase):
    def test_trap_10_needs_no_engine(self):
        needed = re.findall(r"NEEDED.*\[(.*)\]", run(["readelf", "-d", PLUGIN]))
        self.assertTrue(needed)
        for name in needed:
            self.assertIsNone(re.search("torch|c10|cuda|cudart|indextts2|sentencepiece|fst", name), name)

    def test_trap_10_fresh_scan_is_fast(self):
        best = 1e9
        for _ in range(5):
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(PLUGIN, folder)
                env = {"GST_PLUGIN_PATH_1_0": folder, "GST_REGISTRY": os.path.join(folder, "registry")}
                start = time.monotonic()
                run(["gst-inspect-1.0", "--exists", "--atleast-version=0.1", "indextts2src"], **env)
                best = min(best, time.monotonic() - start)
        self.assertLess(best, 0.1)

    def test_trap_10_nothing_of_ours_is_blacklisted(self):
        """A registry that knows our plugin alone: the blacklist also names every plugin of others that the whitelist of
        these tests leaves out, whatever is installed."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(PLUGIN, folder)
            env = {"GST_PLUGIN_PATH_1_0": folder, "GST_REGISTRY": os.path.join(folder, "registry")}
            self.assertIn("Source/Converter/Text/Audio", run(["gst-inspect-1.0", "indextts2src"], **env))
            self.assertIn("Total count: 0 blacklisted files", run(["gst-inspect-1.0", "-b"], **env))

    def test_inspect_lists_all(self):
        output = run(["gst-inspect-1.0", "indextts2src"])
        for name in ("model-path", "available-devices", "stats", "sink", "F32LE, (string)S16LE", "pango-markup",
                     "GstURIHandler", "is-live", "overflow", "speak-full", "use-markup"):
            self.assertIn(name, output)
        self.assertIn("reading-speed", run(["gst-inspect-1.0", "indextts2caption"]))


class Trap16NoGoto(unittest.TestCase):
    def test_trap_16_no_goto(self):
        """Locals with destructors and goto do not go together; g_return_* would leave without them, too."""
        folder = os.path.join(SOURCE_ROOT, "gst")
        for name in os.listdir(folder):
            if name.endswith((".cpp", ".h")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    self.assertIsNone(re.search(r"\bgoto\b|g_return_(val_)?if_fail", file.read()), name)


class Leaks(unittest.TestCase):
    LINES = (
        "indextts2src model-path=tone: text=Hello. ! fakesink",
        "indextts2src model-path=tone:fail_segment=0 text=Hello. on-error=skip ! fakesink",
        "indextts2src model-path=tone:fail_segment=0 text=Hello. ! fakesink",
        "indextts2src model-path=tone: text=Hello. devices=nothing ! fakesink",
        "indextts2src model-path=tone: ! fakesink",
        "fdsrc ! indextts2src model-path=tone:capped_segment=0 ! fakesink",
        "filesrc location=leak.srt ! subparse ! indextts2src model-path=tone: num-buffers=3 ! fakesink",
    )

    def test_leaks_tracer_is_clean(self):
        write("leak.srt", "1\n00:00:01,000 --> 00:00:02,000\nThe <i>first</i> cue\n\n" * 3)
        for line in self.LINES:
            output = launch(line, stdin=b"One\nTwo\n", check=False, GST_TRACERS="leaks", GST_DEBUG="GST_TRACER:7",
                            GST_DEBUG_NO_COLOR="1")
            self.assertNotIn(":: object-alive, ", output, line)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as FOLDER:
        unittest.main(argv=sys.argv[:1], verbosity=2)
