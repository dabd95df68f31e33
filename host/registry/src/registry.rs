//! All components by name, the host's own and the plugins'.

use crate::{
    ArchitectureSource, Candidate, Error, HookSource, Judgement, LossSource, Metadata, Origin, Provenance, Result, SearchPath, State,
    config::DEFAULT_NAMES,
    config_file, load, scan, suggest,
    trust::{EVERYONE, EVERYONE_ELSE, Pins, open_to_others},
    verdicts::Verdicts,
};
use plugin_api::{
    TrainerConfig,
    abi::host::{Component, Library},
};
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

/// The kinds that this host knows. A plugin may have others; they are listed and left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network.
    Architecture,
    /// A loss.
    Loss,
    /// A trainer config.
    Config,
    /// Who plans.
    Planner,
    /// Who preprocesses.
    Preprocessor,
    /// How a channel's intensities are made comparable.
    Normalization,
    /// A change of training samples.
    Augmentation,
    /// The learning rate over the epochs.
    LrSchedule,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] =
        [Kind::Architecture, Kind::Loss, Kind::Config, Kind::Planner, Kind::Preprocessor, Kind::Normalization, Kind::Augmentation, Kind::LrSchedule];

    /// As records name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Architecture => "architecture",
            Kind::Loss => "loss",
            Kind::Config => "config",
            Kind::Planner => "planner",
            Kind::Preprocessor => "preprocessor",
            Kind::Normalization => "normalization",
            Kind::Augmentation => "augmentation",
            Kind::LrSchedule => "lr_schedule",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where plugins are looked for and what is kept about them.
#[derive(Clone, Debug)]
pub struct Options {
    /// The places to search.
    pub search: SearchPath,
    /// The folder for verdicts and for the copies that are opened.
    pub cache: PathBuf,
    /// The file of hashes pinned at first use.
    pub lock: PathBuf,
    /// A changed file loads at once, and nothing is pinned.
    pub dev_plugins: bool,
}

impl Options {
    /// The user's: `$XDG_CACHE_HOME/nnunet-host`, `$XDG_DATA_HOME/nnunet-host/plugins.lock`, and the search path of this
    /// process with `given` (`--plugins-dir`) first.
    ///
    /// # Errors
    /// The user has no home folder and the environment names no other.
    pub fn of_user(given: &[PathBuf]) -> Result<Self> {
        let folder = |variable: &str, below_home: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
            let base = named.or_else(|| std::env::home_dir().filter(|h| h.is_absolute()).map(|h| h.join(below_home)));
            base.map(|b| b.join("nnunet-host")).ok_or(Error::NoHome)
        };
        let data = folder("XDG_DATA_HOME", ".local/share")?;
        Ok(Options {
            search: SearchPath::of_process(given, Some(&data)),
            cache: folder("XDG_CACHE_HOME", ".cache")?,
            lock: data.join("plugins.lock"),
            dev_plugins: false,
        })
    }
}

/// A file that may be a plugin, and its library once something of it was asked for.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) judgement: Judgement,
    /// the file before it in the search that has the same content
    pub(crate) copy_of: Option<PathBuf>,
    /// what it holds, if it is a config file
    pub(crate) config: Option<TrainerConfig>,
    origin: Origin,
    library: OnceLock<Library>,
}

impl Plugin {
    /// What it says of itself, if it may be loaded.
    pub(crate) fn usable(&self) -> Option<&Metadata> {
        self.judgement.metadata.as_ref().filter(|_| self.judgement.state == State::Ready && self.copy_of.is_none())
    }

    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.judgement.metadata.iter().flat_map(|m| &m.components).any(|c| c.kind == kind && c.name == name)
    }

    fn provenance(&self) -> Provenance {
        let m = self.judgement.metadata.clone().unwrap_or_default();
        Provenance { plugin: m.id, version: m.version, sha256: self.judgement.sha256.clone(), file: Some(self.judgement.file.clone()) }
    }

    pub(crate) fn cannot_load(&self, reason: String) -> Error {
        Error::Load { id: self.provenance().plugin, file: self.judgement.file.clone(), reason }
    }
}

/// Who has a component.
pub(crate) enum Holder<'a> {
    Host(&'a Component),
    Plugin(&'a Plugin),
}

impl Holder<'_> {
    pub(crate) fn provenance(&self) -> Provenance {
        match self {
            Holder::Host(_) => Provenance::builtin(),
            Holder::Plugin(plugin) => plugin.provenance(),
        }
    }

    pub(crate) fn place(&self) -> String {
        match self {
            Holder::Host(_) => "the host itself".into(),
            Holder::Plugin(plugin) => plugin.judgement.file.display().to_string(),
        }
    }
}

