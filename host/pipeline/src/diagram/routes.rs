//! Lines that would lie upon one another get tracks of their own.

/// For each interval a track, counted from 0, such that intervals of one track do not touch.
pub(super) fn tracks(intervals: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    // the short ones first, so that they lie closest
    order.sort_by(|&a, &b| {
        let length = |(from, to): (f64, f64)| (to - from).abs();
        length(intervals[a]).total_cmp(&length(intervals[b]))
    });
    let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut found = vec![0; intervals.len()];
    for interval in order {
        let (a, b) = intervals[interval];
        let (low, high) = (a.min(b), a.max(b));
        let free = |track: &Vec<(f64, f64)>| track.iter().all(|&(from, to)| high < from || to < low);
        let track = taken.iter().position(free).unwrap_or_else(|| {
            taken.push(Vec::new());
            taken.len() - 1
        });
        taken[track].push((low, high));
        found[interval] = track;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::tracks;

    #[test]
    fn what_overlaps_is_apart() {
        assert_eq!(tracks(&[(0.0, 9.0), (1.0, 2.0), (3.0, 2.5), (2.0, 4.0)]), [2, 0, 0, 1]);
        assert_eq!(tracks(&[]), [0usize; 0]);
    }
}
