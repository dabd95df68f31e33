//! Pictures, and the slow way of doing the same.

use super::{Connectivity, FAR, components, nearest};

fn picture(rows: &[&str]) -> (Vec<bool>, Vec<usize>) {
    (rows.concat().chars().map(|c| c == '#').collect(), vec![rows.len(), rows[0].len()])
}

/// A linear congruential generator (Knuth's MMIX constants).
fn noise() -> impl FnMut() -> u64 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

fn count(rows: &[&str], connectivity: Connectivity) -> usize {
    let (mask, shape) = picture(rows);
    components(&mask, &shape, connectivity).sizes.len()
}

#[test]
fn corners_touch_in_full_connectivity_alone() {
    let (mask, shape) = picture(&["#..#", ".#..", "...#"]);
    let full = components(&mask, &shape, Connectivity::Full);
    assert_eq!(full.ids, [1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3]);
    assert_eq!(full.sizes, [2, 1, 1]);
    let faces = components(&mask, &shape, Connectivity::Faces);
    assert_eq!(faces.ids, [1, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 4]);
    assert_eq!(faces.sizes, [1; 4]);
}

#[test]
fn arms_that_meet_late_are_one() {
    assert_eq!(count(&["#.#.#", "#.#.#", "#####"], Connectivity::Faces), 1);
}

#[test]
fn a_row_does_not_touch_the_next_one_around_the_edge() {
    assert_eq!(count(&["..#", "...", "#.."], Connectivity::Full), 2);
    assert_eq!(count(&["..#", "#.."], Connectivity::Full), 2);
    assert_eq!(count(&["..##", "##.."], Connectivity::Faces), 2);
}

#[test]
fn nothing_and_everything() {
    assert_eq!(components(&[], &[0, 3], Connectivity::Full).ids, [0u32; 0]);
    assert_eq!(components(&[], &[3, 0], Connectivity::Full).ids, [0u32; 0]);
    assert_eq!(components(&[false; 8], &[2, 2, 2], Connectivity::Full).sizes, [0usize; 0]);
    assert_eq!(components(&[true; 8], &[2, 2, 2], Connectivity::Faces).ids, [1; 8]);
    let none = nearest(&[0; 6], &[2, 3]);
    assert_eq!((none.ids, none.squared), (vec![0; 6], vec![FAR; 6]));
    assert_eq!(nearest(&[], &[2, 0]).ids, [0u32; 0]);
}

/// The same numbers by filling from each voxel that has none.
fn flood(mask: &[bool], [_, h, w]: [usize; 3], full: bool) -> Vec<u32> {
    let mut ids = vec![0; mask.len()];
    let mut count = 0;
    for start in 0..mask.len() {
        if !mask[start] || ids[start] != 0 {
            continue;
        }
        count += 1;
        ids[start] = count;
        let mut open = vec![start];
        while let Some(i) = open.pop() {
            let (z, y, x) = (i / (h * w), i / w % h, i % w);
            for j in (0..mask.len()).filter(|&j| mask[j]) {
                let apart = [(z, j / (h * w)), (y, j / w % h), (x, j % w)].map(|(a, b): (usize, usize)| a.abs_diff(b));
                let near = if full { apart.iter().all(|&a| a < 2) } else { apart.iter().sum::<usize>() < 2 };
                if near && ids[j] == 0 {
                    ids[j] = count;
                    open.push(j);
                }
            }
        }
    }
    ids
}

#[test]
fn components_are_those_of_a_flood_fill() {
    let mut random = noise();
    for round in 0..60 {
        let size = [1 + round % 4, 2 + round % 6, 3 + round % 5];
        let share = 15 + random() % 50;
        let mask: Vec<bool> = (0..size.iter().product()).map(|_| random() % 100 < share).collect();
        for (connectivity, full) in [(Connectivity::Full, true), (Connectivity::Faces, false)] {
            let found = components(&mask, &size, connectivity);
            assert_eq!(found.ids, flood(&mask, size, full), "{size:?} {connectivity:?}");
            let sizes: Vec<usize> = (1..=found.sizes.len() as u32).map(|id| found.ids.iter().filter(|&&i| i == id).count()).collect();
            assert_eq!(found.sizes, sizes);
        }
    }
}

#[test]
fn the_nearest_seed_is_that_of_looking_at_all() {
    let mut random = noise();
    for round in 0..80 {
        let size = [[1, 1, 23], [1, 9, 21], [7, 1, 19], [6, 8, 7], [11, 5, 18]][round % 5];
        let [_, h, w] = size;
        let voxels: usize = size.iter().product();
        let seeds = 1 + random() as usize % [2, 8, voxels][round % 3];
        let mut ids = vec![0; voxels];
        for id in 1..=seeds {
            ids[random() as usize % voxels] = id as u32;
        }
        let found = nearest(&ids, &size);
        let squared = |i: usize, j: usize| -> u32 {
            let apart = [(i / (h * w), j / (h * w)), (i / w % h, j / w % h), (i % w, j % w)];
            apart.iter().map(|&(a, b)| a.abs_diff(b).pow(2) as u32).sum()
        };
        for i in 0..voxels {
            let of = |id: u32| (0..voxels).filter(|&j| ids[j] != 0 && (id == 0 || ids[j] == id)).map(|j| squared(i, j)).min();
            assert_eq!(Some(found.squared[i]), of(0), "{size:?} at {i}");
            assert_eq!(Some(found.squared[i]), of(found.ids[i]), "{size:?} at {i}: another seed is nearer");
        }
    }
}
