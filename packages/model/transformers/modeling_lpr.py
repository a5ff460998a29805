"""
Decoders with Latent Prototype Routing for transformers 5: Qwen3-MoE, Mixtral and DeepSeek-V3 with the experts of
lpr_experts.py in place of their own. To read trained models:

    AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)

Training belongs to @lpr/train: the loss terms and the updates of the router are not here.
"""

from transformers import (
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from .lpr_experts import block_name, lpr_block


class LprQwen3MoeConfig(Qwen3MoeConfig):
    model_type = "lpr_qwen3_moe"


class LprMixtralConfig(MixtralConfig):
    model_type = "lpr_mixtral"


class LprDeepseekV3Config(DeepseekV3Config):
    model_type = "lpr_deepseek_v3"


class WithLpr:
    """Puts the blocks of LPR in the place of the family's own, once it has built its layers."""

    def __init__(self, config):
        super().__init__(config)
        name = block_name(config)
        for layer in self.model.layers:
            if not hasattr(layer.mlp, "experts"):
                continue
            block = lpr_block(config)
            if name == "mlp":
                layer.mlp = block
            else:
                # The layer calls it mlp, its weights have another name.
                del layer.mlp
                setattr(layer, name, block)
                object.__setattr__(layer, "mlp", block)
        self.model.register_forward_pre_hook(tell_token_ids, with_kwargs=True)
        self.post_init()


def tell_token_ids(model, positional, named):
    """Before each pass: tells the routers the ids of its tokens, None for embeddings, and whether it goes on."""
    ids = positional[0] if positional else named.get("input_ids")
    past = named.get("past_key_values")
    for layer in model.layers:
        if hasattr(layer.mlp, "experts"):
            layer.mlp.gate.token_ids = ids
            layer.mlp.gate.goes_on = past is not None and past.get_seq_length() > 0


class LprQwen3MoeForCausalLM(WithLpr, Qwen3MoeForCausalLM):
    config_class = LprQwen3MoeConfig


class LprMixtralForCausalLM(WithLpr, MixtralForCausalLM):
    config_class = LprMixtralConfig


class LprDeepseekV3ForCausalLM(WithLpr, DeepseekV3ForCausalLM):
    config_class = LprDeepseekV3Config
