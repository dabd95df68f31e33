use super::*;
use crate::error::Result;
use crate::paths::Paths;
use crate::progress::silent;
use crate::test_data::names;
use crate::train::Fold;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const MODEL: &str = "Dataset004_X/nnUNetTrainer__nnUNetPlans__2d";

/// Results with a model of two folds, an ensemble, and what was found best.
fn results(dir: &Path) -> Paths {
    let paths = Paths::new(dir.join("raw"), dir.join("pre"), dir.join("results"));
    let write = |name: &str, content: &str| {
        let path = dir.join("results").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    for name in ["plans.json", "dataset.json", "dataset_fingerprint.json", "predicted_next_stage/x/a.npz"] {
        write(&format!("{MODEL}/{name}"), "{\"a\": 1}");
    }
    for fold in 0..2 {
        for name in [
            "checkpoint_final.pth",
            "checkpoint_best.pth",
            "progress.png",
            "debug.json",
            "validation/summary.json",
            "validation/a.nii.gz",
            "validation/a.npz",
        ] {
            write(&format!("{MODEL}/fold_{fold}/{name}"), &format!("{fold} {name}"));
        }
    }
    for name in ["summary.json", "postprocessing.pkl", "postprocessing.json", "a.nii.gz"] {
        write(&format!("{MODEL}/crossval_results_folds_0_1/{name}"), name);
        write(&format!("Dataset004_X/ensembles/ensemble___nnUNetTrainer__nnUNetPlans__2d___nnUNetTrainer__nnUNetPlans__2d___0_1/{name}"), name);
        write(&format!("Dataset004_X/ensembles/ensemble___nnUNetTrainer__nnUNetPlans__2d___nnUNetTrainer__nnUNetPlans__3d___0_1/{name}"), name);
    }
    write("Dataset004_X/inference_information.json", "{}");
    write("Dataset004_X/inference_instructions.txt", "go");
    paths
}

fn what() -> Export {
    Export {
        dataset: "Dataset004_X".into(),
        configurations: vec![],
        trainer: "nnUNetTrainer".into(),
        plans: "nnUNetPlans".into(),
        folds: vec![Fold::Number(0), Fold::Number(1)],
        checkpoints: vec!["checkpoint_final.pth".into()],
        strict: true,
        predictions: false,
    }
}

fn members(zip: &Path) -> Vec<String> {
    let mut zip = ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    (0..zip.len()).map(|index| String::from_utf8(zip.by_index(index).unwrap().name_raw().to_vec()).unwrap()).collect()
}

#[test]
fn a_model_goes_into_a_file_and_comes_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let paths = results(dir.path());
    let zip = dir.path().join("model.zip");
    let files = export(&paths, &what(), &zip, &silent).unwrap();
    insta::assert_snapshot!("members", members(&zip).join("\n"));
    assert_eq!(files, members(&zip).len());
    let first = fs::read(&zip).unwrap();
    export(&paths, &what(), &zip, &silent).unwrap();
    assert!(first == fs::read(&zip).unwrap(), "equal models make equal files");

    let home = dir.path().join("elsewhere");
    assert_eq!(install(&zip, &home, Limits::default(), &silent).unwrap(), [PathBuf::from(MODEL)]);
    for name in members(&zip) {
        assert_eq!(fs::read(home.join(&name)).unwrap(), fs::read(dir.path().join("results").join(&name)).unwrap(), "{name}");
    }
    assert_eq!(names(&home), ["Dataset004_X"], "nothing else is left");

    let all = Export { predictions: true, ..what() };
    export(&paths, &all, &zip, &silent).unwrap();
    let with = members(&zip);
    assert!(
        with.contains(&format!("{MODEL}/fold_1/validation/a.nii.gz"))
            && with.contains(&format!("{MODEL}/crossval_results_folds_0_1/postprocessing.pkl"))
    );
    assert!(!with.iter().any(|name| name.ends_with(".npz")));
}

#[test]
fn a_fold_is_added_to_those_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let paths = results(dir.path());
    let (zip, home) = (dir.path().join("model.zip"), dir.path().join("elsewhere"));
    let one = |fold| Export { folds: vec![Fold::Number(fold)], ..what() };
    for fold in [0, 1] {
        export(&paths, &one(fold), &zip, &silent).unwrap();
        install(&zip, &home, Limits::default(), &silent).unwrap();
    }
    assert_eq!(names(&home.join(MODEL)), ["dataset.json", "dataset_fingerprint.json", "fold_0", "fold_1", "plans.json"]);
    fs::write(home.join(MODEL).join("plans.json"), "{\"a\": 2}").unwrap();
    let error = install(&zip, &home, Limits::default(), &silent).unwrap_err().to_string();
    assert!(error.contains("is there already with other plans than those in"), "{error}");
}

#[test]
fn what_is_missing_is_listed_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let paths = results(dir.path());
    let zip = dir.path().join("model.zip");
    let wanted = Export { folds: vec![Fold::Number(1), Fold::Number(7)], configurations: vec!["2d".into(), "3d_fullres".into()], ..what() };
    let error = export(&paths, &wanted, &zip, &silent).unwrap_err().to_string();
    assert!(error.contains("2d/fold_7/checkpoint_final.pth") && error.contains("3d_fullres/plans.json") && error.contains("--not_strict"), "{error}");
    assert!(!zip.exists());
    export(&paths, &Export { strict: false, ..wanted }, &zip, &silent).unwrap();
    assert!(members(&zip).iter().all(|name| name.contains("2d") || !name.contains("__")));
    let nobody = Export { trainer: "nobody".into(), strict: false, ..what() };
    assert!(export(&paths, &nobody, &zip, &silent).unwrap_err().to_string().contains("there is no model of nobody"));
}

