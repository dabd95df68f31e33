//! Packages, indices, installing and removing.
#![cfg(unix)]

use crate::bench::{Bench, altered, chmod, fixture, patched, reason};
use proptest::prelude::*;
use registry::{
    Index, Install, Installed, Level, Manifest, Package, Registry, Result, SearchPath, SecretKey, Signed, install, pack, remove, this_platform,
};
use std::{
    fs,
    io::{Cursor, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A user with nothing, a folder of packages, and an author's key.
struct Market {
    bench: Bench,
    key: SecretKey,
}

impl Market {
    fn new() -> Self {
        let market = Market { bench: Bench::with(&[]), key: SecretKey::make().unwrap() };
        fs::create_dir(market.packages()).unwrap();
        market
    }

    fn packages(&self) -> PathBuf {
        self.bench.path("../packages")
    }

    fn folder(&self) -> PathBuf {
        self.bench.path("../home/plugins")
    }

    /// A package of these bytes.
    fn package(&self, name: &str, bytes: &[u8], key: Option<&SecretKey>) -> PathBuf {
        let library = self.packages().join("built.so");
        fs::write(&library, bytes).unwrap();
        pack(&[(None, library)], key, &self.packages().join(name)).unwrap().file
    }

    fn install(&self, what: impl AsRef<Path>) -> Result<Installed> {
        self.install_as(what.as_ref().to_str().unwrap(), None, false)
    }

    fn install_as(&self, what: &str, index: Option<&str>, force: bool) -> Result<Installed> {
        install(&Install { what, index, force }, &self.folder(), &self.bench.options, &mut |_, _| ())
    }

    /// Why it is not installed, after which the folder is as it was.
    fn refusal(&self, what: impl AsRef<Path>) -> String {
        let before = self.files();
        let e = self.install(what).unwrap_err().to_string();
        assert_eq!(self.files(), before, "{e}");
        e
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = fs::read_dir(self.folder()) else { return vec![] };
        let mut files: Vec<_> = entries.map(|e| e.unwrap()).map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect();
        files.sort();
        files
    }

    /// What a search in the folder finds.
    fn open(&self) -> Registry {
        let search = SearchPath::new(&[self.folder()], None, None, None);
        Registry::open(registry::Options { search, ..self.bench.options.clone() }).unwrap()
    }
}

fn version(to: &str) -> Vec<u8> {
    patched("fx-good", b"version=0.1.0\0", format!("version={to}\0").as_bytes())
}

/// The files of an archive.
type Members = Vec<(String, Vec<u8>)>;

#[test]
fn a_package_is_installed_pinned_and_removed() {
    let mut market = Market::new();
    let package = market.package("a.zip", &fs::read(fixture("fx-good")).unwrap(), Some(&market.key));
    let done = market.install(&package).unwrap();
    assert_eq!(done.signed, Signed::Unknown { key: market.key.public().id().into(), checked: true });
    assert_eq!((done.plugin.id.as_str(), done.replaced), ("org.example.fx_good", None));
    let names: Vec<String> = market.files().into_iter().map(|f| f.0).collect();
    assert_eq!(names, ["fx-good.so", "fx-good.so.minisig"]);
    let pins = || fs::read_to_string(&market.bench.options.lock).unwrap();
    assert!(pins().contains(&done.file.display().to_string()));
    market.open().loss("fx_focal").unwrap();
    // installing the same again changes nothing; what was damaged meanwhile is mended
    fs::write(&done.file, "damaged").unwrap();
    assert!(market.refusal(&package).contains("is there already and not org.example.fx_good"));
    fs::remove_file(&done.file).unwrap();
    market.install(&package).unwrap();
    market.install(&package).unwrap();

    let gone = remove("fx-good", &market.folder(), &market.bench.options).unwrap();
    assert_eq!(gone.len(), 2);
    assert_eq!(market.files(), []);
    assert_eq!(pins(), "");
    assert!(remove("fx-good", &market.folder(), &market.bench.options).unwrap_err().to_string().contains("it is empty"));
    // the stricter levels
    market.bench.options.trust.level = Level::Signed;
    assert!(market.refusal(&package).contains(&format!("is signed by key {}, which is not trusted", market.key.public().id())));
    market.bench.options.trust.add(market.key.public().clone(), "lab").unwrap();
    assert_eq!(market.install(&package).unwrap().signed, Signed::Trusted { key: market.key.public().id().into(), name: "lab".into() });
    market.open().loss("fx_focal").unwrap();
    let unsigned = market.package("b.zip", &version("0.2.0"), None);
    assert!(market.refusal(&unsigned).contains("is not signed"));
    market.bench.options.trust.level = Level::Pinned;
    market.install(&unsigned).unwrap();
    market.open().loss("fx_focal").unwrap();
    assert_eq!(market.files().len(), 1, "the old signature goes");
}

#[test]
fn only_a_newer_version_replaces_without_force() {
    let market = Market::new();
    let versions = [("1.zip", version("0.1.9")), ("2.zip", version("0.2.0")), ("3.zip", altered("fx-good"))];
    let [one, two, other] = versions.map(|(name, bytes)| market.package(name, &bytes, None));
    market.install(&one).unwrap();
    assert_eq!(market.install(&two).unwrap().replaced.as_deref(), Some("0.1.9"));
    let e = market.refusal(&one);
    assert!(e.ends_with("fx-good.so: is org.example.fx_good 0.2.0 already, and 0.1.9 is not newer: --force replaces it"), "{e}");
    assert_eq!(market.install_as(one.to_str().unwrap(), None, true).unwrap().replaced.as_deref(), Some("0.2.0"));
    assert!(market.refusal(&other).contains("0.1.0 is not newer"));
    // it is found under any name
    fs::rename(market.folder().join("fx-good.so"), market.folder().join("mine.so")).unwrap();
    assert!(market.install(&two).unwrap().file.ends_with("mine.so"));
    market.open().loss("fx_focal").unwrap();
    fs::copy(market.folder().join("mine.so"), market.folder().join("twin.so")).unwrap();
    assert!(market.refusal(&one).contains("remove all but one"));
    let e = remove("fx-good", &market.folder(), &market.bench.options).unwrap_err().to_string();
    assert!(e.contains("has several called `fx-good`: name one of mine.so, twin.so"), "{e}");
    remove("twin.so", &market.folder(), &market.bench.options).unwrap();
    remove("org.example.fx_good", &market.folder(), &market.bench.options).unwrap();
}

#[test]
fn a_folder_that_others_can_write_gets_nothing() {
    let market = Market::new();
    let package = market.package("a.zip", &fs::read(fixture("fx-good")).unwrap(), None);
    fs::create_dir_all(market.folder()).unwrap();
    chmod(&market.folder(), 0o777);
    assert!(market.refusal(&package).contains("can be written by everyone"));
}

#[test]
fn platforms_are_chosen_and_named() {
    let market = Market::new();
    let good = fixture("fx-good").to_path_buf();
    let both = [(None, good.clone()), (Some("riscv64gc-unknown-linux-musl".to_string()), good.clone())];
    let packed = pack(&both, None, &market.packages()).unwrap();
    assert!(packed.file.ends_with("fx-good-0.1.0.zip"));
    assert!(packed.manifest.platforms.contains_key(&this_platform()), "{:?}", packed.manifest.platforms);
    market.install(&packed.file).unwrap();
    let foreign = pack(&both[1..], None, &market.packages().join("foreign.zip")).unwrap().file;
    assert!(market.refusal(&foreign).contains(&format!("fx-good 0.1.0 is not built for {}; there is riscv64gc-unknown-linux-musl", this_platform())));
    let e = pack(&[both[0].clone(), both[0].clone()], None, &market.packages()).unwrap_err().to_string();
    assert!(e.contains(&format!("is for {}, and so is", this_platform())), "{e}");
    let e = pack(&[both[0].clone(), (Some("x-y".into()), fixture("fx-dup").into())], None, &market.packages()).unwrap_err().to_string();
    assert!(e.contains("says other things of itself than"), "{e}");
    for (platform, file, wanted) in [(Some("../x"), "fx-good", "cannot be packed"), (None, "fx-ctor", "needs plugin ABI 2.0")] {
        let e = pack(&[(platform.map(str::to_string), fixture(file).into())], None, &market.packages()).unwrap_err().to_string();
        assert!(e.contains(wanted), "{e}");
    }
}

/// The members of a package.
fn members(package: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(fs::File::open(package).unwrap()).unwrap();
    let read = |i| {
        let mut file = zip.by_index(i).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (String::from_utf8(file.name_raw().to_vec()).unwrap(), bytes)
    };
    (0..zip::ZipArchive::new(fs::File::open(package).unwrap()).unwrap().len()).map(read).collect()
}

fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn hostile_packages_leave_nothing() {
    let market = Market::new();
    let package = market.package("a.zip", &fs::read(fixture("fx-good")).unwrap(), Some(&market.key));
    let whole = members(&package);
    let odd = market.packages().join("odd.zip");
    let refused = |members: &[(String, Vec<u8>)]| {
        fs::write(&odd, archive(members)).unwrap();
        market.refusal(&odd)
    };
    let with = |change: &dyn Fn(&mut Members)| {
        let mut members = whole.clone();
        change(&mut members);
        refused(&members)
    };
    let manifest = |from: &str, to: &str| {
        with(&|m| {
            let text = String::from_utf8(m[0].1.clone()).unwrap();
            assert!(text.contains(from), "{from} {text}");
            m[0].1 = text.replace(from, to).into_bytes();
        })
    };
    for name in ["../evil.so", "/etc/evil", "x/../../evil", "readme.txt"] {
        let e = with(&|m| m.push((name.into(), b"x".to_vec())));
        assert!(e.contains("which its plugin.json does not name"), "{e}");
    }
    assert!(with(&|m| drop(m.remove(0))).contains("is no plugin package: its plugin.json cannot be read"));
    assert!(with(&|m| drop(m.remove(1))).contains(".so, which its plugin.json names"));
    assert!(with(&|m| m[1].1[5000] ^= 1).contains("is not what its plugin.json says"));
    assert!(with(&|m| m[1].1.push(0)).contains("unpacks to more than"));
    assert!(with(&|m| m[2].1 = market.key.sign(b"others", "x").unwrap().into_bytes()).contains("does not fit its signature"));
    assert!(with(&|m| m[2].1 = SecretKey::make().unwrap().sign(&whole[1].1, "x").unwrap().into_bytes()).contains("was announced as signed by"));
    assert!(manifest("\"format\": 1", "\"format\": 2").contains("is a package of format 2"));
    assert!(manifest("\"name\": \"fx-good\"", "\"name\": \"../fx\"").contains("names a plugin \"../fx\""));
    assert!(manifest(&this_platform(), "../../x").contains("names a platform"));
    assert!(manifest("\"version\": \"0.1.0\"", "\"version\": \"9.1.0\"").contains("says other things of the plugin than its library does"));
    assert!(manifest("\"bytes\": ", "\"bytes\": 99999999").contains("a plugin may have 1 GiB"));
    fs::write(&odd, b"PK no zip").unwrap();
    assert!(market.refusal(&odd).contains("is no whole zip archive"));
    let bytes = fs::read(&package).unwrap();
    fs::write(&odd, &bytes[..bytes.len() - 30]).unwrap();
    assert!(market.refusal(&odd).contains("is no whole zip archive"));
    assert!(market.refusal("no/such.zip").contains("cannot read no/such.zip"));
    assert!(market.refusal("focal").contains("--index names one"));
    // a library that another refuses is refused here, too
    let text = market.packages().join("text.so");
    fs::write(&text, "text").unwrap();
    assert!(pack(&[(Some("a-b".into()), text)], None, &market.packages()).unwrap_err().to_string().contains("is a text file"));
}

/// A server for the files of a folder.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 2048];
            let n = stream.read(&mut request).unwrap();
            let line = String::from_utf8_lossy(&request[..n]).into_owned();
            let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_string();
            let (status, body) = fs::read(folder.join(path)).map_or(("404 Not Found", vec![]), |body| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

#[test]
fn an_index_is_a_file_in_a_folder_or_on_the_web() {
    let market = Market::new();
    let index = market.packages().join("index.json");
    for v in ["0.1.0", "0.3.0", "0.2.0"] {
        let library = market.packages().join("built.so");
        fs::write(&library, version(v)).unwrap();
        Index::add(&index, &pack(&[(None, library)], Some(&market.key), &market.packages()).unwrap()).unwrap();
    }
    fs::remove_file(market.packages().join("built.so")).unwrap();
    let parsed = Index::parse(&fs::read(&index).unwrap()).unwrap();
    let versions: Vec<&str> = parsed.plugins.iter().map(|e| e.version.as_str()).collect();
    assert_eq!(versions, ["0.1.0", "0.2.0", "0.3.0"]);
    assert_eq!(parsed.plugins[0].file, "fx-good-0.1.0.zip");
    let web = serve(market.packages());
    for index in [index.to_str().unwrap(), &format!("{web}/index.json")] {
        let get = |what: &str| market.install_as(what, Some(index), false);
        assert_eq!(get("fx-good@0.1.0").unwrap().plugin.version, "0.1.0");
        assert_eq!(get("fx-good").unwrap().plugin.version, "0.3.0");
        assert!(get("fx-god").unwrap_err().to_string().contains("has no plugin called `fx-god`; did you mean `fx-good`?"));
        assert!(get("fx-good@7.0.0").unwrap_err().to_string().contains("has no version 7.0.0 of fx-good; there is 0.1.0, 0.2.0, 0.3.0"));
        remove("fx-good", &market.folder(), &market.bench.options).unwrap();
    }
    assert_eq!(market.install(format!("{web}/fx-good-0.2.0.zip")).unwrap().plugin.version, "0.2.0");
    assert!(market.refusal(format!("{web}/none.zip")).contains("404"));

    // what the index says is compared
    let change = |from: &str, to: &str| {
        let text = fs::read_to_string(&index).unwrap();
        assert!(text.contains(from), "{from}");
        let other = market.packages().join("other.json");
        fs::write(&other, text.replace(from, to)).unwrap();
        market.install_as("fx-good@0.3.0", other.to_str(), true).unwrap_err().to_string()
    };
    let last = parsed.plugins[2].clone();
    assert!(change(&last.sha256, &"0".repeat(64)).contains("is not the fx-good 0.3.0 of the index: sha256 "));
    assert!(change(market.key.public().id(), "0000000000000000").contains("was announced as signed by 0000000000000000"));
    assert!(change("fx-good-0.3.0.zip", "fx-good-0.2.0.zip").contains("is not the fx-good 0.3.0 of the index"));
    assert!(change("fx-good-0.3.0.zip", "../fx-good-0.3.0.zip").contains("wanted an address, or a path below the index's folder"));
    assert!(change(&this_platform(), "sparc-sun-solaris").contains("there is 0.3.0 (ABI 1."));
    assert!(change("\"api\": \"1.", "\"api\": \"2.").contains("there is 0.3.0 (ABI 2."));
    let elsewhere = pack(&[(None, fixture("fx-good").into())], None, &market.bench.path("..")).unwrap();
    assert!(Index::add(&index, &elsewhere).unwrap_err().to_string().contains("-o puts it there"));
}

#[test]
fn a_link_is_not_written_through() {
    let market = Market::new();
    let package = market.package("a.zip", &version("0.2.0"), None);
    fs::create_dir_all(market.folder()).unwrap();
    let build = market.packages().join("build.so");
    fs::copy(fixture("fx-good"), &build).unwrap();
    chmod(&build, 0o755);
    std::os::unix::fs::symlink(&build, market.folder().join("libfx_good.so")).unwrap();
    assert!(market.install(&package).unwrap_err().to_string().contains("is a link to a org.example.fx_good elsewhere"));
    remove("fx-good", &market.folder(), &market.bench.options).unwrap();
    assert!(build.exists() && market.files().is_empty());
    // not even one to nowhere
    std::os::unix::fs::symlink(market.packages().join("new.so"), market.folder().join("fx-good.so")).unwrap();
    assert!(market.install(&package).unwrap_err().to_string().contains("is there already"));
    assert!(!market.packages().join("new.so").exists());
    assert!(reason(&market.open().list(), &market.folder().join("fx-good.so")).contains("is a link to"));
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in "[\\[\\]{}:,\"a-z0-9. ]{0,200}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            let _ = (Manifest::parse(bytes), Index::parse(bytes));
            let in_zip = archive(&[("plugin.json".into(), bytes.to_vec())]);
            for content in [bytes, &in_zip] {
                prop_assert!(Package::read(Cursor::new(content), Path::new("x.zip")).is_err());
            }
        }
    }

    #[test]
    fn a_damaged_package_has_an_answer(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let platform = this_platform();
        let manifest = format!(
            "{{\"format\": 1, \"plugin\": {{\"id\": \"a.b\", \"name\": \"b\", \"version\": \"1.0.0\", \"author\": \"\", \"license\": \"\", \"description\": \"\", \
             \"api\": \"1.0.0\", \"components\": []}}, \"platforms\": {{\"{platform}\": {{\"bytes\": 3, \"sha256\": \"\"}}}}}}"
        );
        let mut bytes = archive(&[("plugin.json".into(), manifest.into_bytes()), (format!("{platform}/b.so"), b"abc".to_vec())]);
        prop_assert!(Package::read(Cursor::new(&bytes), Path::new("x.zip")).is_ok());
        for (place, value) in places {
            *place.get_mut(&mut bytes) = value;
        }
        if let Ok(mut package) = Package::read(Cursor::new(&bytes), Path::new("x.zip")) {
            prop_assert!(package.library(&platform).is_err());
        }
    }
}
