"""A small SentencePiece vocabulary for a tiny model, trained on the front end's test texts.

The special pieces are those of the official vocabulary: <s> 0, </s> 1, <unk> 2.
"""
import io
import json
import os

import sentencepiece

TEXTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "front_texts.jsonl")


def train(pieces, path):
    """Writes a BPE model of about that many pieces; the texts are cut as the reference cuts them before encoding."""
    from indextts.utils.common import tokenize_by_CJK_char
    with open(TEXTS, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f if line.strip()]
    texts = [tokenize_by_CJK_char(line if isinstance(line, str) else line["text"]) for line in lines]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, model_type="bpe", vocab_size=pieces, character_coverage=.98,
        bos_id=0, eos_id=1, unk_id=2, num_threads=1, minloglevel=2)
    with open(path, "wb") as f:
        f.write(model.getvalue())


def size(path):
    return sentencepiece.SentencePieceProcessor(model_file=path).get_piece_size()
