//! A transformer block of EVA-02 (Fang et al. 2023): attention with rotary positions, then a gated MLP, both behind a norm and scaled.

use super::{DEVIATION, Size, rotary};
use plugin_api::{
    Init, Param, Params, Result, Tensor,
    nn::{LayerNorm, Linear},
    training,
};

/// Epsilon of every normalisation of tokens.
pub(super) const EPSILON: f64 = 1e-5;
/// Features of the MLP a feature of a token.
const MLP_RATIO: f64 = 8.0 / 3.0;

/// `x + attention(norm(x))`, then `x + mlp(norm(x))`; x is (B, N, E).
pub(super) struct Block {
    attention: Branch<Attention>,
    mlp: Branch<Mlp>,
}

/// A part of a block with what surrounds it.
struct Branch<T> {
    norm: LayerNorm,
    inner: T,
    scale: Option<Param>,
    drop: f64,
}

impl<T> Branch<T> {
    /// What is added to `x`. In training a sample is left out with the probability `drop`, and the others weigh more.
    fn forward(&self, x: &Tensor, inner: impl Fn(&T, &Tensor) -> Tensor) -> Tensor {
        let mut y = inner(&self.inner, &self.norm.forward(x));
        if let Some(scale) = &self.scale {
            y = y * scale.tensor();
        }
        if self.drop > 0.0 && training() {
            let kept = 1.0 - self.drop;
            y = y * (Tensor::rand_uniform(&[x.size(0), 1, 1], 0.0, 1.0).lt_scalar(kept).float() / kept);
        }
        y
    }
}

fn linear(p: &Params, name: &str, input: usize, output: usize, bias: bool) -> Result<Linear> {
    Linear::new(&p.at(name), input, output, bias, Init::Normal { deviation: DEVIATION })
}

/// The last layer of a branch in block `index`: the deeper, the smaller.
fn last_linear(p: &Params, name: &str, input: usize, output: usize, index: usize) -> Result<Linear> {
    Linear::new(&p.at(name), input, output, true, Init::Normal { deviation: DEVIATION / (2.0 * (index + 1) as f64).sqrt() })
}

impl Block {
    /// Block `index` of a network of this size.
    pub(super) fn new(p: &Params, index: usize, size: &Size) -> Result<Self> {
        let features = size.features;
        let drop = if size.depth > 1 { size.drop_path * index as f64 / (size.depth - 1) as f64 } else { 0.0 };
        let scale = |name: &str| size.scale.map(|value| p.param(name, &[features], Init::Constant { value })).transpose();
        let (first, second) = (scale("gamma_1")?, scale("gamma_2")?);
        let norm = |name: &str| LayerNorm::new(&p.at(name), features, EPSILON);
        Ok(Self {
            attention: Branch { norm: norm("norm1")?, inner: Attention::new(&p.at("attn"), index, size)?, scale: first, drop },
            mlp: Branch { norm: norm("norm2")?, inner: Mlp::new(&p.at("mlp"), index, features)?, scale: second, drop },
        })
    }

    /// `rotary` is sine and cosine, (N, E / heads) each.
    pub(super) fn forward(&self, x: &Tensor, rotary: &[Tensor; 2]) -> Tensor {
        let x = x + self.attention.forward(x, |attention, x| attention.forward(x, rotary));
        &x + self.mlp.forward(&x, Mlp::forward)
    }
}

/// Attention of every token to every other; keys have no bias.
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    norm: Option<LayerNorm>,
    out: Linear,
    heads: usize,
}

impl Attention {
    fn new(p: &Params, index: usize, size: &Size) -> Result<Self> {
        let features = size.features;
        Ok(Self {
            query: linear(p, "q_proj", features, features, true)?,
            key: linear(p, "k_proj", features, features, false)?,
            value: linear(p, "v_proj", features, features, true)?,
            norm: size.inner_norm.then(|| LayerNorm::new(&p.at("norm"), features, EPSILON)).transpose()?,
            out: last_linear(p, "proj", features, features, index)?,
            heads: size.heads,
        })
    }

    #[track_caller]
    fn forward(&self, x: &Tensor, rotary: &[Tensor; 2]) -> Tensor {
        let shape = x.shape();
        let (batch, tokens, features) = (shape[0] as i64, shape[1] as i64, shape[2] as i64);
        let heads = self.heads as i64;
        // (B, heads, N, E / heads)
        let split = |x: Tensor| x.reshape(&[batch, tokens, heads, features / heads]).permute(&[0, 2, 1, 3]);
        let query = rotary::turn(&split(self.query.forward(x)), rotary);
        let key = rotary::turn(&split(self.key.forward(x)), rotary);
        let value = split(self.value.forward(x));
        let query = query * (1.0 / ((features / heads) as f64).sqrt());
        let weights = query.matmul(&key.permute(&[0, 1, 3, 2])).softmax(3); // (B, heads, N, N)
        let mut y = weights.matmul(&value).permute(&[0, 2, 1, 3]).reshape(&[batch, tokens, features]);
        if let Some(norm) = &self.norm {
            y = norm.forward(&y);
        }
        self.out.forward(&y)
    }
}

/// SwiGLU (Shazeer 2020) with a norm before the last layer.
struct Mlp {
    gate: Linear,
    up: Linear,
    norm: LayerNorm,
    out: Linear,
}

impl Mlp {
    fn new(p: &Params, index: usize, features: usize) -> Result<Self> {
        let hidden = (features as f64 * MLP_RATIO) as usize;
        Ok(Self {
            gate: linear(p, "fc1_g", features, hidden, true)?,
            up: linear(p, "fc1_x", features, hidden, true)?,
            norm: LayerNorm::new(&p.at("norm"), hidden, EPSILON)?,
            out: last_linear(p, "fc2", hidden, features, index)?,
        })
    }

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.gate.forward(x).silu() * self.up.forward(x);
        self.out.forward(&self.norm.forward(&y))
    }
}
