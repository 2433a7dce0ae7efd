"""Goldens of the byte-level BPE tokenizer: a small one of Qwen2's form, and what the package
tokenizers (0.23) reads and writes with it.

usage: byte_bpe.py --texts JSONL --out FOLDER

--texts: one JSON string, or an object {"text": ...}, per line (front_texts.jsonl); merges are
learned from them. Writes tokenizer.json and cases.jsonl: {"text", "ids"} and
{"ids", "plain", "all"}, the ids decoded without and with special tokens.
"""
import argparse
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ap = argparse.ArgumentParser()
ap.add_argument("--texts", required=True)
ap.add_argument("--out", required=True)
args = ap.parse_args()
rng = random.Random(7)

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
WHOLE = ["", " ", "\n", "He's here, they'LL'd I'M we'Ve you'Re 'tis rock 'n' roll", "it'\u017f so 'S'\u017fa",
         "  two  spaces \t\n\n  end  ", "a\u0301e\u0308 A\u030angstro\u0308m \u212b", "\u1112\u1161\u11ab \ud55c\uae00",
         "1234 ٣٤ Ⅷ½ 五", "a\x00b \x1c\x1d x\x85y\xa0 z\u3000全角", "x<|endoftext|>y </think> z<think>", "<|endoftext",
         "<|endoftext|><|endoftext|>", "System: 文本情感分类<|endoftext|>\nHuman: 我很难过!<|endoftext|>\nAssistant:",
         "cafe\u0301! café!! CAFÉ!", "a" * 300, "😀👨‍👩‍👧 🇩🇪 ☺️", "\r\n\r\nx\r \r\n", "...\n\n!!\r\n a", "$5.00—no…yes",
         "नमस्ते दुनिया", "שלום עולם", "สวัสดี", "ǅ ʰ ª ⅷ"]
PARTS = ["a", "the", "ing", "Z", "é", "e\u0301", "ß", "ſ", "好", "你好", "。", "，", "か", "한", "\u1100\u1161", "ж", "Ω", "ا", "क", "\u093f", "1", "42",
         "٣", "½", "Ⅷ", " ", "  ", "\t", "\n", "\r\n", "\r", "\u3000", "\xa0", "\x85", "\x1c", "\u2028", "'", "'s", "'T", "'Re",
         "'vE", "'LL", "'d", "'m", "’", "-", "...", "!?", "\"", "😀", "\u200d", "\ufe0f", "\u0301", "\x00", "<|endoftext|>", "</think>",
         "<think>", "<|im_", "café!", "\u212b", "$", "€", "_", "\U00020000", "\U0001d7d8"]


def train(texts):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True)
                            for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    tok.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>")] +
                   [AddedToken("cafe\u0301!", normalized=True)])
    return tok


def main():
    lines = [json.loads(line) for line in open(args.texts, encoding="utf-8")]
    texts = [line if isinstance(line, str) else line["text"] for line in lines]
    tok = train(texts + WHOLE)
    os.makedirs(args.out, exist_ok=True)
    tok.save(os.path.join(args.out, "tokenizer.json"), pretty=False)
    cases = WHOLE + ["".join(rng.choices(PARTS, k=rng.randint(1, 12))) for _ in range(200)]
    size = tok.get_vocab_size() - 1     # the package writes the last, an added token with é, as bytes that are no UTF-8
    with open(os.path.join(args.out, "cases.jsonl"), "w", encoding="utf-8") as out:
        for text in cases:
            out.write(json.dumps({"text": text, "ids": tok.encode(text, add_special_tokens=False).ids}) + "\n")
        for k in range(120):
            most = size if k % 2 else 256   # tokens of one byte: mostly no UTF-8
            ids = [rng.randrange(most) for _ in range(rng.randint(1, 8))]
            if k % 3 == 0:
                ids.append(size - 1 - rng.randrange(5))
            out.write(json.dumps({"ids": ids, "plain": tok.decode(ids, skip_special_tokens=True),
                                  "all": tok.decode(ids, skip_special_tokens=False)}) + "\n")


main()
