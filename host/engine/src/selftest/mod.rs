//! Each operation on a device against the processor's, forward and backward.

mod cases;

use crate::{
    device::{Device, Precision},
    error::Result,
    ops::{self, Context},
    random::Random,
    shape::infer,
    value::Value,
};
use cases::Case;
use plugin_api::{Op, abi::host::catch_panic};
use std::cell::RefCell;

/// How far values may be apart, as a share of the largest: sums in another order, and functions of another library.
const TOLERANCE: f64 = 1e-4;
/// The same for products on a GPU, whose tensor cores may round f32 to 10 bits (TF32) ...
const PRODUCTS: f64 = 2e-3;
/// ... and for those of bf16, which has 8.
const MIXED: f64 = 2e-2;

/// How one question to an operation was answered.
#[derive(Clone, Debug)]
pub struct OpResult {
    /// The operation's name in the table.
    pub op: &'static str,
    /// Shapes of the inputs, and integers.
    pub case: String,
    /// Largest difference of an output as a share of the largest value, against the processor's.
    pub forward: f64,
    /// The same of the inputs' gradients, where there are any.
    pub backward: Option<f64>,
    /// What either may be.
    pub tolerance: f64,
    /// The operation failed on one of the two.
    pub failure: Option<String>,
}

impl OpResult {
    /// Whether the device agrees with the processor.
    pub fn passed(&self) -> bool {
        // NaN, which a question without an answer has, is no agreement
        self.failure.is_none() && self.forward <= self.tolerance && self.backward.is_none_or(|off| off <= self.tolerance)
    }
}

/// Asks every operation of the table on `device`, with the precision that it has, against the processor with f32, and tells `each` answer when it is there.
pub fn operations(device: &Device, each: &mut dyn FnMut(&OpResult)) -> Vec<OpResult> {
    let ask = |case: &Case| {
        let result = asked(case, device);
        each(&result);
        result
    };
    cases::all().iter().map(ask).collect()
}

fn asked(case: &Case, device: &Device) -> OpResult {
    let shapes: Vec<String> = case.inputs.iter().map(|input| format!("{:?}", input.shape())).collect();
    let tolerance = match (case.op, device.precision()) {
        (Op::Conv | Op::ConvTranspose | Op::MatMul, Precision::F32) => PRODUCTS,
        (Op::Conv | Op::ConvTranspose | Op::MatMul, Precision::Mixed) => MIXED,
        _ => TOLERANCE,
    };
    let mut result = OpResult {
        op: case.op.name(),
        case: format!("{} {:?}", shapes.join(" "), case.ints),
        forward: f64::NAN,
        backward: None,
        tolerance,
        failure: None,
    };
    let (here, there) = match (answer(case, &Device::cpu()), answer(case, device)) {
        (Ok(here), Ok(there)) => (here, there),
        (Err(error), _) => return OpResult { failure: Some(format!("cpu: {error}")), ..result },
        (_, Err(error)) => return OpResult { failure: Some(format!("{}: {error}", device.name())), ..result },
    };
    result.forward = all_apart(&here.outputs, &there.outputs);
    result.backward = (!here.gradients.is_empty()).then(|| all_apart(&here.gradients, &there.gradients));
    result
}

/// Outputs and gradients.
struct Answer {
    outputs: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
}

fn answer(case: &Case, device: &Device) -> Result<Answer> {
    let mut random = Random::new(11, &[case.op as u64]);
    let inputs: Vec<Value> = case.inputs.iter().map(|input| input.put(&mut random, device)).collect();
    let infos: Vec<_> = inputs.iter().map(Value::info).collect();
    infer(case.op, &infos, &case.ints, &case.floats)?;
    let streams = RefCell::new(Random::new(12, &[]));
    let cx = Context { device, training: true, random: &streams };
    let out = catch_panic(|| ops::run(case.op, &inputs, &case.ints, &case.floats, &cx))?;
    let read = |values: &[Value]| values.iter().map(Value::to_vec).collect::<plugin_api::Result<Vec<_>>>();
    let mut outputs = read(&out.values)?;
    outputs.extend(read(&out.updates.into_iter().map(|(_, value)| value).collect::<Vec<_>>())?);
    let needs: Vec<bool> = case.inputs.iter().map(cases::Input::is_float).collect();
    let gradients = match (out.back, out.values.first()) {
        (Some(back), Some(first)) if needs.contains(&true) => {
            let seed = cases::Input::Float(first.shape().to_vec(), -1.0, 1.0).put(&mut random, device);
            let parts = catch_panic(|| back(&seed, &needs))?;
            read(&parts.into_iter().flatten().collect::<Vec<_>>())?
        }
        _ => vec![],
    };
    Ok(Answer { outputs, gradients })
}

/// The largest difference of two lists of values as a share of the largest value; infinite where their lengths differ or a value is not finite.
pub fn apart(here: &[f32], there: &[f32]) -> f64 {
    if here.len() != there.len() || here.iter().chain(there).any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    let largest = here.iter().fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()));
    here.iter().zip(there).fold(0.0, |most, (a, b)| f64::max(most, f64::from((a - b).abs() / largest)))
}

/// The largest of [`apart`]; infinite where one has more lists than the other.
fn all_apart(here: &[Vec<f32>], there: &[Vec<f32>]) -> f64 {
    if here.len() != there.len() {
        return f64::INFINITY;
    }
    here.iter().zip(there).fold(0.0, |most, (a, b)| f64::max(most, apart(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_asked() {
        let cases = cases::all();
        for op in Op::ALL {
            assert!(cases.iter().any(|case| case.op == *op), "{} is not", op.name());
        }
    }

    /// What a GPU is given, computed by Burn on the processor, is what the kernels compute.
    #[test]
    fn operations_without_kernels_agree() {
        for precision in [Precision::F32, Precision::Mixed] {
            let results = operations(&Device::parse("flex").unwrap().with_precision(precision), &mut |_| {});
            let failed: Vec<_> = results.iter().filter(|result| !result.passed()).collect();
            assert!(failed.is_empty(), "{failed:#?}");
            assert!(results.iter().filter(|result| result.backward.is_some()).count() > 80);
        }
    }

    #[test]
    fn a_difference_is_seen() {
        assert_eq!(all_apart(&[vec![1.0, 4.0]], &[vec![1.0, 3.0]]), 0.25);
        for there in [vec![vec![f32::NAN]], vec![vec![1.0, 2.0]], vec![]] {
            assert_eq!(all_apart(&[vec![1.0]], &there), f64::INFINITY, "{there:?}");
        }
        assert_eq!(all_apart(&[vec![1.0], vec![1.0]], &[vec![f32::NAN], vec![1.0]]), f64::INFINITY);
    }
}
