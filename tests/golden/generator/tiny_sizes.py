"""The official configuration with the small sizes of a profile."""


def shrink_config(cfg, S):
    """Changes the official config in place. S: `sizes` of a profile."""
    g = cfg.gpt
    g.model_dim, g.heads, g.layers = S["model_dim"], S["heads"], S["layers"]
    g.max_mel_tokens, g.max_text_tokens = S["max_mel_tokens"], S["max_text_tokens"]
    g.number_mel_codes = S["codebook"] + 2
    g.start_mel_token, g.stop_mel_token = S["codebook"], S["codebook"] + 1
    g.condition_module.update(S["spk"])
    g.emo_condition_module.update(S["emo"])
    sc = cfg.semantic_codec
    sc.codebook_size, sc.hidden_size = S["codebook"], S["sem"]
    sc.vocos_dim, sc.vocos_intermediate_dim, sc.vocos_num_layers = S["vocos_dim"], S["vocos_inner"], S["vocos_layers"]
    m = cfg.s2mel
    m.length_regulator.channels = S["lr_channels"]
    m.length_regulator.in_channels = S["sem"]
    m.length_regulator.content_codebook_size = 16
    m.DiT.hidden_dim, m.DiT.num_heads, m.DiT.depth = S["dit_dim"], S["dit_heads"], S["dit_depth"]
    m.DiT.content_dim = S["lr_channels"]
    m.DiT.content_codebook_size = 16
    m.wavenet.hidden_dim, m.wavenet.num_layers = S["dit_dim"], S["wavenet_layers"]
    return cfg


def hard_coded_sizes(S):
    """Arguments of common.patched_sizes."""
    return dict(sem=S["sem"], emo_dim=S["emo_dim"], gpt_layer=[S["model_dim"], *S["gpt_layer"], S["sem"]],
                campplus=dict(growth_rate=S["growth"], bn_size=S["bn_size"], init_channels=S["init_channels"]))


def w2v_sizes(S):
    """Arguments of Wav2Vec2BertConfig that differ from its defaults, which are the official ones."""
    return dict(hidden_size=S["sem"], num_hidden_layers=S["w2v_layers"], num_attention_heads=S["w2v_heads"],
                intermediate_size=S["w2v_inner"], output_hidden_size=S["sem"])
