//! `prepare` on a patch full of lesions.

use super::{create, labels_task};
use crate::validate::{Found, Target, fail, pass};
use plugin_api::Prepared;
use std::time::{Duration, Instant};

/// For a patch of (128, 128, 128) in one of the loader's threads; a training step on a GPU takes about as long.
const PREPARE_BUDGET: Duration = Duration::from_secs(2);
const LESIONS: usize = 391;

/// (128, 128, 128) with balls of 2 to 4 voxels radius on a grid of 8 x 7 x 7, the last one left out.
fn lesion_map() -> Vec<i16> {
    const N: usize = 128;
    let mut map = vec![0; N * N * N];
    for lesion in 0..LESIONS {
        let centre = [8 + 16 * (lesion / 49), 9 + 18 * (lesion / 7 % 7), 9 + 18 * (lesion % 7)];
        let radius = 2 + lesion % 3;
        for z in centre[0] - radius..=centre[0] + radius {
            for y in centre[1] - radius..=centre[1] + radius {
                for x in centre[2] - radius..=centre[2] + radius {
                    let r = [z.abs_diff(centre[0]), y.abs_diff(centre[1]), x.abs_diff(centre[2])].map(|d| d * d).iter().sum::<usize>();
                    if r <= radius * radius {
                        map[(z * N + y) * N + x] = 1;
                    }
                }
            }
        }
    }
    map
}

pub(in crate::validate) fn prepare(on: &Target) -> Found {
    let loss = create(on, &labels_task(2, false))?;
    let map = lesion_map();
    let mut fastest = Duration::MAX;
    let mut first = None;
    for _ in 0..2 {
        let start = Instant::now();
        let found = loss.prepare(&[1, 128, 128, 128], &map)?;
        fastest = fastest.min(start.elapsed());
        match &first {
            Some(first) if *first != found => return fail("prepare gives other arrays for the same labels the second time"),
            _ => first = Some(found),
        }
    }
    let (ms, budget) = (fastest.as_millis(), PREPARE_BUDGET.as_millis());
    if fastest > PREPARE_BUDGET {
        return fail(format!("prepare took {ms} ms for {LESIONS} lesions on (128, 128, 128); {budget} ms keep a loader up with training"));
    }
    match first.unwrap_or_default().as_slice() {
        [] => pass("it prepares nothing"),
        arrays => pass(format!("{} in {ms} ms", arrays.iter().map(Prepared::name).collect::<Vec<_>>().join(", "))),
    }
}
