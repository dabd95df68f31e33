//! `cluster slurm`: the script, and what is refused before anything is queued.

use crate::{User, after_training::planned};
use insta::assert_snapshot;
use std::{fs, path::Path, process::Command};

/// What a shell and, where there is one, shellcheck think of it.
fn checked(script: &Path) {
    assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success());
    match Command::new("shellcheck").args(["--shell=bash"]).arg(script).output() {
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout)),
        Err(error) => eprintln!("skipped: no shellcheck ({error})"),
    }
}

#[test]
fn folds_and_configurations_as_one_array() {
    let user = planned();
    fs::create_dir(user.path("my-plugins")).unwrap();
    assert_snapshot!("slurm_cpu", {
        let line = "cluster slurm 1 2d 3d_fullres -f 0 1 fold_all -device cpu --cpus 2 --time 1:00:00 --at-once 4 -o a.sbatch -- -npz --epochs 2 --plugins-dir my-plugins";
        let said = user.host_with_folders(line).succeeded().to_owned();
        checked(&user.path("a.sbatch"));
        format!("{said}\n{}", text(&user, "a.sbatch"))
    });
    let said =
        user.host_with_folders("cluster slurm Dataset001_Phantom 3d_fullres --partition gpu --account lab --logs my-logs").succeeded().to_owned();
    let script = text(&user, "train_Dataset001_Phantom.sbatch");
    checked(&user.path("train_Dataset001_Phantom.sbatch"));
    for part in ["--partition=gpu\n", "--account=lab\n", "--gres=gpu:1\n", "--mem=16G\n", "--cpus-per-task=12\n", "-device cuda --c &\n"] {
        assert!(script.contains(part), "{part}: {script}");
    }
    assert!(said.contains("5 tasks of 12 processors and 16 GiB"), "{said}");
    user.host_with_folders("cluster slurm 1 3d_fullres -o two.sbatch -- -num_gpus 2").succeeded();
    let script = text(&user, "two.sbatch");
    for part in ["--gres=gpu:2\n", "--cpus-per-task=24\n", " -device cuda -num_gpus 2 --c &\n"] {
        assert!(script.contains(part), "{part}: {script}");
    }
    assert_snapshot!("slurm_twice", user.host_with_folders("cluster slurm Dataset001_Phantom 3d_fullres").failed_with(1));
}

fn text(user: &User, name: &str) -> String {
    let real = user.path("").canonicalize().unwrap();
    let text = fs::read_to_string(user.path(name)).unwrap();
    text.replace(real.to_str().unwrap().trim_end_matches('/'), "~").replace(user.path("").to_str().unwrap().trim_end_matches('/'), "~")
}

#[test]
fn what_would_fail_in_the_queue_is_refused() {
    let user = planned();
    let failed = |line: &str, code: i32| user.host_with_folders(&format!("cluster slurm 1 {line}")).failed_with(code).to_owned();
    assert!(failed("4d -device cpu", 1).contains("4d"));
    assert!(failed("2d -device cpu -- --epoks 3", 2).contains("--epoks"));
    assert!(failed("2d -device cpu -- -tr nobodys", 1).contains("no config is called `nobodys`"));
    assert_snapshot!("slurm_ways", failed("2d -device cpu -- --c", 2));
    assert!(failed("2d -device cpu --time 1;2 --partition a\tb", 2).contains("sbatch takes a value without spaces"));
    assert!(failed("2d -device cpu --logs a%b", 1).contains("name another folder with --logs"));
    assert_eq!(fs::read_dir(user.path("")).unwrap().filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "sbatch")).count(), 0);
}

#[test]
fn pretrained_weights_are_for_folds_without_a_checkpoint() {
    let user = planned();
    user.host_with_folders("cluster slurm 1 2d 3d_fullres -f 0 fold_all -device cpu -o a.sbatch -- -pretrained_weights w.pth").succeeded();
    checked(&user.path("a.sbatch"));
    // the last of its tasks, which says what it would run
    let script = fs::read_to_string(user.path("a.sbatch")).unwrap();
    let line = |line: &str| line.split_once(" train 1 ").map_or(format!("{line}\n"), |(_, options)| format!("echo {options}\n"));
    let script: String = script.lines().map(line).collect();
    let said = || {
        let slurm = [("SLURM_CPUS_PER_TASK", "1"), ("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_JOB_ID", "7")];
        let output = Command::new("bash").arg("-c").arg(&script).envs(slurm).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let begins = said();
    assert!(begins.starts_with("3d_fullres fold_all -device cpu --pretrained_weights /") && begins.ends_with("/w.pth\n"), "{begins}");
    let fold = user.path("nnUNet_results/Dataset001_Phantom/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_all");
    fs::create_dir_all(&fold).unwrap();
    fs::write(fold.join("checkpoint_latest.pth"), "").unwrap();
    assert_eq!(said(), "3d_fullres fold_all -device cpu --c\n");
}
