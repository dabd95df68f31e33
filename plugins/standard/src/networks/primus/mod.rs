//! Primus (Wald et al. 2025, arXiv 2503.01835): tokens of 8x8x8 voxels, a transformer over them, and transposed convolutions back to voxels.
//!
//! Parameters carry the names of `dynamic_network_architectures` 0.4.4. There is one head, so deep supervision has nothing to do.

mod block;
mod decode;
mod rotary;

use block::Block;
use decode::PatchDecode;
use plugin_api::{
    nn::{Conv, LayerNorm},
    prelude::*,
};
use rotary::Rotary;

/// Deviation of the normal distribution that linear layers and the position embedding start from.
const DEVIATION: f64 = 0.02;

/// Settings, by the names of the Python class; what is left out is the size's, or that class's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Features of a token.
    embed_dim: Option<usize>,
    /// Transformer blocks.
    eva_depth: Option<usize>,
    /// Heads of each attention.
    eva_numheads: Option<usize>,
    /// Voxels of a token along each axis, powers of two; 8, 8, 8.
    patch_embed_size: Option<Vec<usize>>,
    /// Probability of leaving out a branch of the last block in training; it grows from 0 at the first.
    drop_path_rate: f64,
    /// Where the scales of the branches (LayerScale) start; none without it.
    init_values: Option<f64>,
    /// A normalisation before an attention's last layer.
    scale_attn_inner: Option<bool>,
    /// The patch, which the plan says already.
    input_shape: Option<Vec<usize>>,
}

/// Everything filled in.
struct Size {
    features: usize,
    depth: usize,
    heads: usize,
    token: Vec<usize>,
    drop_path: f64,
    scale: Option<f64>,
    inner_norm: bool,
}

impl Settings {
    /// These settings, over what a plan that names the network itself says of it, over those of a size.
    fn resolve(&self, spec: &NetworkSpec, size: Option<[usize; 3]>) -> Result<Size> {
        let plan = match spec.network_class_name.rsplit('.').next() {
            Some(class) if class.starts_with("Primus") => Settings::deserialize(&spec.arch_kwargs)
                .map_err(|error| Error::new(format!("arch_kwargs of the plan cannot be read for {class}: {error}")))?,
            _ => Settings::default(),
        };
        if let Some(shape) = self.input_shape.as_ref().or(plan.input_shape.as_ref()).filter(|shape| **shape != spec.patch_size) {
            bail!("input_shape is {shape:?} but the plan's patch is {:?}; leave input_shape out", spec.patch_size);
        }
        let number = |key: &str, own: Option<usize>, plan: Option<usize>, place: usize| {
            let known = own.or(plan).or(size.map(|size| size[place])).filter(|&n| n > 0);
            known.ok_or_else(|| Error::new(format!("{key} is missing; give it, or take PrimusS, PrimusB, PrimusM or PrimusL")))
        };
        let drop_path = if self.drop_path_rate > 0.0 { self.drop_path_rate } else { plan.drop_path_rate };
        if !(0.0..1.0).contains(&drop_path) {
            bail!("drop_path_rate is {drop_path}; wanted 0 or more and less than 1");
        }
        Ok(Size {
            features: number("embed_dim", self.embed_dim, plan.embed_dim, 0)?,
            depth: number("eva_depth", self.eva_depth, plan.eva_depth, 1)?,
            heads: number("eva_numheads", self.eva_numheads, plan.eva_numheads, 2)?,
            token: self.patch_embed_size.clone().or(plan.patch_embed_size).unwrap_or_else(|| vec![8; 3]),
            drop_path,
            scale: self.init_values.or(plan.init_values).or(size.map(|_| 0.1)),
            inner_norm: self.scale_attn_inner.or(plan.scale_attn_inner).unwrap_or(size.is_some()),
        })
    }

