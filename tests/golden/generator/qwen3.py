"""Golden of the Qwen3 language model: a tiny random model folder and what transformers computes with it.

usage: qwen3.py --out DIR

Writes DIR/qwen3/ (as save_pretrained does, weights in bfloat16) and DIR/qwen3.safetensors.
"""
import argparse
import os

import torch
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

from golden import Golden
from random_weights import randomise

LIMIT = 40


def build(seed):
    torch.manual_seed(seed)
    config = Qwen3Config(vocab_size=160, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
                         num_key_value_heads=2, head_dim=16, rope_theta=1e6, rms_norm_eps=1e-6, tie_word_embeddings=True,
                         bos_token_id=1, eos_token_id=2, torch_dtype="bfloat16")
    model = Qwen3ForCausalLM(config).eval()
    randomise(model, gain=1.6)
    return model.bfloat16(), torch.randint(3, 160, (1, 23))


def load(folder, dtype):
    return Qwen3ForCausalLM.from_pretrained(folder, torch_dtype=dtype, attn_implementation="eager").eval()


def answer(model, prompt, eos):
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=LIMIT, eos_token_id=eos,
                         pad_token_id=0)
    return out[0, prompt.shape[1]:]


def late_end(ids):
    """The last position of a token that had not come before."""
    return max(i for i in range(len(ids)) if ids[i] not in ids[:i])


def compute(folder, prompt):
    """Logits of prompt and answer in both precisions, the answer without the token that ends it."""
    model = load(folder, torch.float32)
    ids = answer(model, prompt, model.generation_config.eos_token_id)
    assert ids[-1] == model.generation_config.eos_token_id and len(ids) < LIMIT
    whole = torch.cat([prompt[0], ids[:-1]])[None]
    return ids[:-1], model(whole).logits[0], load(folder, torch.float64)(whole).logits[0]


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    folder = os.path.join(args.out, "qwen3")
    for seed in range(1, 100):
        model, prompt = build(seed)
        model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2)
        model.save_pretrained(folder)
        ids = answer(load(folder, torch.float32), prompt, None).tolist()
        end = late_end(ids)
        if end < 15:
            continue
        model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=ids[end])
        model.save_pretrained(folder)
        got, logits, logits64 = compute(folder, prompt)
        best = logits[prompt.shape[1] - 1:].topk(2).values
        if (best[:, 0] - best[:, 1]).min() > 1e-2:
            break
    print("seed", seed, "answer", got.tolist())
    Golden(args.out, "qwen3", "greedy answer of a tiny Qwen3 (transformers), and the logits of prompt and answer", seed=seed) \
        .inp(prompt=prompt[0]).out_("answer", got).out_("logits", logits, logits64).write()
    Golden.write_index(args.out)


if __name__ == "__main__":
    main()
