"""
The experts of a layer behind Latent Prototype Routing (arXiv 2506.21328), in plain PyTorch, as @lpr/model exports it.

What is here computes what a trained model does when it is read: routing by the means of the latents, without noise,
loss terms or updates. `options` are the switches of the router, all of them, as `lpr_options` in config.json has them.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

SMALLEST_VARIANCE = 1e-6
DISTANCES = ("wasserstein", "kl", "js", "hellinger")

# Of each family: what a layer calls its experts with their router, the keys of config.json that say how many experts
# there are and how wide, and the names of an expert's matrices.
USUAL_MATRICES = ("gate_proj", "up_proj", "down_proj")
FAMILIES = {
    "lpr_qwen3_moe": ("mlp", "num_experts", "moe_intermediate_size", USUAL_MATRICES),
    "lpr_mixtral": ("block_sparse_moe", "num_local_experts", "intermediate_size", ("w1", "w3", "w2")),
    "lpr_deepseek_v3": ("mlp", "n_routed_experts", "moe_intermediate_size", USUAL_MATRICES),
}


def unit_rows(x):
    return x / torch.sqrt(x.square().sum(-1, keepdim=True) + 1e-12)


def squared_distances(a, b):
    squares = a.square().sum(-1, keepdim=True) + b.square().sum(-1)
    return torch.clamp(squares - 2 * a @ b.T, min=0)


def root_of_rest(logarithm):
    return torch.sqrt((1 - torch.exp(logarithm)).abs() + 1e-12)


class Similarity(nn.Module):
    """What a measure learns; empty for most."""

    def __init__(self, options):
        super().__init__()
        width = options["latentDim"]
        if options["measure"] == "mahalanobis":
            self.log_sigma = nn.Parameter(torch.zeros(width))
        if options["measure"] == "attention" and options["attentionProjections"]:
            self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
            self.q_norm, self.k_norm = RmsNorm(width), RmsNorm(width)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


class LprGate(nn.Module):
    """Tokens to their experts and weights; parameters are named as in the released code."""

    def __init__(self, hidden, experts, top_k, options):
        super().__init__()
        self.options, self.top_k = options, top_k
        width = options["latentDim"]
        self.gaussian = options["measure"] in DISTANCES
        self.norm = nn.LayerNorm(hidden)
        self.encoder = nn.Linear(hidden, 2 * width)
        if self.gaussian:
            self.expert_keys_mu = nn.Parameter(torch.zeros(experts, width))
            self.expert_keys_logvar = nn.Parameter(torch.zeros(experts, width))
        else:
            self.expert_keys = nn.Parameter(torch.zeros(experts, width))
        # A latent for every token id, where the switch says how many there are.
        vocabulary = options.get("vocabulary", 0)
        if vocabulary > 0:
            self.token_latents = nn.Parameter(torch.zeros(vocabulary, width))
        # Another for that of the token before; the last row is for a token with none before.
        self.goes_by_token_before = options.get("precedingLatents", False)
        if self.goes_by_token_before:
            self.preceding_latents = nn.Parameter(torch.zeros(vocabulary + 1, width))
        self.token_ids, self.goes_on = None, False
        self.similarity_func = Similarity(options)
        if options["outProjection"]:
            if self.gaussian:
                self.proj = nn.Linear(width, width)
            self.out_proj = nn.Linear(width, hidden)
        # State of training. All but the bias is held so that nothing of a checkpoint is left over.
        if options["selectionBiasRate"] > 0:
            self.register_buffer("selection_bias", torch.zeros(experts))
        moves = options["ema"] == "official"
        if options["emaBuffers"] or (moves and not self.gaussian):
            self.register_buffer("ema_sums", torch.zeros(experts, width))
        if moves and self.gaussian:
            self.register_buffer("ema_mu", torch.zeros(experts, width))
            self.register_buffer("ema_var", torch.ones(experts, width))
        if options["emaBuffers"] or moves:
            self.register_buffer("ema_counts", torch.zeros(experts))

    def forward(self, x):
        """x [tokens, hidden]: experts [tokens, k], weights [tokens, k], and what experts read [tokens, hidden]."""
        options = self.options
        encoded = self.encoder(F.silu(self.norm(x)))
        mu, logvar = encoded.chunk(2, dim=-1)
        if hasattr(self, "token_latents"):
            mu = mu + self.token_latents[self.ids_of(x)]
        if self.goes_by_token_before:
            mu = mu + self.preceding_latents[self.ids_before(x)]
        scores = options["temperature"] * self.scores(mu, logvar)
        merit = self.within_best_groups(scores + getattr(self, "selection_bias", 0))
        # The lowest index among equal ones.
        experts = torch.sort(merit, dim=-1, descending=True, stable=True).indices[:, : self.top_k]
        weights = options["weightScale"] * scores.gather(-1, experts).softmax(-1)
        if not options["outProjection"]:
            return experts, weights, x
        means = self.proj(self.expert_keys_mu) if self.gaussian else self.expert_keys
        return experts, weights, x + self.out_proj(scores.softmax(-1) @ means)

    def ids_of(self, x):
        """The ids of the tokens of x, which whoever calls the model's layers puts in `token_ids`."""
        if self.token_ids is None or self.token_ids.numel() != len(x):
            raise ValueError("this router goes by token ids as well; give the model input_ids, not inputs_embeds")
        return self.token_ids.flatten().to(x.device)

    def ids_before(self, x):
        """The ids before those of the tokens of x; `goes_on` says that the sequences began in an earlier pass."""
        if self.goes_on:
            raise ValueError("this router goes by the token before, which a cache does not hold; give use_cache=False")
        ids = self.ids_of(x).view(-1, self.token_ids.shape[-1])
        none = torch.full_like(ids[:, :1], len(self.preceding_latents) - 1)
        return torch.cat([none, ids[:, :-1]], dim=1).flatten()

    def scores(self, mu, logvar):
        options, learned = self.options, self.similarity_func
        measure = options["measure"]
        if self.gaussian:
            return -self.distances(mu, logvar)
        keys = self.expert_keys
        if measure == "cosine":
            return unit_rows(mu) @ unit_rows(keys).T
        if measure == "dotProduct":
            return mu @ keys.T
        if measure == "gaussianKernel":
            return torch.exp(-0.5 / options["kernelWidth"] ** 2 * squared_distances(mu, keys))
        if measure == "mahalanobis":
            scale = torch.exp(-0.5 * learned.log_sigma)
            return 1 / (1 + squared_distances(mu * scale, keys * scale))
        if options["attentionProjections"]:
            mu, keys = learned.q_norm(learned.q_proj(mu)), learned.k_norm(learned.k_proj(keys))
        return mu @ keys.T / math.sqrt(mu.shape[-1] * options["attentionHeads"])

    def distances(self, mu1, v1):
        options, mu2, v2 = self.options, self.expert_keys_mu, self.expert_keys_logvar
        measure = options["measure"]
        if measure == "wasserstein":
            both = squared_distances(torch.cat([mu1, torch.exp(v1 / 2)], -1), torch.cat([mu2, torch.exp(v2 / 2)], -1))
            return both if options["squaredWasserstein"] else torch.sqrt(both + 1e-6)
        mu1, v1 = mu1[:, None], v1[:, None]
        squares = (mu1 - mu2).square()
        if measure == "kl":
            s1, s2 = v1.exp().clamp(min=SMALLEST_VARIANCE), v2.exp().clamp(min=SMALLEST_VARIANCE)
            return 0.5 * (v2 - v1 + (s1 + squares) / s2 - 1).sum(-1)
        total = v1.exp() + v2.exp()
        if measure == "js":
            middle = (total / 2).clamp(min=SMALLEST_VARIANCE)
            return 0.25 * (2 * middle.log() - v1 - v2 + squares / (2 * middle)).sum(-1)
        if options["printedHellinger"]:
            logarithm = math.log(2) + (v1 + v2) / 2 - total.log() - squares / (4 * total)
            return root_of_rest(logarithm.sum(-1)) / math.sqrt(2)
        total = total + 1e-6
        factors = 0.5 * (math.log(2) + (v1 + v2) / 2 - total.log()) - squares / (4 * total)
        return root_of_rest(factors.clamp(min=math.log(1e-6), max=0).sum(-1))

    def within_best_groups(self, merit):
        """-1e30 outside of the best groups of each token; a group is as good as the sum of its two best."""
        groups, kept = self.options["groups"], self.options["keptGroups"]
        if groups == kept:
            return merit
        grouped = merit.unflatten(-1, (groups, -1))
        of_groups = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(-1)
        outside = torch.ones_like(of_groups, dtype=torch.bool).scatter(-1, of_groups.topk(kept, dim=-1).indices, False)
        return grouped.masked_fill(outside[..., None], -1e30).flatten(-2)


