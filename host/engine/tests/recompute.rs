//! Activations computed once more on the way back beside kept ones: the same numbers, less memory.
#![allow(clippy::unwrap_used)]

use engine::{Device, HeadTarget, Mode, Model, Supervision, kernels};
use plugin_api::{NetworkSpec, Task, abi::host::Library};
use serde_json::json;

/// Large enough that scratch space, which depends on how many threads work at once, is a small part.
const PATCH: [usize; 3] = [40, 48, 44];

fn spec(class: &str) -> NetworkSpec {
    let blocks = if class.starts_with("Residual") { "n_blocks_per_stage" } else { "n_conv_per_stage" };
    NetworkSpec {
        input_channels: 1,
        num_classes: 3,
        patch_size: PATCH.to_vec(),
        deep_supervision: true,
        network_class_name: format!("dynamic_network_architectures.architectures.unet.{class}"),
        arch_kwargs: json!({
            "n_stages": 3, "features_per_stage": [16, 24, 32], "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3]],
            "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], blocks: [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "conv_bias": true,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": true},
            "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
        }),
    }
}

/// The loss of a step and all gradients.
fn step(class: &str, recomputes: bool) -> (f32, Vec<Option<Vec<f32>>>) {
    let model =
        Model::build(&Device::cpu().recomputing(recomputes), &Library::builtin().architecture(class, "{}").unwrap(), &spec(class), 1).unwrap();
    let task = Task { outputs: 3, regions: false, ignore: false, batch_dice: false };
    let loss = Library::builtin().loss("dice_ce", "{}", &serde_json::to_string(&task).unwrap()).unwrap();
    let mut random = engine::Random::new(3, &[]);
    let voxels = PATCH.iter().product::<usize>();
    let image: Vec<f32> = (0..voxels).map(|_| random.normal() as f32).collect();
    let coarse = PATCH.map(|n| n / 2);
    let shapes = [PATCH, coarse].map(|shape| [vec![1, 1], shape.to_vec()].concat());
    let labels = shapes.each_ref().map(|shape| (0..shape.iter().product()).map(|_| (3.0 * random.uniform()) as i16).collect::<Vec<_>>());
    let heads = shapes.iter().zip(&labels).map(|(shape, values)| HeadTarget { shape, values, weight: 0.5 }).collect();
    let supervision = Supervision { heads, prepared: &[], task: &task };
    let step = model.step(Mode::Train, &image, &shapes[0], &supervision, &loss, &[0]).unwrap();
    (step.loss, step.gradients.unwrap().to_vecs().unwrap())
}

/// One test, because the memory that is asked of is the whole process's.
#[test]
fn the_same_numbers_in_less_memory() {
    standard::link();
    let mut peak = 0;
    for (class, at_most) in [("PlainConvUNet", 0.8), ("ResidualEncoderUNet", 0.8)] {
        let device = Device::cpu().recomputing(true);
        assert!(device.recomputes() && !Device::cpu().recomputes());
        let trace = engine::shape::trace(&Library::builtin().architecture(class, "{}").unwrap(), &spec(class), 1).unwrap();
        let foretold = trace.recomputing_bytes as f64 / trace.activation_bytes as f64;
        println!("{class}: {foretold} of the memory is foretold");
        assert!(foretold < at_most, "{class}: {foretold} of the memory is foretold");

        let again = step(class, true);
        let less = kernels::peak_bytes();
        let kept = step(class, false);
        let more = kernels::peak_bytes();
        assert!(again == kept, "{class}: the numbers differ");
        println!("{class}: {less} and {more} bytes, foretold {} and {}", trace.recomputing_bytes, trace.activation_bytes);
        // the peak of the process only rises, and the second network needs more than the first
        assert!(less > peak && (less as f64) < at_most * more as f64, "{class}: {peak}, then {less}, then {more} bytes");
        peak = more;
    }
}