    fn build(&self, spec: &NetworkSpec, p: &Params, size: Option<[usize; 3]>) -> Result<Box<dyn Network>> {
        let size = self.resolve(spec, size)?;
        let (patch, token, features) = (&spec.patch_size, &size.token, size.features);
        if patch.len() != 3 || token.len() != 3 {
            bail!("Primus is a network for volumes; the plan's patch {patch:?} has {} axes", patch.len());
        }
        if !token.iter().all(|n| n.is_power_of_two()) || patch.iter().zip(token).any(|(n, &t)| !n.is_multiple_of(t)) {
            bail!("the plan's patch {patch:?} is not divisible by Primus' tokens of {token:?} voxels (powers of two); change patch_size in the plan");
        }
        let grid: Vec<usize> = patch.iter().zip(token).map(|(n, t)| n / t).collect();
        let tokens: usize = grid.iter().product();
        // masked tokens of a pre-training; kept, not used
        p.buffer("mask_token", &[1, 1, features], Init::ZEROS)?;
        let settings = ConvSettings { stride: token.clone(), padding: vec![0; 3], dilation: vec![1; 3], groups: 1 };
        let embed = Conv::new(&p.at("down_projection.proj"), spec.input_channels, features, token, settings, true)?;
        let decode = PatchDecode::new(&p.at("up_projection.decode"), token, features, spec.num_classes)?;
        let eva = p.at("eva");
        let position = eva.param("pos_embed", &[1, tokens, features], Init::Normal { deviation: DEVIATION })?;
        let rotary = Rotary::new(&grid, features, size.heads)?;
        let blocks = (0..size.depth).map(|i| Block::new(&eva.at("blocks").at(i), i, &size)).collect::<Result<_>>()?;
        let norm = LayerNorm::new(&eva.at("norm"), features, block::EPSILON)?;
        Ok(Box::new(Primus { patch: patch.clone(), grid, embed, position, rotary, blocks, norm, decode }))
    }
}

struct Primus {
    patch: Vec<usize>,
    grid: Vec<usize>,
    embed: Conv,
    position: Param,
    rotary: Rotary,
    blocks: Vec<Block>,
    norm: LayerNorm,
    decode: PatchDecode,
}

impl Network for Primus {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let shape = x.shape();
        if shape.get(2..) != Some(&self.patch[..]) {
            bail!("Primus was built for patches of {:?} voxels, its positions are theirs; it was given {shape:?}", self.patch);
        }
        let x = self.embed.forward(x); // (B, E, d, h, w)
        let (batch, features) = (x.size(0) as i64, x.size(1) as i64);
        let x = x.reshape(&[batch, features, -1]).permute(&[0, 2, 1]); // (B, N, E)
        let rotary = self.rotary.tensors();
        let x = self.blocks.iter().fold(x + self.position.tensor(), |x, block| block.forward(&x, &rotary));
        let x = self.norm.forward(&x).permute(&[0, 2, 1]);
        let grid = self.grid.iter().map(|&n| n as i64);
        let x = x.reshape(&[batch, features].into_iter().chain(grid).collect::<Vec<_>>());
        Ok(vec![self.decode.forward(&x)])
    }
}

/// An architecture for each size: features, blocks, heads.
macro_rules! sizes {
    ($($ty:ident $name:literal $size:expr, $about:literal;)+) => {$(
        #[derive(Default, Deserialize)]
        #[serde(transparent)]
        struct $ty(Settings);

        impl Architecture for $ty {
            fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
                self.0.build(spec, p, $size)
            }
        }

        register_architecture!($name, $ty, $about);
    )+};
}

sizes! {
    AnySize "Primus" None, "transformer over tokens of 8x8x8 voxels, of any size (embed_dim, eva_depth, eva_numheads)";
    Small "PrimusS" Some([396, 12, 6]), "Primus with 396 features, 12 blocks, 6 heads";
    Base "PrimusB" Some([792, 12, 12]), "Primus with 792 features, 12 blocks, 12 heads";
    Medium "PrimusM" Some([864, 16, 12]), "Primus with 864 features, 16 blocks, 12 heads";
    Large "PrimusL" Some([1056, 24, 16]), "Primus with 1056 features, 24 blocks, 16 heads";
}
