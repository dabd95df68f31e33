//! `validate-plugin`

use super::Run;
use crate::{
    failure::Failure,
    show,
    validate::{
        Check, Subject, Verdict,
        sandbox::{self, Question},
    },
};
use registry::{Metadata, State, judge};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Try a plugin the way its users will: each check runs in a process of its own
#[derive(clap::Parser)]
#[command(name = "validate-plugin")]
pub(crate) struct ValidatePlugin {
    /// The plugin
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    /// Only this component (may be given several times)
    #[arg(long = "component", value_name = "KIND:NAME")]
    components: Vec<String>,
    /// List the checks
    #[arg(long)]
    list: bool,
    /// Leave a check out, by its name or the first part of it (may be given several times)
    #[arg(long, value_name = "NAME", value_parser = part_of_a_check)]
    skip: Vec<String>,
    /// Only this check, by its name or the first part of it (may be given several times)
    #[arg(long, value_name = "NAME", value_parser = part_of_a_check)]
    only: Vec<String>,
    /// Results as JSON
    #[arg(long)]
    json: bool,
    /// What random numbers come from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Longest time for a check, seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    timeout: u64,
    /// Most memory for a check, GiB
    #[arg(long, value_name = "GIB", default_value_t = 8.0)]
    memory: f64,
    /// Show only what failed or is warned of
    #[arg(long)]
    only_failed: bool,
}

fn part_of_a_check(text: &str) -> Result<String, String> {
    match Check::ALL.iter().any(|check| check.matches(text)) {
        true => Ok(text.to_owned()),
        false => Err("no check is called so; --list lists them".into()),
    }
}

/// Letters of the longest name of a check.
fn widest() -> usize {
    Check::ALL.iter().map(|c| c.name().len()).max().unwrap_or(0)
}

/// One line of the output.
#[derive(Serialize)]
struct Outcome {
    check: &'static str,
    /// `KIND:NAME`
    component: Option<String>,
    #[serde(flatten)]
    verdict: Verdict,
    seconds: f64,
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    sha256: Option<String>,
    plugin: &'a str,
    seed: u64,
    passed: bool,
    results: &'a [Outcome],
}

impl Run for ValidatePlugin {
    fn run(self) -> Result<(), Failure> {
        let Some(file) = self.file.as_ref().filter(|_| !self.list) else {
            return self.show_checks();
        };
        let judgement = judge(file);
        let refused = matches!(judgement.state, State::Refused(_));
        let metadata = judgement.metadata.unwrap_or_default();
        let asked = self.questions(&metadata)?;
        // what rests on a check that failed is not asked
        let mut stopped = None;
        let mut results = Vec::new();
        for (check, component) in asked {
            let start = Instant::now();
            let verdict = match stopped {
                Some(by) => Verdict::Skip(format!("{by} failed")),
                None if refused && check != Check::Scan => Verdict::Skip("the file is refused".into()),
                None => sandbox::ask(&Question {
                    check,
                    file: &judgement.file,
                    component: component.as_deref(),
                    seed: self.seed,
                    limit: Duration::from_secs(self.timeout),
                    memory: (self.memory * pipeline::memory::GIB) as u64,
                }),
            };
            if matches!((check, &verdict), (Check::Load, Verdict::Fail(_))) {
                stopped = Some(check.name());
            }
            let outcome = Outcome { check: check.name(), component, verdict, seconds: start.elapsed().as_secs_f64() };
            if !self.json && self.shows(&outcome) {
                show::line(&outcome.line());
            }
            results.push(outcome);
        }
        let (total, count) = (results.len(), |word: &str| results.iter().filter(|r| r.verdict.word() == word).count());
        let (failed, warned, skipped) = (count("FAIL"), count("warn"), count("skip"));
        let passed = failed == 0 && !refused;
        let tally = format!("{total} checks: {} passed, {warned} warned, {failed} failed, {skipped} skipped (seed {})", count("pass"), self.seed);
        results.retain(|r| self.shows(r));
        if self.json {
            let (file, sha256) = (&*judgement.file, judgement.sha256);
            show::line(&json(&Report { file, sha256, plugin: &metadata.id, seed: self.seed, passed, results: &results })?);
        }
        match (passed, judgement.state) {
            (true, _) => {
                show::note(&tally);
                Ok(())
            }
            (false, State::Refused(reason)) => Err(Failure::Plain(format!("{} {reason}", file.display()))),
            (false, State::Ready) => Err(Failure::Plain(tally)),
        }
    }
}

impl ValidatePlugin {
    fn show_checks(&self) -> Result<(), Failure> {
        let checks = || Check::ALL.iter().filter(|c| self.wants(**c));
        if self.json {
            let list: Vec<_> = checks().map(|c| serde_json::json!({"check": c.name(), "description": c.description()})).collect();
            show::line(&json(&list)?);
            return Ok(());
        }
        let width = widest();
        checks().for_each(|c| show::line(&format!("{:width$}  {}", c.name(), c.description())));
        Ok(())
    }

    fn shows(&self, outcome: &Outcome) -> bool {
        !self.only_failed || matches!(outcome.verdict, Verdict::Fail(_) | Verdict::Warn(_))
    }

    fn wants(&self, check: Check) -> bool {
        let named = |list: &[String]| list.iter().any(|text| check.matches(text));
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }

    /// The checks of the file, then those of each component that is wanted.
    fn questions(&self, metadata: &Metadata) -> Result<Vec<(Check, Option<String>)>, Failure> {
        let all: Vec<(&str, String)> = metadata.components.iter().map(|c| (c.kind.as_str(), format!("{}:{}", c.kind, c.name))).collect();
        if let Some(unknown) = self.components.iter().find(|wanted| !all.iter().any(|(_, name)| name == *wanted)) {
            let known: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
            return Err(Failure::usage(format!("the plugin has no component {unknown}; it has {}", known.join(", "))));
        }
        let wanted = |check: &&Check| self.wants(**check);
        let of_file = Check::ALL.iter().filter(|c| c.subject() == Subject::File).filter(wanted).map(|&c| (c, None));
        let components = all.iter().filter(|(_, name)| self.components.is_empty() || self.components.contains(name));
        let of_components = components.flat_map(|(kind, name)| {
            let about = move |c: &&Check| matches!(c.subject(), Subject::Each(k) if k.name() == *kind);
            Check::ALL.iter().filter(about).filter(wanted).map(move |&c| (c, Some(name.clone())))
        });
        Ok(of_file.chain(of_components).collect())
    }
}

impl Outcome {
    /// `pass  name  component  detail`
    fn line(&self) -> String {
        let (word, detail) = (self.verdict.word(), self.verdict.detail());
        let name = self.component.as_ref().map_or(String::new(), |component| format!("{component}  "));
        // one line, whatever a plugin says
        let width = widest();
        format!("{word}  {:width$}  {name}{}", self.check, detail.split_whitespace().collect::<Vec<_>>().join(" ")).trim_end().to_owned()
    }
}

/// One check of `validate-plugin`, in this process
#[derive(clap::Parser)]
#[command(name = "__check", hide = true)]
pub(crate) struct RunCheck {
    check: String,
    file: PathBuf,
    #[arg(long)]
    component: Option<String>,
    #[arg(long)]
    seed: u64,
}

impl Run for RunCheck {
    fn run(self) -> Result<(), Failure> {
        sandbox::answer(&self.check, &self.file, self.component.as_deref(), self.seed);
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Plain(error.to_string()))
}