class Expert(nn.Module):
    """down(silu(gate x) * up x), its matrices named as the family names them."""

    def __init__(self, hidden, width, names):
        super().__init__()
        self.names = names
        gate, up, down = names
        self.add_module(gate, nn.Linear(hidden, width, bias=False))
        self.add_module(up, nn.Linear(hidden, width, bias=False))
        self.add_module(down, nn.Linear(width, hidden, bias=False))

    def forward(self, x):
        gate, up, down = (getattr(self, name) for name in self.names)
        return down(F.silu(gate(x)) * up(x))


class LprBlock(nn.Module):
    """Gate and experts of a layer, with the MLP for all tokens that DeepSeek-V3 has beside them."""

    def __init__(self, hidden, width, experts, top_k, options, names, shared_width=0):
        super().__init__()
        self.gate = LprGate(hidden, experts, top_k, options)
        self.experts = nn.ModuleList([Expert(hidden, width, names) for _ in range(experts)])
        if shared_width > 0:
            self.shared_experts = Expert(hidden, shared_width, names)

    def forward(self, hidden_states):
        x = hidden_states.flatten(0, -2)
        chosen, weights, read = self.gate(x)
        output = torch.zeros_like(x)
        for number in chosen.unique().tolist():
            tokens, slots = torch.where(chosen == number)
            share = weights[tokens, slots, None].to(x.dtype)
            output.index_add_(0, tokens, self.experts[number](read[tokens]) * share)
        if hasattr(self, "shared_experts"):
            output = output + self.shared_experts(x)
        return output.view_as(hidden_states)


def block_name(config):
    return FAMILIES[config.model_type][0]


def lpr_block(config):
    """The block of a layer with experts, by the keys of config.json."""
    _, experts, width, matrices = FAMILIES[config.model_type]
    width = getattr(config, width)
    return LprBlock(
        config.hidden_size,
        width,
        getattr(config, experts),
        config.num_experts_per_tok,
        config.lpr_options,
        matrices,
        shared_width=width * getattr(config, "n_shared_experts", 0),
    )
