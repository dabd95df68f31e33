//! Connected components by union-find: two passes over the voxels, whatever the number of components.

use plugin_api::prelude::Deserialize;

/// Which voxels touch each other.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Connectivity {
    /// Faces, edges and corners: 26 neighbours in 3D, 8 in 2D.
    Full,
    /// Faces alone: 6 neighbours in 3D, 4 in 2D.
    Faces,
}

/// The smallest index of the component that `i` is in, shortening the way there.
fn root(parent: &mut [u32], mut i: u32) -> u32 {
    while parent[i as usize] != i {
        parent[i as usize] = parent[parent[i as usize] as usize];
        i = parent[i as usize];
    }
    i
}

/// Steps to the neighbours that come earlier in memory, for (D, H, W).
fn earlier(connectivity: Connectivity) -> Vec<[isize; 3]> {
    let steps = -1..=1;
    let all = steps.clone().flat_map(|z| steps.clone().flat_map(move |y| (-1..=1).map(move |x| [z, y, x])));
    all.filter(|&s| s < [0; 3]).filter(|s| connectivity == Connectivity::Full || s.iter().filter(|&&d| d != 0).count() == 1).collect()
}

/// Numbers the components of `mask` (1 to 3 axes, last one fastest) from 1 in the order of their first voxels; 0 outside.
pub(crate) fn label(mask: &[bool], shape: &[usize], connectivity: Connectivity) -> Vec<u32> {
    let mut size = [1; 3];
    for (to, from) in size.iter_mut().rev().zip(shape.iter().rev()) {
        *to = *from;
    }
    let [_, height, width] = size;
    let neighbours = earlier(connectivity);
    let mut parent: Vec<u32> = (0..mask.len() as u32).collect();
    for i in (0..mask.len()).filter(|&i| mask[i]) {
        let at = [i / (height * width), i / width % height, i % width];
        for step in &neighbours {
            let inside = (0..3).all(|a| at[a].checked_add_signed(step[a]).is_some_and(|v| v < size[a]));
            let j = i.wrapping_add_signed((step[0] * height as isize + step[1]) * width as isize + step[2]);
            if inside && mask[j] {
                let (a, b) = (root(&mut parent, i as u32), root(&mut parent, j as u32));
                parent[a.max(b) as usize] = a.min(b);
            }
        }
    }
    let (mut ids, mut count) = (vec![0; mask.len()], 0);
    for i in (0..mask.len()).filter(|&i| mask[i]) {
        let first = root(&mut parent, i as u32) as usize;
        if first == i {
            count += 1;
            ids[i] = count;
        } else {
            ids[i] = ids[first];
        }
    }
    ids
}
