//! All components by name, the host's own and the plugins'.

use crate::{
    ArchitectureSource, Error, HookSource, Judgement, Level, LossSource, Metadata, Origin, Provenance, Result, SearchPath, Signed, State, Trust,
    admit::{judge_candidate, pinned, signer},
    config::DEFAULT_NAMES,
    config_file, load, scan, suggest,
    trust::Pins,
    verdicts::Verdicts,
};
use plugin_api::{
    TrainerConfig,
    abi::host::{Component, Library},
};
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
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
    /// What is asked of a file, and whose signatures count.
    pub trust: Trust,
}

impl Options {
    /// The user's: `$XDG_CACHE_HOME/nnunet-host`, `$XDG_DATA_HOME/nnunet-host/plugins.lock`, and the search path of this
    /// process with `given` (`--plugins-dir`) first. The trust settings are those of `trust.json` beside the lock, the level that of
    /// [`Level::VARIABLE`] where it is set.
    ///
    /// # Errors
    /// The user has no home folder and the environment names no other; the trust settings cannot be understood.
    pub fn of_user(given: &[PathBuf]) -> Result<Self> {
        let folder = |variable: &str, below_home: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
            let base = named.or_else(|| std::env::home_dir().filter(|h| h.is_absolute()).map(|h| h.join(below_home)));
            base.map(|b| b.join("nnunet-host")).ok_or(Error::NoHome)
        };
        let data = folder("XDG_DATA_HOME", ".local/share")?;
        let mut options = Options {
            search: SearchPath::of_process(given, Some(&data)),
            cache: folder("XDG_CACHE_HOME", ".cache")?,
            lock: data.join("plugins.lock"),
            dev_plugins: false,
            trust: Trust::default(),
        };
        options.trust = Trust::read(&options.trust_file())?;
        if let Some(level) = std::env::var_os(Level::VARIABLE) {
            options.trust.level = level.to_string_lossy().parse().map_err(|e| Error::Invalid(format!("{}: {e}", Level::VARIABLE)))?;
        }
        Ok(options)
    }

    /// The user's plugins folder, beside the lock: `install` puts plugins there, and a search ends there.
    pub fn plugins_folder(&self) -> PathBuf {
        self.lock.with_file_name("plugins")
    }

    /// Where the trust settings are kept: beside the lock.
    pub fn trust_file(&self) -> PathBuf {
        self.lock.with_file_name("trust.json")
    }
}

/// A file that may be a plugin, and its library once something of it was asked for.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) judgement: Judgement,
    /// the file before it in the search that has the same content
    pub(crate) copy_of: Option<PathBuf>,
    pub(crate) signed: Signed,
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
        let (sha256, file) = (self.judgement.sha256.clone(), Some(self.judgement.file.clone()));
        Provenance { plugin: m.id, version: m.version, sha256, file, repository: m.repository }
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
    /// A folder that the user named cannot be listed, or the file of pins cannot be read; changed files are asked for where the trust
    /// level forbids them.
    pub fn open(options: Options) -> Result<Self> {
        if options.dev_plugins && options.trust.level != Level::FirstUse {
            let level = options.trust.level;
            return Err(Error::Invalid(format!("--dev-plugins loads changed files, and the trust level `{level}` forbids it: leave one of the two")));
        }
        let (pins, host) = (Pins::read(&options.lock)?, Library::builtin());
        let mut verdicts = Verdicts::read(options.cache.join("verdicts.json"));
        let (mut plugins, mut contents) = (Vec::new(), BTreeMap::new());
        for candidate in options.search.files()? {
            let found = match config_file::is_one(&candidate.path) {
                true => {
                    let (judgement, config) = config_file::judge_candidate(&candidate);
                    Some((judgement, Signed::No, config))
                }
                false => judge_candidate(&candidate, &mut verdicts, &pins, &options).map(|(judgement, signed)| (judgement, signed, None)),
            };
            let Some((judgement, signed, config)) = found else { continue };
            // a config file has its name from the file, so the same text under two names is two configs
            let ready = judgement.sha256.clone().filter(|_| judgement.state == State::Ready && config.is_none());
            let copy_of = ready.as_ref().and_then(|hash| contents.get(hash).cloned());
            if let (Some(hash), None) = (ready, &copy_of) {
                contents.insert(hash, judgement.file.clone());
            }
            plugins.push(Plugin { judgement, copy_of, signed, config, origin: candidate.place.origin, library: OnceLock::new() });
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

    /// Whose the component of this name is. Nothing is loaded for it.
    ///
    /// # Errors
    /// Nothing or more than one thing has the name.
    pub fn whose(&self, kind: Kind, name: &str) -> Result<Provenance> {
        Ok(self.find(kind, name)?.provenance())
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

    /// Runs the plugin: reads and hashes the file again, compares its signature, pins the hash at its first use, and opens a copy of these bytes.
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
        if signer(file, &bytes, &self.options).map_err(refused)? != plugin.signed {
            return Err(refused("has another signature than when it was found: start again".into()));
        }
        if pinned(plugin.origin, self.options.dev_plugins) {
            self.pins.lock().unwrap_or_else(PoisonError::into_inner).set(file, &sha256)?;
        }
        let library = load::open(&bytes, &sha256, &self.options.cache.join("plugins")).map_err(|reason| plugin.cannot_load(reason))?;
        Ok(*plugin.library.get_or_init(|| library))
    }
}
