//! Preprocessed cases on disk.

use crate::augment::Source;
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use volume::files::properties::ClassKey;
use volume::files::{CaseProperties, NpzMap};

/// Voxels of each class or region, (0, z, y, x).
pub type Locations = Vec<(ClassKey, Vec<[i64; 4]>)>;

/// A folder of preprocessed cases: `{case}.npz` with `data` (C, D, H, W) f32 and `seg` (1, D, H, W) i16, and
/// `{case}.pkl`. Cases are mapped into memory when they are first asked for.
pub struct Dataset {
    folder: PathBuf,
    previous: Option<PathBuf>,
    keys: BTreeSet<String>,
    open: Mutex<HashMap<String, Arc<Case>>>,
}

/// One case, mapped.
pub struct Case {
    data: NpzMap,
    previous: Option<NpzMap>,
    shape: [usize; 3],
}

impl Dataset {
    /// Lists the cases in `folder`. `previous` is the folder with the previous stage's segmentations of a cascade,
    /// `{case}.npz` with `seg` like the cases' own.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn open(folder: &Path, previous: Option<&Path>) -> Result<Self> {
        let mut keys = BTreeSet::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
            let path = entry.map_err(Error::io("list", folder))?.path();
            if path.extension().is_some_and(|ending| ending == "npz") {
                keys.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        let previous = previous.map(Path::to_path_buf);
        Ok(Self { folder: folder.to_path_buf(), previous, keys, open: Mutex::default() })
    }

    /// The names of all cases, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// Checks that there is a case for every one of `keys`.
    ///
    /// # Errors
    /// Names all that are missing.
    pub fn require(&self, keys: &[String]) -> Result<()> {
        let missing: Vec<_> = keys.iter().filter(|key| !self.keys.contains(*key)).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let what = format!("no preprocessed case for {}; preprocess, or correct splits_final.json", missing.join(", "));
        Err(Error::content(&self.folder, what))
    }

    /// The case `key`.
    ///
    /// # Errors
    /// A file cannot be read, or its arrays are not those of a preprocessed case.
    pub fn case(&self, key: &str) -> Result<Arc<Case>> {
        let cases = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(case) = cases().get(key) {
            return Ok(case.clone());
        }
        // Opened outside the lock; of two threads that come at once, one keeps its map and the other drops it.
        let case = Arc::new(Case::open(&self.folder, self.previous.as_deref(), key).map_err(|e| e.in_case(key))?);
        Ok(cases().entry(key.to_owned()).or_insert(case).clone())
    }

    /// Voxels of each class of `key`. Read anew at every call, because all cases' tables together are large.
    ///
    /// # Errors
    /// The properties cannot be read, or were made without labels.
    pub fn locations(&self, key: &str) -> Result<Locations> {
        let path = self.folder.join(format!("{key}.pkl"));
        let locations = CaseProperties::read(&path)?.class_locations;
        locations.ok_or_else(|| Error::content(&path, "no class_locations; the case was preprocessed without its labels"))
    }
}

impl Case {
    fn open(folder: &Path, previous: Option<&Path>, key: &str) -> Result<Self> {
        let file = format!("{key}.npz");
        let path = folder.join(&file);
        let data = NpzMap::open(&path)?;
        let shape = match *data.array_f32("data")?.0 {
            [channels, d, h, w] if channels > 0 && d * h * w > 0 => [d, h, w],
            ref other => return Err(Error::content(&path, format!("data is {other:?}, wanted (C, D, H, W), nothing empty"))),
        };
        check_labels(&data, &path, shape)?;
        let previous = previous.map(|folder| folder.join(&file)).map(|path| {
            let map = NpzMap::open(&path)?;
            check_labels(&map, &path, shape).map(|()| map)
        });
        Ok(Self { data, previous: previous.transpose()?, shape })
    }

    /// D, H, W in voxels.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The window of `size` voxels that starts at `start`.
    ///
    /// # Errors
    /// An array is not there; [`Dataset::case`] has made sure that it is.
    pub fn window(&self, start: [isize; 3], size: [usize; 3]) -> Result<Source<'_>> {
        let mut seg = vec![self.data.array_i16("seg")?.1];
        if let Some(previous) = &self.previous {
            seg.push(previous.array_i16("seg")?.1);
        }
        Ok(Source { data: self.data.array_f32("data")?.1, seg, shape: self.shape, start, size })
    }
}

fn check_labels(map: &NpzMap, path: &Path, shape: [usize; 3]) -> Result<()> {
    let found = map.array_i16("seg")?.0;
    let [d, h, w] = shape;
    if found == [1, d, h, w] {
        return Ok(());
    }
    Err(Error::content(path, format!("seg is {found:?}, wanted {:?}, the shape of the image", [1, d, h, w])))
}
