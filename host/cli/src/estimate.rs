//! What a training will take, as a person reads it.

use crate::show;
use pipeline::{memory, progress::duration, train::Estimate};
use std::time::Duration;

/// For `folds` of it.
pub(crate) fn table(of: &Estimate, folds: usize) -> String {
    let time = |seconds: f64| duration(Duration::from_secs_f64(seconds.max(0.0)));
    let gib = |bytes: u64| format!("{:.2} GiB", memory::gib(bytes));
    let row = |what: &str, value: String, why: String| [what.to_owned(), value, why];
    let whole = of.epoch() * of.epochs as f64;
    let mut rows = vec![
        row("iteration", format!("{:.2} s", of.iteration), format!("{:.2} s in validation", of.validation_iteration)),
        row("epoch", time(of.epoch()), format!("{} training and {} validation iterations", of.iterations, of.validation_iterations)),
        row("training", time(whole), format!("{} epochs, without the final validation", of.epochs)),
    ];
    if folds > 1 {
        rows.push(row("all folds", time(whole * folds as f64), format!("{folds} of them, one after another")));
    }
    let free = of.disk_free.map_or(String::new(), |bytes| format!(", where {} are free", gib(bytes)));
    rows.push(row("memory", gib(of.process_bytes), format!("held now; a step by its shapes: {}", gib(of.step_bytes))));
    rows.push(row("disk", gib(of.disk_bytes), format!("checkpoints in {}{free}", of.folder.display())));
    show::columns(&rows, &[show::Side::Left])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_chosen() {
        let of = Estimate {
            folder: "/r/fold_0".into(),
            epochs: 1000,
            iterations: 250,
            validation_iterations: 50,
            iteration: 1.25,
            validation_iteration: 0.5,
            step_bytes: 3 << 29,
            process_bytes: 2 << 30,
            disk_bytes: 1 << 29,
            disk_free: Some(100 << 30),
        };
        let said = table(&of, 5);
        for part in [
            "iteration  1.25 s    0.50 s in validation",
            "epoch      5m38      250 training and 50 validation iterations",
            "training   3d 21h    1000 epochs",
            "all folds  19d 12h   5 of them",
            "memory     2.00 GiB  held now; a step by its shapes: 1.50 GiB",
            "disk       0.50 GiB  checkpoints in /r/fold_0, where 100.00 GiB are free",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
