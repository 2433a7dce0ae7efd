"""Prompt clips of given lengths, cut from the project's own prompts."""
import glob
import os
import wave


def make_clips(prompts, folder, seconds):
    """{length: path}. prompts: folder with mono 16-bit WAV files of one rate."""
    frames, rate = b"", None
    for path in sorted(glob.glob(os.path.join(prompts, "*.wav"))):
        with wave.open(path) as w:
            rate = w.getframerate()
            frames += w.readframes(w.getnframes())
    if not frames:
        raise SystemExit(f"{prompts}: no WAV file to cut prompts from")
    os.makedirs(folder, exist_ok=True)
    paths = {}
    for length in seconds:
        wanted = int(length * rate) * 2
        paths[length] = os.path.join(folder, f"prompt_{length:g}.wav")
        with wave.open(paths[length], "wb") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(rate)
            w.writeframes((frames * (wanted // len(frames) + 1))[:wanted])
    return paths
