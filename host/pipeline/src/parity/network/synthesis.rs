//! Weights that both sides make by one formula, so that large networks need no files.

use serde::Deserialize;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use crate::error::Result;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of splitmix64 (Steele et al. 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a of 64 bits.
fn fnv(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Numbers from -1 to 1 that hang on the name and the salt alone.
fn uniform(name: &str, salt: u64, count: usize) -> impl Iterator<Item = f64> {
    let start = fnv(name).wrapping_add(salt);
    (1..=count as u64).map(move |i| (mix(start.wrapping_add(i.wrapping_mul(GOLDEN))) >> 11) as f64 * 2f64.powi(-52) - 1.0)
}

/// Ones and zeros without a pattern, the same each time.
pub(super) fn signs() -> impl Iterator<Item = bool> {
    (1..).map(|i: u64| mix(i.wrapping_mul(GOLDEN)) & 1 == 1)
}

/// The values of a parameter: uniform with He's variance for kernels, near 1 for scales and near 0 for offsets.
pub(super) fn weights(name: &str, shape: &[usize], salt: u64) -> Vec<f32> {
    let inputs: usize = shape.iter().skip(1).product();
    let bound = (6.0 / (1.0001 * inputs as f64)).sqrt();
    let centre = f64::from(u8::from(name.ends_with(".weight")));
    uniform(name, salt, shape.iter().product()).map(|v| (if shape.len() >= 2 { v * bound } else { 0.1 * v + centre }) as f32).collect()
}

/// `synth_example.json`: values of the formula.
#[derive(Deserialize)]
struct Example {
    example_synth: Check,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    salt: u64,
    v_first5: Vec<f64>,
    fnv1a64: String,
    param_first5_shape_32_1_3_3_3: Vec<f64>,
}

pub(super) fn example(desk: &mut Desk<'_>, file: &str) -> Result<()> {
    let Example { example_synth: theirs } = desk.json(file, Use::Compared)?;
    let first = theirs.v_first5.len();
    desk.exact(&format!("{file}: fnv1a64"), &format!("{:#x}", fnv(&theirs.name)), &theirs.fnv1a64);
    desk.tree(&format!("{file}: v_first5"), &uniform(&theirs.name, theirs.salt, first).collect::<Vec<_>>(), &theirs.v_first5, tolerance::EXACT);
    let values = weights(&theirs.name, &[32, 1, 3, 3, 3], theirs.salt);
    let ours: Vec<f64> = values.iter().take(theirs.param_first5_shape_32_1_3_3_3.len()).map(|&v| f64::from(v)).collect();
    desk.tree(&format!("{file}: param_first5"), &ours, &theirs.param_first5_shape_32_1_3_3_3, tolerance::EXACT);
    Ok(())
}
