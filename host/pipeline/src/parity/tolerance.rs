//! How far apart two numbers may be. Each constant quotes the README beside nnU-Net's numbers, which says it of its section.

/// plans: "everything in plans exact (ints exact, floats 1e-9)"; also of the fingerprint, whose draws are NumPy's. Relative to the
/// number where that is above 1.
pub(super) const PLANS: f64 = 1e-9;
/// planner: "Exact equality expected (keys order too)"; preproc: "bbox/shapes exact"; metrics: "Exact".
pub(super) const EXACT: f64 = 0.0;
/// metrics, of rules that are real numbers: "Exact"; the last bits of a power or a sine are the mathematics library's.
pub(super) const RULES: f64 = 1e-12;
/// preproc: "data 1e-4 abs (zscored units) for order 3".
pub(super) const DATA_CUBIC: f64 = 1e-4;
/// preproc: "1e-5 for order<=1 and no resampling".
pub(super) const DATA_LINEAR: f64 = 1e-5;
/// preproc: "seg exact except ties (allow <0.05 % voxels)"; a share of the voxels.
pub(super) const TIES: f64 = 5e-4;
/// preproc: "prob 2e-3 (fp16)"; also of predicted probabilities, which are "stored float16 here".
pub(super) const PROBABILITY: f64 = 2e-3;
/// Lengths that went through a NIfTI header, whose numbers are float32.
pub(super) const GEOMETRY: f64 = 1e-6;
/// network: "outputs 1e-4 abs (f32 floor is 4e-6..3e-5)".
pub(super) const OUTPUTS: f64 = 1e-4;
/// network: "loss 1e-5".
pub(super) const LOSS: f64 = 1e-5;
/// network: "grads: 1e-3 of the tensor's absmax + 1e-6". Where the coarsest stage has two voxels, whose instance norm hangs on the last bit,
/// more by as much as our own gradient moves when the input moves by one unit in the last place.
pub(super) const GRADIENT: f64 = 1e-3;
/// network: the "1e-6" of [`GRADIENT`]; "gradients of conv biases followed by InstanceNorm are pure noise (<1e-6): compare absolutely".
pub(super) const GRADIENT_FLOOR: f64 = 1e-6;
/// network: "up to 2e-2 in nets where a leaky-ReLU sign flips".
pub(super) const GRADIENT_FLIPPED: f64 = 2e-2;
/// network: "total norm 1e-3", relative.
pub(super) const GRADIENT_NORM: f64 = 1e-3;
/// network: [`GRADIENT_NORM`] after the first step of SGD, where flipped signs add up.
pub(super) const GRADIENT_NORM_LATER: f64 = 5e-3;
/// network: "sgd losses 1e-4"; also of the norms of the parameters that the steps lead to, relative where those are above 1.
pub(super) const SGD: f64 = 1e-4;
/// metrics, losses: "1e-5", of values and gradients.
pub(super) const LOSSES: f64 = 1e-5;
/// metrics: "gaussian ... f32 1e-6".
pub(super) const GAUSSIAN: f64 = 1e-6;
/// metrics: "gaussian ... f16 1 ulp".
pub(super) const GAUSSIAN_ULPS: f64 = 1.0;
/// metrics: sliding windows "2e-2 abs on logits (fp16 accumulations)".
pub(super) const WINDOW: f64 = 2e-2;
/// metrics: "argmax agreement > 99.9 %"; predict: "Expect >= 99.9 % voxel agreement". The share that may differ.
pub(super) const VOXELS: f64 = 1e-3;
/// predict: "Dice within 1e-3".
pub(super) const DICE: f64 = 1e-3;
/// training: norms of a checkpoint's tensors, which were added up in another order; relative.
pub(super) const NORM: f64 = 1e-5;