/// The components of this binary and of the plugins that were found. Files are judged when it opens; a plugin runs from
/// the moment when one of its components is asked for.
#[derive(Debug)]
pub struct Registry {
    options: Options,
    pins: Mutex<Pins>,
    host: Library,
    pub(crate) builtin: Vec<Component>,
    pub(crate) plugins: Vec<Plugin>,
}

impl Registry {
    /// Finds and judges. A file that is refused is no error: its reason is kept for the list and for who asks for its components.
    ///
    /// # Errors
    /// A folder that the user named cannot be listed, or the file of pins cannot be read.
    pub fn open(options: Options) -> Result<Self> {
        let (pins, host) = (Pins::read(&options.lock)?, Library::builtin());
        let mut verdicts = Verdicts::read(options.cache.join("verdicts.json"));
        let (mut plugins, mut contents) = (Vec::new(), BTreeMap::new());
        for candidate in options.search.files()? {
            let found = match config_file::is_one(&candidate.path) {
                true => Some(config_file::judge_candidate(&candidate)),
                false => judge_candidate(&candidate, &mut verdicts, &pins, options.dev_plugins).map(|judgement| (judgement, None)),
            };
            let Some((judgement, config)) = found else { continue };
            // a config file has its name from the file, so the same text under two names is two configs
            let ready = judgement.sha256.clone().filter(|_| judgement.state == State::Ready && config.is_none());
            let copy_of = ready.as_ref().and_then(|hash| contents.get(hash).cloned());
            if let (Some(hash), None) = (ready, &copy_of) {
                contents.insert(hash, judgement.file.clone());
            }
            plugins.push(Plugin { judgement, copy_of, config, origin: candidate.place.origin, library: OnceLock::new() });
        }
        let _ = verdicts.save(); // without it the next start reads the files again
        let mut builtin = host.components();
        // what the validator needs for itself
        builtin.retain(|c| !c.name.starts_with("__"));
        for (name, description) in DEFAULT_NAMES {
            if !builtin.iter().any(|c| c.kind == Kind::Config.name() && c.name == name) {
                builtin.push(Component { kind: Kind::Config.to_string(), name: name.into(), description: description.into(), data: "{}".into() });
            }
        }
        builtin.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        Ok(Registry { options, pins: Mutex::new(pins), host, builtin, plugins })
    }

    /// The files that were judged, in the order of the search.
    pub fn judgements(&self) -> impl Iterator<Item = &Judgement> {
        self.plugins.iter().map(|p| &p.judgement)
    }

    /// The valid names of a kind, sorted; a name that several files claim is not among them.
    pub fn names(&self, kind: Kind) -> Vec<String> {
        let own = self.builtin.iter().map(|c| (c.kind.as_str(), c.name.as_str()));
        let theirs = self.plugins.iter().filter_map(Plugin::usable).flat_map(|m| m.components.iter().map(|c| (c.kind.as_str(), c.name.as_str())));
        let mut counts = BTreeMap::new();
        for (_, name) in own.chain(theirs).filter(|(k, _)| *k == kind.name()) {
            *counts.entry(name).or_insert(0) += 1;
        }
        counts.into_iter().filter(|&(_, n)| n == 1).map(|(name, _)| name.to_string()).collect()
    }

    /// The architecture of this name.
    ///
    /// # Errors
    /// Nothing or more than one thing has the name, or its plugin cannot be loaded.
    pub fn architecture(&self, name: &str) -> Result<ArchitectureSource> {
        let (library, from) = self.library_of(Kind::Architecture, name)?;
        Ok(ArchitectureSource { name: name.to_string(), from, library })
    }

    /// The loss of this name.
    ///
    /// # Errors
    /// Nothing or more than one thing has the name, or its plugin cannot be loaded.
    pub fn loss(&self, name: &str) -> Result<LossSource> {
        let (library, from) = self.library_of(Kind::Loss, name)?;
        Ok(LossSource { name: name.to_string(), from, library })
    }

    /// The planner, preprocessor, normalization, augmentation or schedule of this name.
    ///
    /// # Errors
    /// Nothing or more than one thing has the name, or its plugin cannot be loaded.
    pub fn hook(&self, kind: Kind, name: &str) -> Result<HookSource> {
        let (library, from) = self.library_of(kind, name)?;
        Ok(HookSource { kind, name: name.to_string(), from, library })
    }

