//! A plugin as it could have been written when plugin-api 1.0 was released. Only releases that follow may add to it, in a copy.

use plugin_api::prelude::*;

plugin!("org.example.abi_plugin");

/// Two convolutions, the second a head.
#[derive(Default, Deserialize)]
struct TwoConvs {}

struct Net {
    first: nn::Conv,
    head: nn::Conv,
}

impl Architecture for TwoConvs {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let dims = spec.dims();
        Ok(Box::new(Net {
            first: nn::Conv::pointwise(&p.at("first"), spec.input_channels, 4, dims, true)?,
            head: nn::Conv::pointwise(&p.at("head"), 4, spec.num_classes, dims, true)?,
        }))
    }
}

impl Network for Net {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.head.forward(&self.first.forward(x).relu())])
    }
}

/// Cross entropy, and the number of voxels of each class from `prepare`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Counting {
    fail: bool,
}

impl Default for Counting {
    fn default() -> Self {
        Self { fail: false }
    }
}

impl Loss for Counting {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        Ok(-logits.log_softmax(1).gather(1, target.labels()).mean_where(target.valid()))
    }

    fn prepare(&self, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
        assert!(!self.fail, "abi-plugin was told to fail");
        let counts: Vec<i32> = labels.foreground().map(|c| labels.mask(c).iter().filter(|&&inside| inside).count() as i32).collect();
        Ok(vec![Prepared::ints("voxels", &[counts.len()], counts)])
    }
}

/// Isotropic voxels and a batch of one more.
#[derive(Default, Deserialize)]
struct Cubes {}

impl Planner for Cubes {
    fn target_spacing(&self, _: &SpacingQuestion, host: Spacing) -> Result<Spacing> {
        Ok(Spacing::isotropic(host.min()))
    }

    fn batch_size(&self, q: &BatchQuestion, host: usize) -> Result<usize> {
        Ok((host + 1).min(q.fitting))
    }
}

/// Doubles intensities; every second slice instead of the standard steps.
#[derive(Default, Deserialize)]
struct Doubled {}

impl Preprocessor for Doubled {
    fn before(&self, case: &mut Case<'_>) -> Result<()> {
        case.image.values_mut().iter_mut().for_each(|v| *v *= 2.0);
        Ok(())
    }

    fn run(&self, case: &mut Case<'_>) -> Result<bool> {
        let [channels, depth, height, width] = case.image.shape();
        let slice = height * width;
        let kept: Vec<usize> = (0..channels * depth).filter(|i| i % depth % 2 == 0).collect();
        let voxels = kept.iter().flat_map(|&i| &case.image.values()[i * slice..(i + 1) * slice]).copied().collect();
        case.image.replace(&[channels, depth.div_ceil(2), height, width], voxels)?;
        Ok(true)
    }
}

/// A straight line to zero.
#[derive(Default, Deserialize)]
struct Straight {}

impl Schedule for Straight {
    fn lr(&self, epoch: usize, epochs: usize, initial: f64) -> Result<f64> {
        Ok(initial * (1.0 - epoch as f64 / epochs as f64))
    }
}

register_architecture!("abi_two_convs", TwoConvs, "two convolutions");
register_loss!("abi_counting", Counting, "cross entropy");
register_planner!("abi_cubes", Cubes, "isotropic voxels");
register_preprocessor!("abi_doubled", Doubled, "doubled intensities");
register_lr_schedule!("abi_straight", Straight, "a straight line");
register_config!("abi_config" => { description: "all of them", loss: "abi_counting", lr_schedule: "abi_straight", num_epochs: 3 });