/// A zip file of these members.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn plans() -> String {
    format!("{MODEL}/plans.json")
}

/// The error, after which nothing is there.
fn refused(content: &[u8], limits: Limits) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (zip, home) = (dir.path().join("model.zip"), dir.path().join("results"));
    fs::create_dir(&home).unwrap();
    fs::write(&zip, content).unwrap();
    let error = install(&zip, &home, limits, &silent).unwrap_err().to_string();
    assert_eq!((names(&home), names(dir.path())), (vec![], vec!["model.zip".to_owned(), "results".into()]), "{error}");
    error.replace(&dir.path().display().to_string(), "~")
}

#[test]
fn hostile_files_leave_nothing() {
    let limits = Limits::default();
    for name in ["../evil", "Dataset004_X/../../evil", "/etc/evil", "Dataset004_X/a/../../../evil", "..\\evil", "C:/evil", "Dataset004_X/./evil\0"] {
        let error = refused(&archive(&[(&plans(), b"{}"), (name, b"x")]), limits);
        assert!(error.contains("leads out of the folder") || error.contains("does not begin with a dataset's folder"), "{name}: {error}");
    }
    assert!(refused(&archive(&[("readme.txt", b"x")]), limits).contains("does not begin with a dataset's folder"));
    assert!(refused(&archive(&[("Dataset004_X/readme.txt", b"x")]), limits).contains("holds no model"));
    assert!(refused(b"PK no zip", limits).contains("no whole zip archive"));
    let whole = archive(&[(&plans(), b"{}")]);
    assert!(refused(&whole[..whole.len() - 10], limits).contains("no whole zip archive"));

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink(format!("{MODEL}/link"), "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert!(refused(&zip.finish().unwrap().into_inner(), limits).contains("is a link"));
}

#[test]
fn sizes_are_bounded_whatever_the_directory_claims() {
    let zeros = vec![0; 1 << 20];
    let file = archive(&[(&plans(), b"{}"), (&format!("{MODEL}/a"), &zeros)]);
    let error = refused(&file, Limits { bytes: 1 << 20, ..Limits::default() });
    assert!(error.contains("unpacks to more than 0.0 GiB, the most that is unpacked"), "{error}");
    assert!(refused(&file, Limits { members: 1, ..Limits::default() }).contains("holds 2 members; at most 1"));
    // the content is damaged: the checksum says so
    let mut broken = archive(&[(&plans(), b"{\"a\": \"some text that is long enough to be hit\"}")]);
    let name = plans();
    let at = broken.windows(name.len()).position(|window| window == name.as_bytes()).unwrap() + name.len() + 6;
    broken[at] ^= 0x55;
    let error = refused(&broken, Limits::default());
    assert!(error.contains("cannot be unpacked") && error.contains("nothing was installed"), "{error}");
}

/// A server that answers one request with `head` and `body`.
fn serve(head: &str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/model.zip", listener.local_addr().unwrap());
    let head = head.to_owned();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
    });
    address
}

#[test]
fn models_come_from_the_web_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("results");
    let file = archive(&[(&plans(), b"{}")]);
    let get = |url: &str, limits: Limits| -> Result<Vec<PathBuf>> { download(url, &home, limits, &silent) };
    let length = format!("200 OK\r\nContent-Length: {}", file.len());
    let error = |url: &str, limits: Limits| {
        let error = get(url, limits).unwrap_err().to_string();
        assert_eq!(names(&home), Vec::<String>::new());
        error
    };
    let cut = serve(&length, file[..50].to_vec());
    let text = error(&cut, Limits::default());
    assert!(text.starts_with(&format!("cannot download {cut}: ")), "{text}");
    assert!(error(&serve("404 Not Found\r\nContent-Length: 0", vec![]), Limits::default()).contains("404"));
    let text = error(&serve("200 OK\r\nContent-Length: 10000000000", vec![]), Limits { bytes: 1 << 30, ..Limits::default() });
    assert!(text.contains("it has 9536 MiB; at most 1024 are fetched"), "{text}");
    // no length is said, and more comes than is wanted
    let text = error(&serve("200 OK", vec![0; 1 << 16]), Limits { bytes: 1000, ..Limits::default() });
    assert!(text.contains("it has more than 0 MiB"), "{text}");
    let page = serve("200 OK\r\nContent-Length: 6", b"<html>".to_vec());
    assert!(error(&page, Limits::default()).contains(&format!("{page}: is no whole zip archive")));
    assert!(error("ftp://nowhere/x.zip", Limits::default()).contains("cannot download ftp://nowhere/x.zip"));

    assert_eq!(get(&serve(&length, file), Limits::default()).unwrap(), [PathBuf::from(MODEL)]);
    assert_eq!(fs::read(home.join(plans())).unwrap(), b"{}");
    assert_eq!(names(&home), ["Dataset004_X"]);
}

#[test]
fn a_dataset_may_have_what_parts_a_models_name() {
    let dir = tempfile::tempdir().unwrap();
    let (zip, model) = (dir.path().join("model.zip"), "Dataset004_My__Data/nnUNetTrainer__nnUNetPlans__2d");
    fs::write(&zip, archive(&[(&format!("{model}/plans.json"), b"{}")])).unwrap();
    assert_eq!(install(&zip, &dir.path().join("results"), Limits::default(), &silent).unwrap(), [PathBuf::from(model)]);
}
