"""Random weights of the networks, with scales such that no stage degenerates; of any size, on any device.

On the CPU the draws come in a fixed order: one seed gives one set of weights.
"""
import torch


def rn(*s, std=1.0, device=None):
    return torch.randn(*s, device=device) * std


def rn_like(p, std=1.0):
    return rn(*p.shape, std=std, device=p.device)


def _fan_in(module, p):
    kind = type(module).__name__
    if kind == "ConvTranspose1d":
        return p.shape[0] * p.shape[2] / module.stride[0]
    if kind == "Conv1D":
        return p.shape[0]
    return p[0].numel()


def _randomise_weight(module, p, gain):
    if isinstance(module, torch.nn.Embedding):
        p.copy_(rn_like(p, .5))
    elif p.dim() < 2:      # RMS norms
        p.copy_(1 + rn_like(p, .15))
    else:
        p.copy_(rn_like(p, gain / _fan_in(module, p) ** .5))


def _randomise_norm(names, bufs):
    if "running_mean" in bufs:
        bufs["running_mean"].copy_(rn_like(bufs["running_mean"], .2))
        bufs["running_var"].copy_(torch.rand_like(bufs["running_var"]) + .5)
        bufs["num_batches_tracked"].fill_(1000)
    if "weight" in names:
        names["weight"].copy_(1 + rn_like(names["weight"], .15))
        names["bias"].copy_(rn_like(names["bias"], .1))


@torch.no_grad()
def randomise(mod, gain=1.0):
    """Variance-preserving random weights; norms and biases off their defaults."""
    from torch import nn
    for m_ in mod.modules():
        names = dict(m_.named_parameters(recurse=False))
        if isinstance(m_, (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d)):
            _randomise_norm(names, dict(m_.named_buffers(recurse=False)))
            continue
        for n, p in names.items():
            if n in ("weight", "weight_v"):
                _randomise_weight(m_, p, gain)
            elif n == "weight_g":
                nv = names["weight_v"].flatten(1).norm(dim=1).view(p.shape)
                p.copy_(nv * (1 + rn_like(p, .1)))
            elif n == "bias":
                p.copy_(rn_like(p, .05))
            elif n in ("alpha", "beta"):
                p.copy_(rn_like(p, .4))
            elif n in ("pos_bias_u", "pos_bias_v", "latents", "mask_token"):
                p.copy_(rn_like(p, .3))
            elif n == "gamma":
                p.copy_((.4 if "ConvNeXt" in type(m_).__name__ else 1.) + rn_like(p, .15))
            elif n in ("masked_spec_embed",):
                p.copy_(rn_like(p))
            elif n.startswith("weight"):
                raise SystemExit("unexpected parameter " + n)
    return mod


@torch.no_grad()
def randomise_gpt(gpt, stop_bias, stop_ramp=None):
    """UnifiedVoice. stop_ramp: how fast the stop token grows likelier with the position, so that sequences end after some
    tens of codes; None: the position does not matter (a stop_bias of -1e4 then suppresses it)."""
    randomise(gpt)
    mel_pos = gpt.mel_pos_embedding.emb.weight
    mel_pos.copy_(rn_like(mel_pos, .3))
    gpt.text_pos_embedding.emb.weight.copy_(rn_like(gpt.text_pos_embedding.emb.weight, .3))
    gpt.speed_emb.weight.copy_(rn_like(gpt.speed_emb.weight, .5))
    gpt.mel_head.weight.mul_(1.8)          # logits with a standard deviation near 2
    gpt.mel_head.bias.copy_(rn_like(gpt.mel_head.bias, .3))
    gpt.mel_head.bias[gpt.stop_mel_token] = stop_bias
    if stop_ramp is not None:
        u = torch.nn.functional.normalize(rn(mel_pos.shape[1], device=mel_pos.device), dim=0)
        k = torch.arange(mel_pos.shape[0], dtype=torch.float32, device=mel_pos.device)
        mel_pos.add_((6 * (k / 30 - 1)).clamp(max=9)[:, None] * u)
        gpt.mel_head.weight[gpt.stop_mel_token] += stop_ramp * u
    gpt.mel_head.bias[gpt.start_mel_token] = -4.  # the start token is never a good candidate
    return gpt


@torch.no_grad()
def randomise_s2mel(s2mel):
    """MyModel with the DiT estimator."""
    randomise(s2mel)
    est = s2mel.models["cfm"].estimator
    for layer in [*est.transformer.layers, est.transformer]:
        for n in (["attention_norm", "ffn_norm"] if hasattr(layer, "attention_norm") else ["norm"]):
            p = getattr(layer, n).project_layer      # first half is the weight of the norm: near 1
            p.weight.mul_(.3)
            p.bias[:p.bias.shape[0] // 2].add_(1.)
    for layer in est.transformer.layers:
        layer.attention.wo.weight.mul_(.5)
        layer.feed_forward.w2.weight.mul_(.5)
    est.conv2.weight.mul_(.7)
    return s2mel


def randomise_campplus(campplus):
    return randomise(campplus, gain=1.3)


@torch.no_grad()
def randomise_vocoder(voc):
    """BigVGAN with weight norm. Peaks near, a few of them beyond, full scale."""
    randomise(voc, gain=1.)
    v = voc.conv_post.weight_v             # no response to a constant: the wave has no offset
    v.sub_(v.mean(dim=2, keepdim=True))
    x = rn(1, voc.h.num_mels, 64, std=1.5, device=v.device)
    voc.eval()
    tail = {}
    hook = voc.conv_post.register_forward_hook(lambda m_, i, o: tail.update(o=o))
    voc(x)
    hook.remove()
    voc.conv_post.weight_g.mul_(.3 / tail["o"].std())
    return voc


@torch.no_grad()
def randomise_w2v(w2v):
    """Wav2Vec2BertModel, in which frames stay different from each other."""
    randomise(w2v).eval()
    for layer in w2v.encoder.layers:
        layer.self_attn.distance_embedding.weight.mul_(1.5)
        layer.self_attn.linear_out.weight.mul_(.4)
        layer.conv_module.pointwise_conv2.weight.mul_(.7)
        layer.final_layer_norm.bias.mul_(.3)
    return w2v


@torch.no_grad()
def randomise_codec(codec, features):
    """RepCodec, whose codes of `features` [1, T, width], normalised, are many different ones."""
    randomise(codec)
    fvq = codec.quantizer.quantizers[0]
    cb = fvq.codebook.weight
    cb.copy_(rn_like(cb) * (torch.rand(cb.shape[0], 1, device=cb.device) + .5))
    z = fvq.in_project(codec.encoder(features.transpose(1, 2)).transpose(1, 2))
    fvq.in_project.bias.sub_(z.mean(dim=(0, 2)))
    return codec