    fn library_of(&self, kind: Kind, name: &str) -> Result<(Library, Provenance)> {
        let holder = self.find(kind, name)?;
        let library = match holder {
            Holder::Host(_) => self.host,
            Holder::Plugin(plugin) => self.load(plugin)?,
        };
        Ok((library, holder.provenance()))
    }

    pub(crate) fn holders(&self, kind: &str, name: &str) -> Vec<Holder<'_>> {
        let own = self.builtin.iter().filter(|c| c.kind == kind && c.name == name).map(Holder::Host);
        own.chain(self.plugins.iter().filter(|p| p.usable().is_some() && p.has(kind, name)).map(Holder::Plugin)).collect()
    }

    pub(crate) fn find(&self, kind: Kind, name: &str) -> Result<Holder<'_>> {
        let mut holders = self.holders(kind.name(), name);
        match (holders.pop(), holders.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                let holders = holders.iter().chain([&last]).map(Holder::place).collect();
                Err(Error::Conflict { kind, name: name.to_string(), holders })
            }
            (None, _) => {
                let known = self.names(kind);
                let refused = self.plugins.iter().filter(|p| p.has(kind.name(), name)).filter_map(|p| match &p.judgement.state {
                    State::Refused(reason) => Some((p.judgement.file.clone(), reason.clone())),
                    State::Ready => None,
                });
                let (refused, nearest) = (refused.collect(), suggest::nearest(name, &known));
                Err(Error::Unknown { kind, name: name.to_string(), nearest, known, refused })
            }
        }
    }

    /// Runs the plugin: reads and hashes the file again, pins the hash at its first use, and opens a copy of these bytes.
    pub(crate) fn load(&self, plugin: &Plugin) -> Result<Library> {
        if let Some(library) = plugin.library.get() {
            return Ok(*library);
        }
        let file = &plugin.judgement.file;
        let refused = |reason| Error::Refused { file: file.clone(), reason };
        let bytes = scan::read(file).map_err(refused)?;
        let sha256 = scan::sha256(&bytes);
        if plugin.judgement.sha256.as_ref() != Some(&sha256) {
            let _ = fs::remove_file(self.options.cache.join("verdicts.json")); // what it remembers of the file is not true
            return Err(refused("changed while it was being used: start again".into()));
        }
        if pinned(plugin.origin, self.options.dev_plugins) {
            self.pins.lock().unwrap_or_else(PoisonError::into_inner).set(file, &sha256)?;
        }
        let library = load::open(&bytes, &sha256, &self.options.cache.join("plugins")).map_err(|reason| plugin.cannot_load(reason))?;
        Ok(*plugin.library.get_or_init(|| library))
    }
}

/// Files beside the executable are as trusted as the executable: whoever can replace them can replace it.
fn pinned(origin: Origin, dev_plugins: bool) -> bool {
    origin != Origin::Beside && !dev_plugins
}

/// None for a file that is not worth a word where it lies.
fn judge_candidate(candidate: &Candidate, verdicts: &mut Verdicts, pins: &Pins, dev_plugins: bool) -> Option<Judgement> {
    let place = &candidate.place;
    let found = scan::real_file(&candidate.path).and_then(|real| Ok((verdicts.facts(&real)?, real)));
    let (facts, real) = match found {
        Ok((facts, _)) if place.mixed && !facts.marked => return None,
        Err(_) if place.mixed => return None,
        Ok(found) => found,
        Err(fault) => return Some(Judgement { file: candidate.path.clone(), sha256: None, metadata: None, state: State::Refused(fault) }),
    };
    let mut judgement = scan::verdict(real, facts);
    if let (State::Ready, Some(sha256)) = (&judgement.state, &judgement.sha256) {
        let distrust = distrust(&candidate.path, &judgement.file, place.origin);
        let changed = || pins.changed(&judgement.file, sha256).filter(|_| pinned(place.origin, dev_plugins));
        if let Some(reason) = distrust.or_else(changed) {
            judgement.state = State::Refused(reason);
        }
    }
    Some(judgement)
}

/// Asks for the file, its folder, and the folder of the link that led to it. A build folder is often its group's too.
pub(crate) fn distrust(path: &Path, real: &Path, origin: Origin) -> Option<String> {
    let mask = if origin == Origin::Beside { EVERYONE } else { EVERYONE_ELSE };
    open_to_others(real, mask).or_else(|| open_to_others(path, mask))
}
