#!/usr/bin/env python3
"""Announcements over a live programme that is turned down for them.

needs: python3-gi, gir1.2-gstreamer-1.0, the plugin in GST_PLUGIN_PATH, a sound output (or LIVE_MIXER_SINK)
does:  mixes a live tone with indextts2src; ducks the tone with an interpolation control source on the mixer pad
hear:  a tone, which goes down before each announcement and comes back after it
usage: live_mixer.py [TEXT...]
"""
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import GLib, Gst, GstController  # noqa: E402

FULL, DUCKED = 0.1, 0.02  # of 10, the scale of a volume property's control
RAMP = 400 * Gst.MSECOND
LINE = """
audiomixer name=mix force-live=true ignore-inactive-pads=true start-time-selection=zero ! audioconvert ! %s
audiotestsrc is-live=true freq=330 ! audio/x-raw,rate=48000 ! audioconvert ! mix.sink_0
indextts2src name=tts is-live=true lead-time=500000000 ! queue ! audioconvert ! audioresample
  ! audio/x-raw,rate=48000 ! mix.sink_1
"""


class Mixer:
    def __init__(self, texts):
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(LINE % os.environ.get("LIVE_MIXER_SINK", "autoaudiosink"))
        self.volume = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.LINEAR)
        programme = self.pipeline.get_by_name("mix").get_static_pad("sink_0")
        programme.add_control_binding(GstController.DirectControlBinding.new(programme, "volume", self.volume))
        self.volume.set(0, FULL)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        self.pipeline.set_state(Gst.State.PLAYING)
        speech = self.pipeline.get_by_name("tts")
        self.open = sum(speech.emit("speak", text) > 0 for text in texts)

    def fade(self, before, after, end):
        """A straight line, which reaches its value at `end`."""
        self.volume.set(max(0, end - RAMP), before)
        self.volume.set(end, after)

    def on_message(self, _bus, message):
        fields = message.get_structure()
        name = fields.get_name() if fields and message.type == Gst.MessageType.ELEMENT else ""
        if message.type == Gst.MessageType.ERROR:
            sys.exit("live_mixer.py: %s" % message.parse_error()[0].message)
        if message.type == Gst.MessageType.EOS:
            self.loop.quit()
        elif name == "indextts2/utterance-start":
            self.fade(FULL, DUCKED, fields.get_uint64("running-time")[1])
        elif name in ("indextts2/utterance-end", "indextts2/utterance-dropped"):
            self.fade(DUCKED, FULL, fields.get_uint64("running-time")[1] + RAMP)
            self.open -= 1
            if self.open == 0:
                GLib.timeout_add(1500, lambda: self.pipeline.send_event(Gst.Event.new_eos()) and False)

    def run(self):
        if self.open:
            self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)


Gst.init(None)
Mixer(sys.argv[1:] or ["Good evening."]).run()
