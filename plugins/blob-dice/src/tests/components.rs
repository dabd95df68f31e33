//! Labelling, against pictures and against a flood fill.

use crate::components::{Connectivity, label};

fn picture(rows: &[&str]) -> (Vec<bool>, Vec<usize>) {
    (rows.concat().chars().map(|c| c == '#').collect(), vec![rows.len(), rows[0].len()])
}

#[test]
fn corners_touch_in_full_connectivity_alone() {
    let (mask, shape) = picture(&["#..#", ".#..", "...#"]);
    let numbers = |c| label(&mask, &shape, c);
    assert_eq!(numbers(Connectivity::Full), [1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3]);
    assert_eq!(numbers(Connectivity::Faces), [1, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 4]);
}

#[test]
fn arms_that_meet_late_are_one() {
    let (mask, shape) = picture(&["#.#.#", "#.#.#", "#####"]);
    assert_eq!(label(&mask, &shape, Connectivity::Faces).iter().max(), Some(&1));
}

#[test]
fn a_row_does_not_touch_the_next_one_around_the_edge() {
    let (mask, shape) = picture(&["..#", "...", "#.."]);
    assert_eq!(label(&mask, &shape, Connectivity::Full).iter().max(), Some(&2));
    let (mask, shape) = picture(&["..#", "#.."]);
    assert_eq!(label(&mask, &shape, Connectivity::Full).iter().max(), Some(&2));
}

#[test]
fn nothing_and_everything() {
    assert_eq!(label(&[], &[0, 3], Connectivity::Full), [0u32; 0]);
    assert_eq!(label(&[false; 8], &[2, 2, 2], Connectivity::Full), [0; 8]);
    assert_eq!(label(&[true; 8], &[2, 2, 2], Connectivity::Faces), [1; 8]);
}

/// The same numbers by filling from each voxel that has none.
fn flood(mask: &[bool], [d, h, w]: [usize; 3], full: bool) -> Vec<u32> {
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
    assert_eq!(d * h * w, mask.len());
    ids
}

#[test]
fn agrees_with_a_flood_fill_on_noise() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for round in 0..60 {
        let size = [1 + round % 4, 2 + round % 6, 3 + round % 5];
        let share = 15 + random() % 50;
        let mask: Vec<bool> = (0..size.iter().product()).map(|_| random() % 100 < share).collect();
        for (connectivity, full) in [(Connectivity::Full, true), (Connectivity::Faces, false)] {
            assert_eq!(label(&mask, &size, connectivity), flood(&mask, size, full), "{size:?} {connectivity:?}");
        }
    }
}
