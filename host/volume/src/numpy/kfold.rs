//! The splits of `splits_final.json`.

use super::RandomState;

/// The folds of scikit-learn's `KFold(folds, shuffle=True, random_state=seed)` over `n` items: the indices for training
/// and for validation of each fold, both ascending.
///
/// nnU-Net makes five folds with seed 12345 over the sorted case names. The first `n % folds` folds validate one item more.
pub fn kfold(n: usize, folds: usize, seed: u32) -> Vec<(Vec<usize>, Vec<usize>)> {
    let order = RandomState::new(seed).permutation(n);
    let mut start = 0;
    (0..folds)
        .map(|fold| {
            let end = start + n / folds + usize::from(fold < n % folds);
            let mut validated = vec![false; n];
            order.iter().take(end).skip(start).for_each(|&i| validated[i] = true);
            start = end;
            (0..n).partition(|&i| !validated[i])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's folds of 10, 20 and 5 cases.
    #[test]
    fn validation_folds_are_those_of_scikit_learn() {
        let folds = |n| kfold(n, 5, 12345).into_iter().map(|(_, val)| val).collect::<Vec<_>>();
        assert_eq!(folds(10), [[0, 7], [3, 9], [4, 6], [1, 8], [2, 5]]);
        assert_eq!(folds(20), [[3, 8, 13, 16], [0, 10, 12, 15], [6, 7, 11, 17], [9, 14, 18, 19], [1, 2, 4, 5]]);
        assert_eq!(folds(5), [[0], [4], [3], [1], [2]]);
    }

    #[test]
    fn every_item_is_validated_once() {
        for n in [5, 12, 23, 61] {
            let mut seen = vec![0; n];
            for (train, val) in kfold(n, 5, 1) {
                assert_eq!(train.len() + val.len(), n);
                val.iter().for_each(|&i| seen[i] += 1);
                assert!(val.iter().all(|i| !train.contains(i)));
            }
            assert_eq!(seen, vec![1; n]);
        }
    }

    /// `reference/metrics/rules.json`, `crossval_splits`.
    #[test]
    fn the_reference_splits() {
        let Some(reference) = std::env::var_os("NNUNET_REFERENCE") else {
            return eprintln!("skipped: NNUNET_REFERENCE is not set");
        };
        let path = std::path::Path::new(&reference).join("metrics/rules.json");
        let rules: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let splits = rules["crossval_splits"].as_object().unwrap();
        assert!(!splits.is_empty());
        for (n, folds) in splits {
            let names = |indices: &[usize]| indices.iter().map(|i| format!("case_{i:03}")).collect::<Vec<_>>();
            let made: Vec<_> = kfold(n.parse().unwrap(), 5, 12345)
                .into_iter()
                .map(|(train, val)| serde_json::json!({"train": names(&train), "val": names(&val)}))
                .collect();
            assert_eq!(*folds, serde_json::Value::from(made), "{n} cases");
        }
    }
}
